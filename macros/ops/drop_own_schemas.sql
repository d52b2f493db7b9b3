{#- Drops the schemas of a developer or a pull request, those that VEND_SCHEMA_PREFIX has put its name before. Production's have
    none, and it refuses to look at them. -#}
{% macro drop_own_schemas() %}
    {% if target.type != 'snowflake' or target.schema | upper == 'PRODUCTION' %}
        {{ exceptions.raise_compiler_error('Only the schemas of a VEND_SCHEMA_PREFIX on Snowflake are dropped.') }}
    {% endif %}
    {% for schema in ['staging', 'marts', 'reports', 'security', 'ops'] %}
        {% do adapter.drop_schema(api.Relation.create(database=target.database, schema=generate_schema_name(schema, none))) %}
    {% endfor %}
{% endmacro %}

{#- The schema a model names is the schema it gets: STAGING, MARTS, REPORTS, hot, reporting. On Snowflake a
    developer's profile names a prefix instead of PRODUCTION. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set schema = (custom_schema_name or target.schema) | trim -%}
    {%- if target.type == 'snowflake' and target.schema | upper != 'PRODUCTION' -%}
        {{ target.schema }}_{{ schema }}
    {%- else -%}
        {{ schema }}
    {%- endif -%}
{%- endmacro %}

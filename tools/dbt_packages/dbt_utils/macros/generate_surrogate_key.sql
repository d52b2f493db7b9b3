{# An expression that hashes the given columns, as text and joined by dashes, into one key. NULL is told apart
   from the empty string, unless the var surrogate_key_treat_nulls_as_empty_strings asks for the old way. #}
{% macro generate_surrogate_key(field_list) %}
    {{ return(adapter.dispatch('generate_surrogate_key', 'dbt_utils')(field_list)) }}
{% endmacro %}

{% macro default__generate_surrogate_key(field_list) %}
    {% set legacy = var('surrogate_key_treat_nulls_as_empty_strings', false) %}
    {% set when_null = '' if legacy else '_dbt_utils_surrogate_key_null_' %}
    {% set pieces = [] %}
    {% for field in field_list %}
        {% do pieces.append("coalesce(cast(%s as %s), '%s')" % (field, dbt.type_string(), when_null)) %}
    {% endfor %}
    {{ return(dbt.hash(pieces | join(" || '-' || "))) }}
{% endmacro %}

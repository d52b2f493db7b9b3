{#- A timestamp without zone; UTC by convention. -#}
{% macro type_naive_timestamp() -%}
    {{ return(adapter.dispatch('type_naive_timestamp')()) }}
{%- endmacro %}

{% macro default__type_naive_timestamp() -%} timestamp {%- endmacro %}

{% macro snowflake__type_naive_timestamp() -%} timestamp_ntz {%- endmacro %}

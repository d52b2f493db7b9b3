{#- 'YYYY-MM' of a date. -#}
{% macro month_key(value) -%}
    {{ return(adapter.dispatch('month_key')(value)) }}
{%- endmacro %}

{% macro default__month_key(value) -%} to_char({{ value }}, 'YYYY-MM') {%- endmacro %}

{% macro duckdb__month_key(value) -%} strftime({{ value }}, '%Y-%m') {%- endmacro %}

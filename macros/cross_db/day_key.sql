{#- 'YYYY-MM-DD' of a date, whatever a session's parameters say. -#}
{% macro day_key(value) -%}
    {{ return(adapter.dispatch('day_key')(value)) }}
{%- endmacro %}

{% macro default__day_key(value) -%} to_char({{ value }}, 'YYYY-MM-DD') {%- endmacro %}

{% macro duckdb__day_key(value) -%} strftime({{ value }}, '%Y-%m-%d') {%- endmacro %}

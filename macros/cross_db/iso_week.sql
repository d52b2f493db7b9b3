{#- ISO 8601 week number, 1 to 53. -#}
{% macro iso_week(value) -%}
    {{ return(adapter.dispatch('iso_week')(value)) }}
{%- endmacro %}

{% macro default__iso_week(value) -%} cast(extract(week from {{ value }}) as integer) {%- endmacro %}

{% macro snowflake__iso_week(value) -%} weekiso({{ value }}) {%- endmacro %}

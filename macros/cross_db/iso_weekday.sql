{#- 1 = Monday … 7 = Sunday, whatever the session's week start. -#}
{% macro iso_weekday(value) -%}
    {{ return(adapter.dispatch('iso_weekday')(value)) }}
{%- endmacro %}

{% macro default__iso_weekday(value) -%} cast(extract(isodow from {{ value }}) as integer) {%- endmacro %}

{% macro snowflake__iso_weekday(value) -%} dayofweekiso({{ value }}) {%- endmacro %}

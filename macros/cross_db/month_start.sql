{#- The first day of a date's or timestamp's month, as a date on every engine. -#}
{% macro month_start(value) -%}
    cast(date_trunc('month', {{ value }}) as date)
{%- endmacro %}

{#- The reporting day of hot.as_of(). -#}
{% macro hot_today() -%}
    cast({{ to_reporting_time('(select hot.as_of())') }} as date)
{%- endmacro %}

{#- The first day any hot view looks at: hot_days back, or the month's first. -#}
{% macro hot_first_day() -%}
    least({{ hot_today() }} - {{ var('hot_days') }}, cast(date_trunc('month', {{ hot_today() }}) as date))
{%- endmacro %}

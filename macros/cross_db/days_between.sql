{#- A query with one column, date_day: every day from `first` up to, not with, `end`; both as 'YYYY-MM-DD'.
    The number of days is known when this compiles, so it compiles without a connection. -#}
{% macro days_between(first, end) -%}
    {%- set date = modules.datetime.date -%}
    {%- set count = (date.fromisoformat(end) - date.fromisoformat(first)).days -%}
    {{ return(adapter.dispatch('days_between')(first, count)) }}
{%- endmacro %}

{% macro default__days_between(first, count) -%}
    select cast(cast('{{ first }}' as date) + n as date) as date_day
    from (select cast(unnest(generate_series(0, {{ count - 1 }})) as integer) as n) as numbers
{%- endmacro %}

{#- seq4() may leave gaps, row_number() does not -#}
{% macro snowflake__days_between(first, count) -%}
    select dateadd(day, row_number() over (order by null) - 1, cast('{{ first }}' as date)) as date_day
    from table(generator(rowcount => {{ count }}))
{%- endmacro %}

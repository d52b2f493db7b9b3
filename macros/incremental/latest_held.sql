{#- The latest instant that this table has in a column, as a literal, asked while a model is compiled: by a literal the engine knows
    which parts of a table it need not read. None where it has none, or not that column or those beside it yet, or
    the warehouse is not asked. -#}
{% macro latest_held(column, beside=[]) -%}
    {%- if not (execute and flags.INTROSPECT and has_columns([column] + beside)) -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set latest = run_query('select max(' ~ column ~ ') as latest from ' ~ this).rows[0][0] -%}
    {%- if latest is none -%}
        {{- return(none) -}}
    {%- endif -%}
    {{- return("cast('" ~ latest.isoformat(' ') ~ "' as " ~ type_naive_timestamp() ~ ')') -}}
{%- endmacro %}

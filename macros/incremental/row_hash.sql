{#- One number for the values of a row, a bigint; each engine has its own numbers. -#}
{% macro row_hash(columns) -%}
    {{ return(adapter.dispatch('row_hash')(columns)) }}
{%- endmacro %}

{% macro default__row_hash(columns) -%}
    cast(hash({{ columns | join(', ') }}) as bigint)
{%- endmacro %}

{#- DuckDB's has no sign and takes 64 bits. -#}
{% macro duckdb__row_hash(columns) -%}
    cast(hash({{ columns | join(', ') }}) >> 1 as bigint)
{%- endmacro %}

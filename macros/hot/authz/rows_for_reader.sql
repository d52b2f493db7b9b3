{#- The rows of a relation that whoever asks may see: all, or those of their garages. Two halves, of which one is not run,
    for then either can use an index; an OR of both could not. The outer select is needed: Postgres takes apart a barrier
    view that is nothing but a UNION ALL, and then lets a reader's function see hidden rows. -#}
{% macro rows_for_reader(relation) %}
    {%- set columns = shown_columns(relation) -%}
    select * from (
        select {{ columns }} from {{ relation }}
        where {{ is_among('garage_id', 'my_garages') }} and not (select authz.sees_all())

        union all

        select {{ columns }} from {{ relation }}
        where (select authz.sees_all())
    ) as rows_for_reader
{% endmacro %}

{#- All but the column that hot_view adds; * before the relation is built. -#}
{% macro shown_columns(relation) -%}
    {%- if execute -%}
        {%- set columns = run_query(
            "select quote_ident(attname) from pg_attribute where attrelid = to_regclass('" ~ relation.schema ~ "."
            ~ relation.identifier ~ "') and attnum > 0 and not attisdropped and attname <> 'always_null' order by attnum"
        ).columns[0].values() -%}
    {%- endif -%}
    {{ columns | join(', ') if columns else '*' }}
{%- endmacro %}

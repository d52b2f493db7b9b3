{#- The rows of staging that an incremental build of a model with a row for each of them has to take: those the loader brought
    since, and those of `outdated`, a query of the key. Two queries and no OR, for with that every row would be computed to be
    looked at; and the second only where there are any, for DuckDB would expect many and make ready for them. It asks nothing of
    the time of staging's rows: by that DuckDB would expect few of those, and make a hash table of all. -#}
{% macro due(staging, key, outdated) -%}
    select * from {{ staging }}
    where _fivetran_synced > {{ seen_until() }}
    {%- if has_rows(outdated) %}

    union all

    select * from {{ staging }}
    where {{ key }} in (
        select outdated.{{ key }} from ({{ outdated }}) as outdated
        where outdated.{{ key }} not in (
            select brought.{{ key }} from {{ staging }} as brought
            where brought._fivetran_synced > {{ seen_until() }} and brought.{{ key }} is not null
        )
    )
    {%- endif %}
{%- endmacro %}

{#- Whether a query of this table gives any row now, asked while the model is compiled. True where the warehouse is not asked, and
    for a table from before there was made_by. -#}
{% macro has_rows(query) -%}
    {%- if not (execute and flags.INTROSPECT)
        or 'made_by' not in adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') -%}
        {{- return(true) -}}
    {%- endif -%}
    {{- return(run_query('select count(*) as row_count from (' ~ query ~ ') as asked').rows[0][0] > 0) -}}
{%- endmacro %}

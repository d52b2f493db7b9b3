{#- The rows of staging that an incremental build of a model with a row for each of them has to take: those the loader brought
    since, and those among `outdated`, a query's name with the key. Two queries and no OR, for with that every row would be
    computed to be looked at. The second asks nothing of the time of staging's rows: by that DuckDB would expect few of them, and
    make a hash table of all to look up the few that are outdated. -#}
{% macro due(staging, key) -%}
    select * from {{ staging }}
    where _fivetran_synced > {{ seen_until() }}

    union all

    select * from {{ staging }}
    where {{ key }} in (
        select outdated.{{ key }} from outdated
        where outdated.{{ key }} not in (
            select brought.{{ key }} from {{ staging }} as brought
            where brought._fivetran_synced > {{ seen_until() }} and brought.{{ key }} is not null
        )
    )
{%- endmacro %}

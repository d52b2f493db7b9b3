{#- The rows of staging that an incremental build of a model with a row for each of them has to take: those the loader brought
    since, and those among `outdated`, a query's name with the key. Two queries and no OR, for with that every row would be
    computed to be looked at. -#}
{% macro due(staging, key) -%}
    select * from {{ staging }}
    where _fivetran_synced > {{ seen_until() }}

    union all

    select * from {{ staging }}
    where _fivetran_synced <= {{ seen_until() }} and {{ key }} in (select outdated.{{ key }} from outdated)
{%- endmacro %}

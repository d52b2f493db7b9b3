{#- The rows of staging that an incremental build of a model with a row for each of them has to take: those the loader brought
    since, and those that are `outdated`, by any of these conditions for rows of this table. Two queries and no OR, for with that
    every row would be computed to be looked at; and the second only where there are any, for DuckDB would expect many and make
    ready for them. It asks nothing of the time of staging's rows: by that DuckDB would expect few of those, and make a hash table
    of all. -#}
{% macro due(staging, key, outdated) -%}
    select * from {{ staging }}
    where _fivetran_synced > {{ seen_until() }}
    {%- if are_some(outdated) %}

    union all

    select * from {{ staging }}
    where {{ key }} in (
        select outdated.{{ key }}
        from (
            {%- for condition in outdated %}
            {%- if not loop.first %}
            union all
            {%- endif %}
            select {{ key }} from {{ this }} where {{ condition }}
            {%- endfor %}
        ) as outdated
        where outdated.{{ key }} not in (
            select brought.{{ key }} from {{ staging }} as brought
            where brought._fivetran_synced > {{ seen_until() }} and brought.{{ key }} is not null
        )
    )
    {%- endif %}
{%- endmacro %}

{#- Whether any row of this table meets one of the conditions now, asked while the model is compiled. Counts of each, so that no key
    is read. True where the warehouse is not asked, and for a table from before there was made_by. -#}
{% macro are_some(conditions) -%}
    {%- if not (execute and flags.INTROSPECT and has_columns(['made_by'])) -%}
        {{- return(true) -}}
    {%- endif -%}
    {%- set counts -%}
        {%- for condition in conditions -%}
            {{ '+ ' if not loop.first }}(select count(*) from {{ this }} where {{ condition }})
        {%- endfor -%}
    {%- endset -%}
    {{- return(run_query('select ' ~ counts ~ ' as row_count').rows[0][0] > 0) -}}
{%- endmacro %}

{#- The condition that no row of `relation` has these columns as this table's row has them. -#}
{% macro are_not_in(relation, columns) -%}
    hash({{ columns | join(', ') }}) not in (select hash(named.{{ columns | join(', named.') }}) from {{ relation }} as named)
{%- endmacro %}

{#- When the row of a snapshot query came to be as it is. Its updated_at tells, if that has moved since the row was last seen
    (`seen_before`) and is no later than the sync that brought it; else that sync, for some writers forget updated_at and some
    clocks are ahead. Always after the version before (`known_at`, null for none), so that no two versions hold at once.
    Reads updated_at, created_at, _fivetran_synced, known_at and seen_before. -#}
{% macro state_changed_at() -%}
    case
        when known_at is null then {{ least_known('coalesce(updated_at, created_at)', '_fivetran_synced') }}
        when updated_at > coalesce(seen_before, known_at) and updated_at > known_at and updated_at <= _fivetran_synced
            then updated_at
        when _fivetran_synced > known_at then _fivetran_synced
        else {{ dbt.dateadd('microsecond', 1, 'known_at') }}
    end
{%- endmacro %}

{#- The key of each row the snapshot holds, since when its last version holds, `known_at`, and the updated_at it was last seen
    with, `seen_before`; no row before the first run. -#}
{% macro known_states(key) -%}
    {%- if load_relation(this) is not none -%}
        select
            {{ key }},
            dbt_valid_from as known_at,
            seen_at as seen_before
        from {{ this }}
        where dbt_valid_to is null
    {%- else -%}
        select
            cast(null as {{ dbt.type_string() }}) as {{ key }},
            cast(null as {{ type_naive_timestamp() }}) as known_at,
            cast(null as {{ type_naive_timestamp() }}) as seen_before
        where false
    {%- endif -%}
{%- endmacro %}

{#- The condition for rows that the snapshot does not hold as they are: of a million, few change, and dbt need not look at the
    others; none, where it holds all of them. Every row before the first run. -#}
{% macro is_no_known_state(relation, raw_table, key, columns) -%}
    {%- if load_relation(this) is none -%}
        true
    {%- elif holds_all_states(relation, raw_table, key, columns) -%}
        false
    {%- else -%}
        hash({{ key }}, {{ columns | join(', ') }}) not in (
            select hash({{ key }}, {{ columns | join(', ') }}) from {{ this }}
            where dbt_valid_to is null
        )
    {%- endif -%}
{%- endmacro %}

{#- After a snapshot: the updated_at that each row has now, so that the next run knows whether it moved since. -#}
{% macro remember_seen(relation, raw_table, key, columns) -%}
    {%- if not holds_all_states(relation, raw_table, key, columns) -%}
    update {{ this }}
    set seen_at = rows_now.updated_at
    from (
        select
            {{ key }},
            updated_at
        from {{ relation }}
        where hash({{ key }}, updated_at) not in (select hash({{ key }}, seen_at) from {{ this }} where dbt_valid_to is null)
    ) as rows_now
    where {{ this.identifier }}.{{ key }} = rows_now.{{ key }}
        and {{ this.identifier }}.dbt_valid_to is null
        and {{ this.identifier }}.seen_at is distinct from rows_now.updated_at
    {%- endif -%}
{%- endmacro %}

{#- Whether the snapshot holds each row of `relation` as it is and was last seen, by one number. What was deleted in the source
    keeps its last version open, and is left out. -#}
{% macro holds_all_states(relation, raw_table, key, columns) -%}
    {{- return(agree(
        'select ' ~ fingerprint([key] + columns + ['updated_at']) ~ ' from ' ~ relation,
        'select ' ~ fingerprint([key] + columns + ['seen_at']) ~ ' from ' ~ this ~ ' where dbt_valid_to is null and '
            ~ key ~ ' not in (select id from ' ~ raw_table ~ ' where _fivetran_deleted and id is not null)'
    )) -}}
{%- endmacro %}

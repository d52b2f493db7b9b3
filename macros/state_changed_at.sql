{#- When the row of a snapshot query came to be as it is: its updated_at, where that has moved on since the version we know
    (`known_at`, null for none), else the sync that brought it, for some writers forget updated_at. Always after the version
    before, so that no two versions hold at once. Reads updated_at, created_at, _fivetran_synced and known_at. -#}
{% macro state_changed_at() -%}
    case
        when known_at is null then coalesce(updated_at, created_at, _fivetran_synced)
        when updated_at > known_at then updated_at
        when _fivetran_synced > known_at then _fivetran_synced
        else {{ dbt.dateadd('microsecond', 1, 'known_at') }}
    end
{%- endmacro %}

{#- The key of each row the snapshot holds and since when its last version holds, `known_at`; no row before the first run. -#}
{% macro known_states(key) -%}
    {%- if load_relation(this) is not none -%}
        select
            {{ key }},
            max(dbt_valid_from) as known_at
        from {{ this }}
        group by {{ key }}
    {%- else -%}
        select
            cast(null as {{ dbt.type_string() }}) as {{ key }},
            cast(null as {{ type_naive_timestamp() }}) as known_at
        where false
    {%- endif -%}
{%- endmacro %}

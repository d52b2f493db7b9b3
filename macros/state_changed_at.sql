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

{#- The key of each row the snapshot holds, since when its last version holds, `known_at`, the updated_at it was last seen with,
    `seen_before`, and its columns as known_<column>; no row before the first run. -#}
{% macro known_states(key, columns) -%}
    {%- if load_relation(this) is not none -%}
        select
            {{ key }},
            {% for column in columns -%}
                {{ column }} as known_{{ column }},
            {% endfor -%}
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
    others. Every row before the first run. -#}
{% macro is_no_known_state(columns) -%}
    {%- if load_relation(this) is not none -%}
        known_at is null
        {%- for column in columns %}
            or {{ column }} is distinct from known_{{ column }}
        {%- endfor -%}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- After a snapshot: the updated_at that each row has now, so that the next run knows whether it moved since. -#}
{% macro remember_seen(relation, key) -%}
    update {{ this }}
    set seen_at = rows_now.updated_at
    from {{ relation }} as rows_now
    where {{ this.identifier }}.{{ key }} = rows_now.{{ key }}
        and {{ this.identifier }}.dbt_valid_to is null
        and {{ this.identifier }}.seen_at is distinct from rows_now.updated_at
{%- endmacro %}

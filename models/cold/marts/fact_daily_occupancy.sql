-- Grain: garage, day and hour. Of two count sheets for one day the one created last holds. Incremental: hours go
-- whose sheet changed or holds no more, and come from sheets that are not here yet or whose garage's capacity changed.
{{ config(
    materialized='incremental',
    unique_key='occupancy_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['garage_id', 'occupancy_date']),
    pre_hook="{% if is_incremental() %}
        delete from {{ this }}
        where occupancy_id in (
            select stored.occupancy_id
            from {{ this }} as stored
            left join ({{ standing_occupancy_sheets() }}) as standing
                on
                    stored.daily_occupancy_id = standing.daily_occupancy_id
                    and stored._fivetran_synced = standing._fivetran_synced
            where standing.daily_occupancy_id is null
        )
    {% endif %}",
) }}

with garages as (

    select * from {{ ref('dim_garages') }}

),

standing_sheets as (

    {{ standing_occupancy_sheets() }}

),

{% if is_incremental() %}
stored_sheets as (

    select distinct
        daily_occupancy_id,
        _fivetran_synced,
        capacity
    from {{ this }}

),
{% endif %}

kept_sheets as (

    select standing_sheets.*
    from standing_sheets
    {% if is_incremental() %}
    left join garages on standing_sheets.garage_id = garages.garage_id
    left join stored_sheets on standing_sheets.daily_occupancy_id = stored_sheets.daily_occupancy_id
    where
        stored_sheets._fivetran_synced is distinct from standing_sheets._fivetran_synced
        or stored_sheets.capacity is distinct from garages.garage_capacity
    {% endif %}

),

hours as (

    {{ flatten_integers(
        'kept_sheets',
        'hourly_occupancy',
        ['garage_id', 'occupancy_date', 'daily_occupancy_id', '_fivetran_synced']
    ) }}

)

select
    {{ dbt_utils.generate_surrogate_key(
        ['hours.garage_id', day_key('hours.occupancy_date'), 'hours.element_index']
    ) }} as occupancy_id,
    hours.garage_id,
    hours.occupancy_date,
    hours.element_index as hour,
    hours.element as occupancy_count,
    garages.garage_capacity as capacity,
    {{ percent('hours.element', 'garages.garage_capacity', scale=2) }} as occupancy_rate,
    coalesce(hours.element * 5 >= garages.garage_capacity * 4 and garages.garage_capacity > 0, false) as is_peak_hour,
    hours.daily_occupancy_id,
    hours._fivetran_synced
from hours
left join garages on hours.garage_id = garages.garage_id

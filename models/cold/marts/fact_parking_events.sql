-- Grain: stay of a vehicle. Incremental like fact_payment_attempts: what the loader brought, what is called otherwise by
-- now, and without what the source deleted.
{{ config(
    materialized='incremental',
    unique_key='parking_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['garage_id', 'parking_date']),
    pre_hook="{% if is_incremental() %}
        {{ forget_what_is_gone(source('raw', 'parked'), ref('stg_parking_events'), 'parking_id') }}
    {% endif %}",
) }}

with garages as (

    select * from {{ ref('stg_garages') }}

),

users as (

    select
        user_id,
        first_name,
        last_name
    from {{ ref('dim_users') }}

),

{% if is_incremental() %}
outdated as (

    select stored.parking_id
    from {{ this }} as stored
    left join garages on stored.garage_id = garages.garage_id
    left join users on stored.user_id = users.user_id
    where stored.garage_name is distinct from garages.garage_name
        or stored.first_name is distinct from users.first_name
        or stored.last_name is distinct from users.last_name
        or stored.parking_date is distinct from cast({{ to_reporting_time('stored.entered_at') }} as date)
        or stored.hour_of_day is distinct from cast(extract(hour from {{ to_reporting_time('stored.entered_at') }}) as integer)

),
{% endif %}

parking_events as (

    select * from {{ ref('stg_parking_events') }}
    {% if is_incremental() %}
    where _fivetran_synced > {{ seen_until() }} or parking_id in (select outdated.parking_id from outdated)
    {% endif %}

)

select
    parking_events.parking_id,
    parking_events.garage_id,
    parking_events.user_id,
    parking_events.pass_id,
    parking_events.vehicle_plate,
    parking_events.entered_at,
    parking_events.exited_at,
    parking_events.duration_minutes,
    parking_events.parking_date,
    parking_events.hour_of_day,
    garages.garage_name,
    users.first_name,
    users.last_name,
    parking_events.created_at,
    parking_events._fivetran_synced
from parking_events
left join garages on parking_events.garage_id = garages.garage_id
left join users on parking_events.user_id = users.user_id

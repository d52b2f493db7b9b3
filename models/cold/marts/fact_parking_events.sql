-- Grain: stay of a vehicle. Incremental like fact_payment_attempts: what the loader brought, what is called otherwise by
-- now, and without what the source deleted.
{{ config(
    materialized='incremental',
    unique_key='parking_id',
    incremental_strategy='merge',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['garage_id', 'parking_date']),
    pre_hook="{% if is_incremental() %}
        delete from {{ this }}
        where parking_id not in (
            select id from {{ source('raw', 'parked') }} where id is not null and not coalesce(_fivetran_deleted, false)
        )
    {% endif %}",
) }}

with parking_events as (

    select * from {{ ref('stg_parking_events') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

users as (

    select * from {{ ref('dim_users') }}

)

{% if is_incremental() %}
,

stored as (

    select * from {{ this }}

)
{% endif %}

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
{% if is_incremental() %}
left join stored on parking_events.parking_id = stored.parking_id
where stored.parking_id is null
    or stored._fivetran_synced is distinct from parking_events._fivetran_synced
    or stored.garage_name is distinct from garages.garage_name
    or stored.first_name is distinct from users.first_name
    or stored.last_name is distinct from users.last_name
    or stored.parking_date is distinct from parking_events.parking_date
    or stored.hour_of_day is distinct from parking_events.hour_of_day
{% endif %}

-- Grain: stay of a vehicle. Incremental like fact_payment_attempts: what the loader brought, what is called otherwise by
-- now, what was computed otherwise, and without what the source deleted.
{{ config(
    materialized='incremental',
    unique_key='parking_number',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['garage_id', 'parking_date']),
    pre_hook="{% if is_incremental() %}
        {{ forget_what_is_gone(source('raw', 'parked'), ref('stg_parking_events'), 'parking_id', 'parking_number', is_named=true) }}
    {% endif %}",
) }}

{#- by one number for all that comes from elsewhere, none for a stay of nobody known; that of one whose user is not there, -1, is
    looked at each time -#}
{% set names = 'select named.row_hash from ' ~ ref('dim_users') ~ ' as named' %}
{% set outdated = [
    'made_by is distinct from ' ~ made_by(of_all=true),
    are_not_in(ref('stg_garages'), ['garage_id', 'garage_name']),
    'named_from not in (' ~ names ~ ')',
] %}

with garages as (

    select * from {{ ref('stg_garages') }}

),

users as (

    select
        user_id,
        first_name,
        last_name,
        user_number,
        row_hash
    from {{ ref('dim_users') }}

),

parking_events as (

    {% if is_incremental() %}
    {{ due(ref('stg_parking_events'), 'parking_id', outdated) }}
    {% else %}
    select * from {{ ref('stg_parking_events') }}
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
    parking_events._fivetran_synced,
    {{ row_hash([
        'parking_events.parking_id', 'parking_events.garage_id', 'parking_events.user_id', 'parking_events.pass_id',
        'parking_events.entered_at', 'parking_events.exited_at', 'parking_events.parking_date', 'parking_events.hour_of_day',
        made_by()
    ]) }} as row_hash,
    {{ key_number(['parking_events.parking_id']) }} as parking_number,
    users.user_number,
    case when parking_events.user_id is not null then coalesce(users.row_hash, -1) end as named_from,
    {{ made_by() }} as made_by
from parking_events
left join garages on parking_events.garage_id = garages.garage_id
left join users on parking_events.user_id = users.user_id

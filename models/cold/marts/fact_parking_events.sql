-- Grain: stay of a vehicle. Incremental like fact_payment_attempts: what the loader brought, what is called otherwise by
-- now, what was computed otherwise, and without what the source deleted.
{{ config(
    materialized='incremental',
    unique_key='parking_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['garage_id', 'parking_date']),
    pre_hook="{% if is_incremental() %}
        {{ forget_what_is_gone(source('raw', 'parked'), ref('stg_parking_events'), 'parking_id', is_named=true) }}
    {% endif %}",
) }}

{#- by one number for all that comes from elsewhere -#}
{% set outdated %}
    select parking_id from {{ this }}
    where made_by is distinct from {{ made_by(of_all=true) }}

    union all

    select parking_id from {{ this }}
    where hash(garage_id, garage_name) not in (
        select hash(garages.garage_id, garages.garage_name) from {{ ref('stg_garages') }} as garages
    )

    union all

    select parking_id from {{ this }}
    where user_id is not null
        and (named_from is null or named_from not in (select users.row_hash from {{ ref('dim_users') }} as users))
{% endset %}

with garages as (

    select * from {{ ref('stg_garages') }}

),

users as (

    select
        user_id,
        first_name,
        last_name,
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
    {{ key_number(['parking_events.user_id']) }} as user_number,
    users.row_hash as named_from,
    {{ made_by() }} as made_by
from parking_events
left join garages on parking_events.garage_id = garages.garage_id
left join users on parking_events.user_id = users.user_id

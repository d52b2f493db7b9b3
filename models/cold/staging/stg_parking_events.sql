-- Grain: stay of a vehicle.
with parked as (

    select
        *,
        {{ to_reporting_time('entered_at') }} as entered_at_local
    from {{ source('raw', 'parked') }}
    where id is not null and entered_at is not null and not coalesce(_fivetran_deleted, false)

)

select
    id as parking_id,
    garage_id,
    user_id,
    pass_id,
    vehicle_plate,
    entered_at,
    exited_at,
    {{ dbt.datediff('entered_at', 'exited_at', 'minute') }} as duration_minutes,
    cast(entered_at_local as date) as parking_date,
    cast(extract(hour from entered_at_local) as integer) as hour_of_day,
    created_at,
    cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from parked

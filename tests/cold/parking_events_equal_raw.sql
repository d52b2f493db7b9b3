-- fact_parking_events holds what RAW holds now, with today's reporting zone: an exit that came late and a deletion must
-- have reached it, also after an incremental run.
with raw_events as (

    select
        garage_id,
        exited_at,
        user_id,
        cast({{ to_reporting_time('entered_at') }} as date) as parking_date
    from {{ source('raw', 'parked') }}
    where id is not null and entered_at is not null and not coalesce(_fivetran_deleted, false)

),

expected as (

    select
        garage_id,
        parking_date,
        count(*) as stays,
        count(exited_at) as exits,
        count(user_id) as known_users
    from raw_events
    group by garage_id, parking_date

),

parking_events as (

    select
        garage_id,
        parking_date,
        count(*) as stays,
        count(exited_at) as exits,
        count(user_id) as known_users
    from {{ ref('fact_parking_events') }}
    group by garage_id, parking_date

)

select
    coalesce(expected.garage_id, parking_events.garage_id) as garage_id,
    coalesce(expected.parking_date, parking_events.parking_date) as parking_date
from expected
full outer join parking_events
    on expected.garage_id = parking_events.garage_id
        and expected.parking_date = parking_events.parking_date
where expected.stays is distinct from parking_events.stays
    or expected.exits is distinct from parking_events.exits
    or expected.known_users is distinct from parking_events.known_users

-- fact_daily_occupancy holds the hours of the sheet created last of each garage and day, with today's capacity: a
-- corrected, deleted or re-dated sheet must have reached it, also after an incremental run.
with sheets as (

    select
        *,
        row_number() over (
            partition by garage_id, occupancy_date
            order by created_at desc nulls last, daily_occupancy_id desc
        ) as preference
    from {{ ref('stg_daily_occupancy') }}

),

latest_sheets as (

    select sheets.*
    from sheets
    where sheets.preference = 1

),

hours as (

    {{ flatten_integers('latest_sheets', 'hourly_occupancy', ['garage_id', 'occupancy_date']) }}

),

expected as (

    select
        hours.garage_id,
        hours.occupancy_date,
        hours.element_index as hour,
        hours.element as occupancy_count,
        garages.garage_capacity as capacity
    from hours
    left join {{ ref('dim_garages') }} as garages on hours.garage_id = garages.garage_id

),

occupancy as (

    select * from {{ ref('fact_daily_occupancy') }}

)

select
    coalesce(expected.garage_id, occupancy.garage_id) as garage_id,
    coalesce(expected.occupancy_date, occupancy.occupancy_date) as occupancy_date,
    coalesce(expected.hour, occupancy.hour) as hour
from expected
full outer join occupancy
    on expected.garage_id = occupancy.garage_id
        and expected.occupancy_date = occupancy.occupancy_date
        and expected.hour = occupancy.hour
where expected.hour is null
    or occupancy.hour is null
    or expected.occupancy_count is distinct from occupancy.occupancy_count
    or expected.capacity is distinct from occupancy.capacity

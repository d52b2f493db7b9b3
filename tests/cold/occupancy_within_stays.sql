-- A sheet's hour counts no more vehicles than had a stay in the garage at some time of that hour, on days with stays. Only a
-- warning: sheets are counted by hand, and their clock may be another than reporting_timezone.
{{ config(severity='warn') }}

with sheets as (

    select * from {{ ref('fact_daily_occupancy') }}

),

stays as (

    select
        garage_id,
        cast({{ to_reporting_time('entered_at') }} as {{ type_naive_timestamp() }}) as entered_local,
        cast({{ to_reporting_time('exited_at') }} as {{ type_naive_timestamp() }}) as exited_local
    from {{ ref('fact_parking_events') }}

),

days_with_stays as (

    select distinct
        garage_id,
        cast(entered_local as date) as day
    from stays

),

-- what each hour adds to the vehicles that were there in it, and takes from those of the next
changes as (

    select
        garage_id,
        cast(entered_local as date) as day,
        cast(extract(hour from entered_local) as integer) as hour,
        1 as arrivals,
        0 as departures
    from stays

    union all

    select
        garage_id,
        cast(exited_local as date) as day,
        cast(extract(hour from exited_local) as integer) as hour,
        0 as arrivals,
        1 as departures
    from stays
    where exited_local is not null

    union all

    select
        garage_id,
        occupancy_date as day,
        hour,
        0 as arrivals,
        0 as departures
    from sheets

),

hours as (

    select
        garage_id,
        day,
        hour,
        sum(arrivals) as arrivals,
        sum(departures) as departures
    from changes
    group by garage_id, day, hour

),

possible as (

    select
        garage_id,
        day,
        hour,
        sum(arrivals) over (partition by garage_id order by day, hour)
        - (sum(departures) over (partition by garage_id order by day, hour) - departures) as vehicles
    from hours

)

select
    sheets.garage_id,
    sheets.occupancy_date,
    sheets.hour,
    sheets.occupancy_count,
    possible.vehicles as possible_count
from sheets
inner join days_with_stays
    on sheets.garage_id = days_with_stays.garage_id and sheets.occupancy_date = days_with_stays.day
inner join possible
    on sheets.garage_id = possible.garage_id
        and sheets.occupancy_date = possible.day
        and sheets.hour = possible.hour
where sheets.occupancy_count > possible.vehicles

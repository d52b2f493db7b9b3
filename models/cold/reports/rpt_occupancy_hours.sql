-- Grain: garage, day of the week and hour, where one was counted. The eight whole weeks before the day of as_of.
with hours as (

    select * from {{ ref('fact_daily_occupancy') }}
    where occupancy_count is not null

),

days as (

    select
        date_day,
        day_of_week,
        day_name
    from {{ ref('dim_date') }}
    where date_day < cast({{ to_reporting_time(as_of()) }} as date)
        and date_day >= cast({{ dbt.dateadd('day', -56, to_reporting_time(as_of())) }} as date)

),

garages as (

    select * from {{ ref('dim_garages') }}

),

by_hour as (

    select
        hours.garage_id,
        days.day_of_week,
        days.day_name,
        hours.hour,
        count(*) as days_counted,
        {{ ratio('sum(hours.occupancy_count)', 'count(*)', scale=2) }} as avg_occupancy_count,
        {{ ratio('sum(hours.occupancy_rate)', 'count(hours.occupancy_rate)', scale=2) }} as avg_occupancy_rate,
        max(hours.occupancy_rate) as peak_occupancy_rate,
        sum(case when hours.is_peak_hour then 1 else 0 end) as peak_hours_count,
        min(hours.occupancy_date) as first_day,
        max(hours.occupancy_date) as last_day
    from hours
    inner join days on hours.occupancy_date = days.date_day
    group by hours.garage_id, days.day_of_week, days.day_name, hours.hour

)

select
    by_hour.garage_id,
    garages.garage_name,
    by_hour.day_of_week,
    by_hour.day_name,
    by_hour.hour,
    cast(by_hour.days_counted as bigint) as days_counted,
    by_hour.avg_occupancy_count,
    by_hour.avg_occupancy_rate,
    by_hour.peak_occupancy_rate,
    cast(by_hour.peak_hours_count as bigint) as peak_hours_count,
    by_hour.first_day,
    by_hour.last_day
from by_hour
inner join garages on by_hour.garage_id = garages.garage_id

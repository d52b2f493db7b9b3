-- Grain: garage and month with a day counted. Days that began before as_of count.
with hours as (

    select
        *,
        {{ month_start('occupancy_date') }} as month
    from {{ ref('fact_daily_occupancy') }}
    where occupancy_date < {{ to_reporting_time(as_of()) }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

by_hour as (

    select
        garage_id,
        month,
        hour,
        sum(case when is_peak_hour then 1 else 0 end) as peaks,
        {{ ratio('sum(occupancy_rate)', 'count(occupancy_rate)') }} as mean_rate
    from hours
    group by garage_id, month, hour

),

ranked_hours as (

    select
        garage_id,
        month,
        hour,
        row_number() over (
            partition by garage_id, month
            order by peaks desc, mean_rate desc nulls last, hour asc
        ) as preference
    from by_hour
    where peaks > 0

),

monthly as (

    select
        garage_id,
        month,
        {{ ratio('sum(occupancy_rate)', 'count(occupancy_rate)') }} as avg_occupancy_rate,
        max(occupancy_rate) as peak_occupancy_rate,
        min(occupancy_rate) as min_occupancy_rate,
        sum(case when is_peak_hour then 1 else 0 end) as peak_hours_count,
        count(distinct occupancy_date) as days_tracked
    from hours
    group by garage_id, month

)

select
    monthly.garage_id,
    garages.garage_name,
    monthly.month,
    monthly.avg_occupancy_rate,
    monthly.peak_occupancy_rate,
    monthly.min_occupancy_rate,
    cast(monthly.peak_hours_count as bigint) as peak_hours_count,
    cast(monthly.days_tracked as bigint) as days_tracked,
    ranked_hours.hour as most_common_peak_hour,
    {{ month_key('monthly.month') }} as month_key
from monthly
inner join garages on monthly.garage_id = garages.garage_id
left join ranked_hours
    on
        monthly.garage_id = ranked_hours.garage_id
        and monthly.month = ranked_hours.month
        and ranked_hours.preference = 1

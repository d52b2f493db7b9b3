-- One garage's hours of the day over the last month, up to as_of.
select
    hour,
    {{ ratio('sum(occupancy_rate)', 'count(occupancy_rate)') }} as avg_occupancy,
    count(case when is_peak_hour then 1 end) as peak_days_count
from {{ ref('fact_daily_occupancy') }}
where
    garage_id = '{{ var("garage_id") }}'
    and occupancy_date >= cast({{ dbt.dateadd('month', -1, to_reporting_time(as_of())) }} as date)
    and occupancy_date < {{ to_reporting_time(as_of()) }}
group by hour
order by hour

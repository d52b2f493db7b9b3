-- Credits by warehouse and day (UTC) from :since to before :until. attributed: what queries took; the rest is idle.
-- WAREHOUSE_METERING_HISTORY is up to 3 hours late, the attributed ones and cloud services up to 6.
select
    coalesce(warehouse_name, '') as warehouse,
    cast(cast(start_time as datetime) as date) as day,
    cast(sum(credits_used_compute) as decimal(38, 9)) as compute,
    cast(sum(credits_used_cloud_services) as decimal(38, 9)) as cloud_services,
    cast(sum(coalesce(credits_attributed_compute_queries, 0)) as decimal(38, 9)) as attributed,
    max(cast(end_time as datetime)) as metered_until
from snowflake.account_usage.warehouse_metering_history
where cast(start_time as datetime) >= cast(:since as datetime)
    and cast(start_time as datetime) < cast(:until as datetime)
group by 1, 2
order by 1 nulls last, 2 nulls last

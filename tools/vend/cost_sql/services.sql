-- Credits of the account by service and day as they are billed: cloud services beyond a tenth of the day's compute only.
-- METERING_DAILY_HISTORY is up to 3 hours late.
select
    service_type,
    usage_date as day,
    cast(sum(credits_used_compute) as decimal(38, 10)) as compute,
    cast(sum(credits_used_cloud_services) as decimal(38, 10)) as cloud_services,
    cast(sum(coalesce(credits_adjustment_cloud_services, 0)) as decimal(38, 10)) as adjustment,
    cast(sum(credits_billed) as decimal(38, 10)) as billed
from snowflake.account_usage.metering_daily_history
where usage_date >= cast(:since as date)
    and usage_date < cast(:until as date)
group by 1, 2
order by 1 nulls last, 2 nulls last

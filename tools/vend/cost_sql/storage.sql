-- Bytes of the account, on average over the days there are. STORAGE_USAGE is up to 2 hours late.
select
    count(*) as days,
    cast(sum(storage_bytes + stage_bytes + failsafe_bytes) as decimal(38, 0)) as byte_days
from snowflake.account_usage.storage_usage
where usage_date >= cast(:since as date)
    and usage_date < cast(:until as date)

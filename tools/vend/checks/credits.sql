-- on: warehouse
-- only: snowflake
-- Credits of the last day (UTC) that ended :settled ago, against the mean of the seven before; a mean below :floor counts
-- as :floor. Compute only: what it adds for cloud services comes later, and is mostly not billed.
with usage as (

    select
        warehouse_name,
        datediff('day', cast(start_time as datetime), cast(:settled as datetime)) as days_ago,
        credits_used_compute
    from snowflake.account_usage.warehouse_metering_history
    where datediff('day', cast(start_time as datetime), cast(:settled as datetime)) between 1 and 8

),

warehouses as (

    select
        warehouse_name,
        cast(sum(case when days_ago = 1 then credits_used_compute else 0 end) as double) as last_day,
        cast(sum(case when days_ago > 1 then credits_used_compute else 0 end) as double) / 7 as before_that
    from usage
    where warehouse_name is not null
    group by warehouse_name

)

select
    warehouse_name as subject,
    round(last_day / case when before_that < :floor then :floor else before_that end, 2) as value,
    cast(round(last_day, 2) as varchar) || ' credits in a day, ' || cast(round(before_that, 2) as varchar) || ' on average before'
        as detail
from warehouses
order by warehouse_name

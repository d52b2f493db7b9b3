-- A garage's months have no gap and reach to that of as_of; each opens with what the one before closed with, and
-- compares itself with that one's revenue.
with garage_months as (

    select
        *,
        lag(month) over (partition by garage_id order by month) as previous_month,
        lag(active_subscriptions) over (partition by garage_id order by month) as previous_active,
        lag(gross_revenue) over (partition by garage_id order by month) as previous_revenue,
        lead(month) over (partition by garage_id order by month) as following_month
    from {{ ref('rpt_garage_monthly_pl') }}

),

clock as (

    -- the last month that began before as_of
    select max(date_day) as last_month
    from {{ ref('dim_date') }}
    where date_day = first_day_of_month and date_day < {{ to_reporting_time(as_of()) }}

)

select
    garage_months.garage_id,
    garage_months.month
from garage_months
cross join clock
where {{ dbt.datediff('garage_months.previous_month', 'garage_months.month', 'month') }} <> 1
    or coalesce(garage_months.previous_active, 0) <> garage_months.opening_subscriptions
    or garage_months.previous_month_revenue is distinct from garage_months.previous_revenue
    or (garage_months.following_month is null and garage_months.month <> clock.last_month)

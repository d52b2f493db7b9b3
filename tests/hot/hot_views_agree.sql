-- The views say the same of the same thing: the month's revenue is that of its days, and the subscriptions in force are
-- as many in both. A warning only: the views are refreshed one after the other, and a live source moves on between them.
{{ config(severity='warn') }}

with month_metrics as (

    select * from {{ ref('mv_current_month_metrics') }}

),

active_subscriptions as (

    select * from {{ ref('mv_active_subscriptions') }}

),

month_days as (

    select
        daily.garage_id,
        sum(daily.payment_count) as payment_count,
        sum(daily.gross_revenue) as gross_revenue,
        sum(daily.total_stripe_fees) as stripe_fees,
        sum(daily.total_platform_fees) as platform_fees,
        sum(daily.garage_profit) as garage_profit
    from {{ ref('mv_daily_revenue') }} as daily
    inner join month_metrics on daily.garage_id = month_metrics.garage_id
    where daily.payment_date >= month_metrics.month
    group by daily.garage_id

)

select month_metrics.garage_id
from month_metrics
left join month_days on month_metrics.garage_id = month_days.garage_id
left join active_subscriptions on month_metrics.garage_id = active_subscriptions.garage_id
where month_metrics.mtd_payment_count is distinct from month_days.payment_count
    or month_metrics.mtd_revenue is distinct from month_days.gross_revenue
    or month_metrics.mtd_stripe_fees is distinct from month_days.stripe_fees
    or month_metrics.mtd_platform_fees is distinct from month_days.platform_fees
    or month_metrics.mtd_garage_profit is distinct from month_days.garage_profit
    or month_metrics.active_subscriptions is distinct from active_subscriptions.active_count

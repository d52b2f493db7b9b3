-- Grain: garage and day; the thirty whole days before today, and today.
select
    days.garage_id::text as garage_id,
    days.payment_date,
    days.gross_revenue,
    days.payment_count,
    days.total_stripe_fees,
    days.total_platform_fees,
    days.garage_profit
from reporting.mv_daily_revenue as days
where
    days.garage_id = any(:garages::uuid[])
    and days.payment_date >= (select max(latest.payment_date) - 30 from reporting.mv_daily_revenue as latest)
order by days.garage_id, days.payment_date

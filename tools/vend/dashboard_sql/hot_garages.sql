-- Grain: garage that the reader may see; what the hot views hold of it now, and of the day at hand.
select
    occupancy.garage_id::text as garage_id,
    occupancy.garage_name,
    occupancy.capacity,
    occupancy.current_occupancy,
    occupancy.occupancy_rate,
    occupancy.available_spots,
    subscriptions.active_count,
    subscriptions.monthly_recurring_revenue,
    subscriptions.pending_cancellations,
    days.payment_date as today,
    days.gross_revenue,
    days.payment_count,
    months.mtd_revenue,
    months.mtd_garage_profit,
    months.mtd_new_subscriptions,
    months.mtd_cancellations
from reporting.mv_current_occupancy as occupancy
inner join reporting.mv_active_subscriptions as subscriptions on occupancy.garage_id = subscriptions.garage_id
inner join reporting.mv_current_month_metrics as months on occupancy.garage_id = months.garage_id
inner join reporting.mv_daily_revenue as days
    on
        occupancy.garage_id = days.garage_id
        and days.payment_date = (select max(latest.payment_date) from reporting.mv_daily_revenue as latest)
where occupancy.garage_id = any(:garages::uuid[])
order by occupancy.garage_name, occupancy.garage_id

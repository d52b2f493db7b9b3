-- Grain: garage and month, all there are, in order.
select
    garage_id,
    month,
    is_complete_month,
    currency,
    gross_revenue,
    total_stripe_fees,
    total_platform_fees,
    other_deductions,
    garage_profit,
    stripe_fee_percent,
    platform_fee_percent,
    margin_percent,
    previous_month_revenue,
    revenue_growth_pct,
    previous_year_revenue,
    yoy_growth_pct,
    monthly_recurring_revenue
from reports.vw_financial_analytics
where (:garage is null or garage_id = :garage)
order by garage_id, month

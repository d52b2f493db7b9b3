select
    month,
    gross_revenue,
    total_stripe_fees,
    total_platform_fees,
    other_deductions,
    garage_profit,
    margin_percent,
    revenue_growth_pct,
    currency
from reports.rpt_financial_analytics
where
    garage_id = {{garage}}
    and is_complete_month
    [[and month >= {{since}}]]
order by month desc

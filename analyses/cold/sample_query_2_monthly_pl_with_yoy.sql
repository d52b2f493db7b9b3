-- One garage's P&L of the last 24 whole months and the current one, each beside the same month a year before. The months
-- of a garage have no gaps, so twelve rows back is that month; it is looked up before the old ones are left out.
with monthly as (

    select
        month,
        gross_revenue,
        total_platform_fees,
        garage_profit,
        active_subscriptions,
        churn_rate_percent,
        revenue_growth_pct,
        lag(gross_revenue, 12) over (order by month) as yoy_revenue
    from {{ ref('rpt_garage_monthly_pl') }}
    where garage_id = '{{ var("garage_id") }}'

)

select
    month,
    gross_revenue,
    total_platform_fees,
    garage_profit,
    active_subscriptions,
    churn_rate_percent,
    revenue_growth_pct,
    yoy_revenue,
    {{ percent('gross_revenue - yoy_revenue', 'yoy_revenue') }} as yoy_growth_pct
from monthly
where month >= {{ month_start(dbt.dateadd('month', -24, to_reporting_time(as_of()))) }}
order by month desc

-- The platform's financials are those of the executive dashboard, and its movements lead from one month's MRR to the next.
with financials as (

    select
        *,
        lag(closing_mrr) over (order by month) as previous_mrr,
        lag(month, 12) over (order by month) as year_before
    from {{ ref('rpt_platform_financials') }}

),

platform as (

    select * from {{ ref('rpt_executive_dashboard') }}

)

select coalesce(financials.month, platform.month) as month
from financials
full outer join platform on financials.month = platform.month
where financials.gross_revenue is distinct from platform.total_gross_revenue
    or financials.total_stripe_fees is distinct from platform.total_stripe_fees
    or financials.total_platform_fees is distinct from platform.total_platform_fees
    or financials.garage_profit is distinct from platform.total_garage_profit
    or financials.previous_month_revenue is distinct from platform.previous_month_revenue
    or financials.revenue_growth_pct is distinct from platform.revenue_growth_pct
    or financials.closing_mrr is distinct from platform.total_monthly_recurring_revenue
    or financials.opening_mrr is distinct from coalesce(financials.previous_mrr, 0)
    or financials.gross_revenue <> financials.total_stripe_fees + financials.total_platform_fees
    + financials.other_deductions + financials.garage_profit
    or financials.year_before <> cast({{ dbt.dateadd('year', -1, 'financials.month') }} as date)

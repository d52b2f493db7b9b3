-- Financials and rankings have the months of the P&L, and its revenue; a year before is the month of that name.
with garage_months as (

    select * from {{ ref('rpt_garage_monthly_pl') }}

),

financials as (

    select * from {{ ref('rpt_financial_analytics') }}

),

rankings as (

    select * from {{ ref('rpt_garage_rankings') }}

),

year_before as (

    select
        garage_id,
        cast({{ dbt.dateadd('year', 1, 'month') }} as date) as month,
        gross_revenue,
        garage_profit
    from garage_months

)

select
    coalesce(garage_months.garage_id, financials.garage_id, rankings.garage_id) as garage_id,
    coalesce(garage_months.month, financials.month, rankings.month) as month
from garage_months
full outer join financials
    on garage_months.garage_id = financials.garage_id
        and garage_months.month = financials.month
full outer join rankings
    on garage_months.garage_id = rankings.garage_id
        and garage_months.month = rankings.month
left join year_before
    on garage_months.garage_id = year_before.garage_id
        and garage_months.month = year_before.month
where garage_months.gross_revenue is distinct from financials.gross_revenue
    or garage_months.garage_profit is distinct from financials.garage_profit
    or garage_months.revenue_growth_pct is distinct from financials.revenue_growth_pct
    or financials.gross_revenue <> financials.total_stripe_fees + financials.total_platform_fees
    + financials.other_deductions + financials.garage_profit
    or year_before.gross_revenue is distinct from financials.previous_year_revenue
    or financials.yoy_profit_change is distinct from financials.garage_profit - year_before.garage_profit
    or (financials.is_complete_month and financials.projected_revenue <> financials.gross_revenue)
    or garage_months.gross_revenue is distinct from rankings.gross_revenue
    or garage_months.garage_profit is distinct from rankings.garage_profit
    or garage_months.revenue_growth_pct is distinct from rankings.revenue_growth_pct

-- Grain: month of the platform, all there are, in order; the garages in the reporting currency.
select
    financials.month,
    financials.is_complete_month,
    financials.currency,
    executive.total_gross_revenue,
    executive.active_garages,
    executive.total_unique_customers,
    executive.total_active_subscriptions,
    executive.total_monthly_recurring_revenue,
    executive.total_platform_fees,
    executive.total_garage_profit,
    executive.revenue_growth_pct,
    executive.platform_churn_rate,
    financials.previous_year_revenue,
    financials.yoy_growth_pct,
    financials.projected_revenue,
    financials.opening_mrr,
    financials.new_mrr,
    financials.reactivation_mrr,
    financials.expansion_mrr,
    financials.contraction_mrr,
    financials.churned_mrr,
    financials.net_new_mrr,
    financials.closing_mrr,
    financials.gross_retention_percent,
    financials.net_retention_percent
from reports.rpt_executive_dashboard as executive
inner join reports.rpt_platform_financials as financials on executive.month = financials.month
order by financials.month

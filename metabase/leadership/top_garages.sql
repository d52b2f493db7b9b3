select
    garage_name,
    gross_revenue,
    revenue_growth_pct,
    utilization_rate
from reports.rpt_garage_rankings
where
    is_complete_month
    and month = (
        select max(latest.month)
        from reports.rpt_garage_rankings as latest
        where latest.is_complete_month
    )
    and currency = (select max(platform.currency) from reports.rpt_platform_financials as platform)
    [[and garage_region = {{region}}]]
order by gross_revenue desc, garage_id
limit 10

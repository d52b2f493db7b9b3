-- Grain: garage of the reporting currency in one month, by its place.
select
    rankings.garage_id,
    rankings.garage_name,
    rankings.garage_region,
    rankings.revenue_rank,
    rankings.revenue_rank_change,
    rankings.garages_ranked,
    rankings.gross_revenue,
    rankings.garage_profit,
    rankings.revenue_growth_pct,
    rankings.utilization_rate
from reports.rpt_garage_rankings as rankings
inner join reports.rpt_platform_financials as financials
    on rankings.month = financials.month and rankings.currency = financials.currency
where rankings.month = :month
order by rankings.revenue_rank, rankings.garage_name, rankings.garage_id
limit 10

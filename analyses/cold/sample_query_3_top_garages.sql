-- The ten garages with the most revenue in the last six whole months and the current one, each in its own currency.
select
    garage_id,
    garage_name,
    currency,
    sum(gross_revenue) as total_revenue,
    sum(total_platform_fees) as platform_fees_collected,
    {{ ratio('sum(active_subscriptions)', 'count(active_subscriptions)') }} as avg_active_subs,
    {{ ratio('sum(arpu)', 'count(arpu)') }} as avg_arpu,
    {{ ratio('sum(churn_rate_percent)', 'count(churn_rate_percent)') }} as avg_churn_rate
from {{ ref('rpt_garage_monthly_pl') }}
where month >= {{ month_start(dbt.dateadd('month', -6, to_reporting_time(as_of()))) }}
group by garage_id, garage_name, currency
order by total_revenue desc, garage_id asc
limit 10

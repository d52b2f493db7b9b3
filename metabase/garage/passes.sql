select
    pass_name,
    active_subscriptions,
    total_subscriptions,
    churn_rate,
    monthly_revenue,
    currency
from reports.rpt_pass_performance
where garage_id = {{garage}}
order by monthly_revenue desc nulls last, pass_name, pass_id

-- Grain: pass, the one that brings most first.
select
    garage_id,
    pass_name,
    currency,
    active_subscriptions,
    total_subscriptions,
    churned_subscriptions,
    churn_rate,
    monthly_revenue,
    avg_subscription_lifetime_days
from reports.vw_pass_performance
where (:garage is null or garage_id = :garage)
order by garage_id, monthly_revenue desc, active_subscriptions desc, pass_name, pass_id

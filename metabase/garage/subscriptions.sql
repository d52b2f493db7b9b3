select
    month,
    active_subscriptions,
    new_subscriptions,
    churned_subscriptions
from reports.rpt_subscription_health
where
    garage_id = {{garage}}
    and month < (select max(latest.month) from reports.rpt_garage_monthly_pl as latest)
    [[and month >= {{since}}]]
order by month

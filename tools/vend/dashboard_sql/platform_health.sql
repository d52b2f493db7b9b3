-- Grain: month of the platform, in order.
select
    month,
    charge_count,
    first_attempt_success_rate_percent,
    eventual_success_rate_percent,
    dunning_recovery_rate_percent,
    in_dunning_charge_count,
    avg_days_to_recovery,
    churn_rate_percent,
    avg_subscription_lifetime_days
from reports.rpt_platform_health
order by month

-- Grain: subscription that is past due or unpaid, the one that waits longest first.
select
    failed.garage_id::text as garage_id,
    failed.subscription_id::text as subscription_id,
    failed.first_name,
    failed.last_name,
    failed.email,
    failed.monthly_amount,
    failed.days_past_due,
    failed.failed_attempts,
    failed.status
from reporting.mv_failed_payments as failed
where failed.garage_id = any(:garages::uuid[])
order by failed.garage_id, failed.days_past_due desc, failed.last_name, failed.first_name, failed.subscription_id

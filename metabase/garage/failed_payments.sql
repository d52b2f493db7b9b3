select
    first_name,
    last_name,
    email,
    phone,
    pass_name,
    past_due_amount,
    currency,
    days_past_due,
    ageing_bucket,
    failed_attempts
from reports.rpt_failed_payments
where garage_id = {{garage}}
order by days_past_due desc nulls last, subscription_id

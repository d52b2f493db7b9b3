select
    ageing_bucket,
    currency,
    sum(past_due_amount) as past_due_amount,
    count(*) as subscriptions
from reports.rpt_failed_payments
group by ageing_bucket, ageing_rank, currency
order by ageing_rank nulls last, currency

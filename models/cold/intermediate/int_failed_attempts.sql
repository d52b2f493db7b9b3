-- Grain: subscription that is past due or unpaid by its status now, and has failed attempts since its last success, before
-- as_of; the cold side of the hot sum_failed_attempts.
with subscriptions as (

    select
        subscription_id,
        subscription_number as payer_number
    from {{ ref('int_subscriptions') }}
    where status in ('past_due', 'unpaid')

),

garages as (

    select * from {{ ref('dim_garages') }}

),

attempts as (

    select
        attempts.*,
        -- an amount in another currency than the garage's is not known in the garage's
        case when attempts.currency = garages.currency then attempts.gross_amount end as amount
    from {{ ref('fact_payment_attempts') }} as attempts
    inner join subscriptions on attempts.payer_number = subscriptions.payer_number
    inner join garages on attempts.garage_id = garages.garage_id
    where attempts.status in ('succeeded', 'failed') and attempts.payment_date < {{ as_of() }}

),

-- what was refunded is no success here: it is owed again, as on the hot side
last_successes as (

    select
        subscription_id,
        max(payment_date) as succeeded_at
    from attempts
    where status = 'succeeded'
    group by subscription_id

),

failures as (

    select
        attempts.*,
        row_number() over (
            partition by attempts.subscription_id
            order by attempts.payment_date desc, attempts.payment_id desc
        ) as latest_first
    from attempts
    left join last_successes on attempts.subscription_id = last_successes.subscription_id
    where attempts.status = 'failed'
        and (last_successes.succeeded_at is null or attempts.payment_date > last_successes.succeeded_at)

)

select
    subscription_id,
    min(payment_date) as first_failed_at,
    max(payment_date) as last_failed_at,
    count(*) as failed_attempts,
    max(case when latest_first = 1 then amount end) as last_failed_amount
from failures
group by subscription_id

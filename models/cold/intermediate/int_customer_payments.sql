-- Grain: user and currency of the garages they have paid, or tried to. Payments before as_of that have a subscription.
with garages as (

    select * from {{ ref('dim_garages') }}

),

attempts as (

    select
        attempts.user_id,
        attempts.status,
        attempts.gross_amount,
        attempts.platform_fee,
        attempts.payment_date,
        garages.currency
    from {{ ref('fact_payment_attempts') }} as attempts
    inner join garages on attempts.garage_id = garages.garage_id
    where attempts.payment_date < {{ as_of() }} and attempts.user_id is not null

)

select
    user_id,
    currency,
    sum(case when status = 'succeeded' then 1 else 0 end) as payment_count,
    sum(case when status = 'succeeded' then gross_amount else 0 end) as lifetime_value,
    sum(case when status = 'succeeded' then platform_fee else 0 end) as lifetime_platform_fees,
    sum(case when status = 'refunded' then gross_amount else 0 end) as refunded_amount,
    sum(case when status = 'failed' then 1 else 0 end) as failed_attempts,
    min(case when status = 'succeeded' then payment_date end) as first_paid_at,
    max(case when status = 'succeeded' then payment_date end) as last_paid_at
from attempts
group by user_id, currency

-- fact_payment_attempts holds what RAW holds now, and fact_payments its succeeded ones: a refund, a late failure and a
-- deletion must have reached them, also after an incremental run.
with raw_payments as (

    select
        lower(trim(status)) as status,
        count(*) as payment_count,
        sum(amount) as gross_amount,
        sum({{ net_amount('net_amount', 'amount', 'stripe_fee') }}) as net_amount
    from {{ source('raw', 'payments') }}
    where id is not null and not coalesce(_fivetran_deleted, false)
    group by 1

),

attempts as (

    select
        status,
        count(*) as payment_count,
        sum(gross_amount) as gross_amount,
        sum(net_amount) as net_amount
    from {{ ref('fact_payment_attempts') }}
    group by status

),

succeeded as (

    select
        count(*) as payment_count,
        sum(gross_amount) as gross_amount
    from {{ ref('fact_payments') }}

)

select
    'fact_payment_attempts' as relation,
    coalesce(raw_payments.status, attempts.status) as status,
    raw_payments.payment_count as expected_count,
    attempts.payment_count as actual_count,
    raw_payments.gross_amount as expected_amount,
    attempts.gross_amount as actual_amount
from raw_payments
full outer join attempts on raw_payments.status = attempts.status
where raw_payments.payment_count is distinct from attempts.payment_count
    or raw_payments.gross_amount is distinct from attempts.gross_amount
    or raw_payments.net_amount is distinct from attempts.net_amount

union all

select
    'fact_payments' as relation,
    'succeeded' as status,
    coalesce(raw_payments.payment_count, 0) as expected_count,
    succeeded.payment_count as actual_count,
    raw_payments.gross_amount as expected_amount,
    succeeded.gross_amount as actual_amount
from succeeded
left join raw_payments on raw_payments.status = 'succeeded'
where coalesce(raw_payments.payment_count, 0) <> succeeded.payment_count
    or raw_payments.gross_amount is distinct from succeeded.gross_amount

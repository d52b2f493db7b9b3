-- fact_payment_attempts holds what RAW holds now, with today's fee rate and reporting zone, and fact_payments its
-- succeeded ones: a refund, a late failure and a deletion must have reached them, also after an incremental run.
with raw_payments as (

    select
        lower(trim(status)) as status,
        {{ month_start(to_reporting_time('payment_date')) }} as payment_month,
        amount as gross_amount,
        {{ net_amount('net_amount', 'amount', 'stripe_fee') }} as net_amount,
        {{ platform_fee('amount') }} as platform_fee
    from {{ source('raw', 'payments') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

),

expected as (

    select
        status,
        payment_month,
        count(*) as payment_count,
        sum(gross_amount) as gross_amount,
        sum(net_amount) as net_amount,
        sum(platform_fee) as platform_fee
    from raw_payments
    group by status, payment_month

),

attempts as (

    select
        status,
        payment_month,
        count(*) as payment_count,
        sum(gross_amount) as gross_amount,
        sum(net_amount) as net_amount,
        sum(platform_fee) as platform_fee
    from {{ ref('fact_payment_attempts') }}
    group by status, payment_month

),

expected_payments as (

    select
        coalesce(sum(payment_count), 0) as payment_count,
        coalesce(sum(gross_amount), 0) as gross_amount
    from expected
    where status = 'succeeded'

),

payments as (

    select
        count(*) as payment_count,
        coalesce(sum(gross_amount), 0) as gross_amount
    from {{ ref('fact_payments') }}

)

select
    'fact_payment_attempts' as relation,
    coalesce(expected.payment_month, attempts.payment_month) as payment_month,
    expected.payment_count as expected_count,
    attempts.payment_count as actual_count,
    expected.gross_amount as expected_amount,
    attempts.gross_amount as actual_amount
from expected
full outer join attempts
    on expected.status = attempts.status
        and expected.payment_month = attempts.payment_month
where expected.payment_count is distinct from attempts.payment_count
    or expected.gross_amount is distinct from attempts.gross_amount
    or expected.net_amount is distinct from attempts.net_amount
    or expected.platform_fee is distinct from attempts.platform_fee

union all

select
    'fact_payments' as relation,
    null as payment_month,
    expected_payments.payment_count as expected_count,
    payments.payment_count as actual_count,
    expected_payments.gross_amount as expected_amount,
    payments.gross_amount as actual_amount
from expected_payments
cross join payments
where expected_payments.payment_count <> payments.payment_count
    or expected_payments.gross_amount <> payments.gross_amount

-- Grain: garage, pass and month with a payment that stands as succeeded, before as_of. What was paid without a subscription
-- has the pass none. A table, so that the payments are read once and not by each report.
{{ config(materialized='table') }}

with payments as (

    select
        garage_id,
        pass_id,
        payment_month,
        payment_date,
        gross_amount,
        stripe_fee,
        platform_fee,
        garage_profit,
        list_price
    from {{ ref('fact_payments') }}
    where payment_date < {{ as_of() }}

)

-- by one number for garage and pass, for millions of names are many to compare
select
    any_value(payments.garage_id) as garage_id,
    coalesce(any_value(payments.pass_id), 'none') as pass_id,
    payments.payment_month as month,
    count(*) as payment_count,
    sum(payments.gross_amount) as gross_revenue,
    coalesce(sum(payments.stripe_fee), 0) as total_stripe_fees,
    sum(payments.platform_fee) as total_platform_fees,
    sum(payments.garage_profit) as garage_profit,
    sum(case when payments.list_price is not null then payments.gross_amount else 0 end) as priced_revenue,
    coalesce(sum(payments.list_price), 0) as revenue_at_list_price,
    min(payments.payment_date) as first_paid_at
from payments
group by hash(payments.garage_id, payments.pass_id), payments.payment_month

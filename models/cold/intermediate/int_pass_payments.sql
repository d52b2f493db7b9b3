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
    any_value(garage_id) as garage_id,
    coalesce(any_value(pass_id), 'none') as pass_id,
    payment_month as month,
    count(*) as payment_count,
    sum(gross_amount) as gross_revenue,
    coalesce(sum(stripe_fee), 0) as total_stripe_fees,
    sum(platform_fee) as total_platform_fees,
    sum(garage_profit) as garage_profit,
    sum(case when list_price is not null then gross_amount else 0 end) as priced_revenue,
    coalesce(sum(list_price), 0) as revenue_at_list_price,
    min(payment_date) as first_paid_at
from payments
group by hash(garage_id, pass_id), payment_month

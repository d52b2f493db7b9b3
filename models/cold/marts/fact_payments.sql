-- Grain: payment that stands as succeeded now. A view, so a refund or a late failure leaves it the moment
-- fact_payment_attempts knows, and ten million rows are not kept twice.
{{ config(materialized='view') }}

with attempts as (

    select * from {{ ref('fact_payment_attempts') }}

)

select
    payment_id,
    stripe_payment_intent_id,
    subscription_id,
    garage_id,
    gross_amount,
    stripe_fee,
    net_amount,
    platform_fee,
    garage_profit,
    currency,
    payment_date,
    payment_date_day,
    payment_month,
    payment_year,
    garage_name,
    user_id,
    user_email,
    pass_id,
    pass_name,
    list_price,
    created_at,
    updated_at,
    customer_number
from attempts
where status = 'succeeded'

-- Grain: garage. The month of as_of, from its first instant to as_of.
{{ config(meta={'indexes': [{'name': 'idx_mv_current_month_garage', 'columns': ['garage_id'], 'unique': true}]}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

daily_payments as (

    select * from {{ ref('sum_daily_payments') }}

),

month_subscriptions as (

    select * from {{ ref('sum_garage_subscriptions') }}

),

clock as (

    select cast(date_trunc('month', {{ hot_today() }}) as date) as month

),

month_payments as (

    select
        daily_payments.garage_id,
        sum(daily_payments.payment_count) as payment_count,
        sum(daily_payments.gross_revenue) as gross_revenue,
        sum(daily_payments.total_stripe_fees) as total_stripe_fees,
        sum(daily_payments.total_platform_fees) as total_platform_fees,
        sum(daily_payments.garage_profit) as garage_profit
    from daily_payments
    where daily_payments.day >= (select clock.month from clock)
    group by daily_payments.garage_id

)

select
    garages.id as garage_id,
    garages.name as garage_name,
    clock.month,
    coalesce(month_payments.gross_revenue, 0) as mtd_revenue,
    cast(coalesce(month_payments.payment_count, 0) as bigint) as mtd_payment_count,
    coalesce(month_payments.total_stripe_fees, 0) as mtd_stripe_fees,
    coalesce(month_payments.total_platform_fees, 0) as mtd_platform_fees,
    coalesce(month_payments.garage_profit, 0) as mtd_garage_profit,
    coalesce(month_subscriptions.opening_subscriptions, 0) as opening_subscriptions,
    coalesce(month_subscriptions.new_subscriptions, 0) as mtd_new_subscriptions,
    coalesce(month_subscriptions.active_count, 0) as active_subscriptions,
    coalesce(month_subscriptions.churned_subscriptions, 0) as mtd_cancellations,
    coalesce(month_subscriptions.cancellation_requests, 0) as mtd_cancellation_requests,
    {{ percent('month_subscriptions.churned_subscriptions', 'month_subscriptions.opening_subscriptions') }}
        as churn_rate_percent
from garages
cross join clock
left join month_payments on garages.id = month_payments.garage_id
left join month_subscriptions on garages.id = month_subscriptions.garage_id

-- Grain: garage. The month of as_of, from its first instant to as_of.
{{ config(meta={'indexes': [{'name': 'idx_mv_current_month_garage', 'columns': ['garage_id'], 'unique': true}]}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

payments as (

    select * from {{ source('operational', 'payments') }}

),

subscriptions as (

    {{ hot_subscriptions() }}

),

clock as (

    select
        hot.as_of() as as_of,
        date_trunc('month', {{ to_reporting_time('hot.as_of()') }}) as month_start

),

month_payments as (

    select
        payments.garage_id,
        count(*) as payment_count,
        sum(payments.amount) as gross_revenue,
        coalesce(sum(payments.stripe_fee), 0) as stripe_fees,
        sum({{ platform_fee('payments.amount') }}) as platform_fees,
        sum({{ net_amount('payments.net_amount', 'payments.amount', 'payments.stripe_fee') }}) as net_revenue
    from payments, clock
    where payments.status = 'succeeded'
        -- lets the index serve; the exact bound is the next line
        and payments.payment_date >= clock.month_start - interval '1 day'
        and {{ to_reporting_time('payments.payment_date') }} >= clock.month_start
        and payments.payment_date < clock.as_of
    group by payments.garage_id

),

localized as (

    select
        *,
        {{ to_reporting_time('created_at') }} as created_local,
        {{ to_reporting_time('ended_at') }} as ended_local,
        {{ to_reporting_time('canceled_at') }} as canceled_local
    from subscriptions

),

month_subscriptions as (

    select
        localized.garage_id,
        count(*) filter (
            where localized.created_local < clock.month_start
            and (localized.ended_local is null or localized.ended_local >= clock.month_start)
        ) as opening_subscriptions,
        count(*) filter (where localized.created_local >= clock.month_start) as new_subscriptions,
        count(*) filter (
            where localized.ended_local >= clock.month_start and localized.ended_at < clock.as_of
        ) as churned_subscriptions,
        count(*) filter (
            where localized.ended_at is null or localized.ended_at >= clock.as_of
        ) as active_subscriptions,
        count(*) filter (
            where localized.canceled_local >= clock.month_start and localized.canceled_at < clock.as_of
        ) as cancellation_requests
    from localized, clock
    group by localized.garage_id

)

select
    garages.id as garage_id,
    garages.name as garage_name,
    cast(clock.month_start as date) as month,
    coalesce(month_payments.gross_revenue, 0) as mtd_revenue,
    coalesce(month_payments.payment_count, 0) as mtd_payment_count,
    coalesce(month_payments.stripe_fees, 0) as mtd_stripe_fees,
    coalesce(month_payments.platform_fees, 0) as mtd_platform_fees,
    coalesce(month_payments.net_revenue - month_payments.platform_fees, 0) as mtd_garage_profit,
    coalesce(month_subscriptions.opening_subscriptions, 0) as opening_subscriptions,
    coalesce(month_subscriptions.new_subscriptions, 0) as mtd_new_subscriptions,
    coalesce(month_subscriptions.active_subscriptions, 0) as active_subscriptions,
    coalesce(month_subscriptions.churned_subscriptions, 0) as mtd_cancellations,
    coalesce(month_subscriptions.cancellation_requests, 0) as mtd_cancellation_requests,
    {{ percent('month_subscriptions.churned_subscriptions', 'month_subscriptions.opening_subscriptions') }}
        as churn_rate_percent
from garages
cross join clock
left join month_payments on garages.id = month_payments.garage_id
left join month_subscriptions on garages.id = month_subscriptions.garage_id

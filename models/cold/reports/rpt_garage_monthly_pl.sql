-- Grain: garage and month, from the garage's first begun subscription or succeeded payment to as_of.
{{ config(cluster_by=clustering_key(['garage_id', 'month'])) }}

with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

payments as (

    select * from {{ ref('int_pass_payments') }}

),

subscriptions as (

    select * from {{ ref('int_garage_subscriptions') }}

),

monthly_payments as (

    select
        garage_id,
        month,
        sum(payment_count) as payment_count,
        sum(gross_revenue) as gross_revenue,
        sum(total_stripe_fees) as total_stripe_fees,
        sum(total_platform_fees) as total_platform_fees,
        sum(garage_profit) as garage_profit
    from payments
    group by garage_id, month

),

monthly as (

    select
        garage_months.garage_id,
        garage_months.garage_name,
        garage_months.month,
        garage_months.month_key,
        garage_months.is_complete_month,
        garage_months.currency,
        coalesce(monthly_payments.payment_count, 0) as payment_count,
        coalesce(monthly_payments.gross_revenue, 0) as gross_revenue,
        coalesce(monthly_payments.total_stripe_fees, 0) as total_stripe_fees,
        coalesce(monthly_payments.total_platform_fees, 0) as total_platform_fees,
        coalesce(monthly_payments.garage_profit, 0) as garage_profit,
        subscriptions.opening_subscriptions,
        subscriptions.new_subscriptions,
        subscriptions.churned_subscriptions,
        subscriptions.active_subscriptions,
        subscriptions.unique_customers,
        subscriptions.monthly_recurring_revenue,
        subscriptions.past_due_subscriptions,
        subscriptions.unpaid_subscriptions,
        subscriptions.trialing_subscriptions,
        subscriptions.paused_subscriptions
    from garage_months
    inner join subscriptions
        on garage_months.garage_id = subscriptions.garage_id
            and garage_months.month = subscriptions.month
    left join monthly_payments
        on garage_months.garage_id = monthly_payments.garage_id
            and garage_months.month = monthly_payments.month

),

compared as (

    select
        *,
        lag(gross_revenue) over (partition by garage_id order by month) as previous_month_revenue
    from monthly

)

select
    garage_id,
    garage_name,
    month,
    month_key,
    is_complete_month,
    cast(gross_revenue as decimal(38, 2)) as gross_revenue,
    cast(total_stripe_fees as decimal(38, 2)) as total_stripe_fees,
    cast(total_platform_fees as decimal(38, 2)) as total_platform_fees,
    cast(garage_profit as decimal(38, 2)) as garage_profit,
    cast(active_subscriptions as bigint) as active_subscriptions,
    cast(unique_customers as bigint) as unique_customers,
    cast(churned_subscriptions as bigint) as churned_subscriptions,
    {{ ratio('gross_revenue', 'unique_customers') }} as arpu,
    {{ ratio('gross_revenue', 'active_subscriptions') }} as revenue_per_subscription,
    {{ percent('churned_subscriptions', 'opening_subscriptions') }} as churn_rate_percent,
    cast(previous_month_revenue as decimal(38, 2)) as previous_month_revenue,
    {{ percent('gross_revenue - previous_month_revenue', 'previous_month_revenue') }} as revenue_growth_pct,
    currency,
    cast(payment_count as bigint) as payment_count,
    cast(opening_subscriptions as bigint) as opening_subscriptions,
    cast(new_subscriptions as bigint) as new_subscriptions,
    cast(monthly_recurring_revenue as decimal(38, 2)) as monthly_recurring_revenue,
    cast(past_due_subscriptions as bigint) as past_due_subscriptions,
    cast(unpaid_subscriptions as bigint) as unpaid_subscriptions,
    cast(trialing_subscriptions as bigint) as trialing_subscriptions,
    cast(paused_subscriptions as bigint) as paused_subscriptions
from compared

-- Grain: garage and month, from the garage's first begun subscription or succeeded payment to as_of.
{{ config(cluster_by=clustering_key(['garage_id', 'month'])) }}

with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

payments as (

    select * from {{ ref('fact_payments') }}
    where payment_date < {{ as_of() }}

),

subscription_months as (

    select * from {{ ref('int_subscription_months') }}

),

monthly_payments as (

    select
        garage_id,
        payment_month as month,
        count(*) as payment_count,
        sum(gross_amount) as gross_revenue,
        coalesce(sum(stripe_fee), 0) as total_stripe_fees,
        sum(platform_fee) as total_platform_fees,
        sum(garage_profit) as garage_profit
    from payments
    group by garage_id, payment_month

),

monthly_subscriptions as (

    select
        garage_id,
        month,
        sum(is_opening) as opening_subscriptions,
        sum(is_new) as new_subscriptions,
        sum(is_churned) as churned_subscriptions,
        sum(is_closing) as active_subscriptions,
        count(distinct case when is_closing = 1 then user_id end) as unique_customers,
        sum(case when is_closing = 1 then monthly_amount else 0 end) as monthly_recurring_revenue,
        sum(case when is_closing = 1 and status = 'past_due' then 1 else 0 end) as past_due_subscriptions,
        sum(case when is_closing = 1 and status = 'unpaid' then 1 else 0 end) as unpaid_subscriptions,
        sum(case when is_closing = 1 and status = 'trialing' then 1 else 0 end) as trialing_subscriptions,
        sum(case when is_closing = 1 and status = 'paused' then 1 else 0 end) as paused_subscriptions
    from subscription_months
    group by garage_id, month

),

monthly as (

    select
        garage_months.garage_id,
        garage_months.garage_name,
        garage_months.month,
        garage_months.month_key,
        garage_months.currency,
        coalesce(monthly_payments.payment_count, 0) as payment_count,
        coalesce(monthly_payments.gross_revenue, 0) as gross_revenue,
        coalesce(monthly_payments.total_stripe_fees, 0) as total_stripe_fees,
        coalesce(monthly_payments.total_platform_fees, 0) as total_platform_fees,
        coalesce(monthly_payments.garage_profit, 0) as garage_profit,
        coalesce(monthly_subscriptions.opening_subscriptions, 0) as opening_subscriptions,
        coalesce(monthly_subscriptions.new_subscriptions, 0) as new_subscriptions,
        coalesce(monthly_subscriptions.churned_subscriptions, 0) as churned_subscriptions,
        coalesce(monthly_subscriptions.active_subscriptions, 0) as active_subscriptions,
        coalesce(monthly_subscriptions.unique_customers, 0) as unique_customers,
        coalesce(monthly_subscriptions.monthly_recurring_revenue, 0) as monthly_recurring_revenue,
        coalesce(monthly_subscriptions.past_due_subscriptions, 0) as past_due_subscriptions,
        coalesce(monthly_subscriptions.unpaid_subscriptions, 0) as unpaid_subscriptions,
        coalesce(monthly_subscriptions.trialing_subscriptions, 0) as trialing_subscriptions,
        coalesce(monthly_subscriptions.paused_subscriptions, 0) as paused_subscriptions
    from garage_months
    left join monthly_payments
        on garage_months.garage_id = monthly_payments.garage_id
            and garage_months.month = monthly_payments.month
    left join monthly_subscriptions
        on garage_months.garage_id = monthly_subscriptions.garage_id
            and garage_months.month = monthly_subscriptions.month

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

-- Grain: garage and month, as in rpt_garage_monthly_pl, whose counts and churn these are.
with garage_months as (

    select * from {{ ref('rpt_garage_monthly_pl') }}

),

lifetimes as (

    select * from {{ ref('int_garage_lifetimes') }}

),

subscriptions as (

    select
        *,
        -- what is asked for at as_of or later has not been asked for
        case when canceled_at < {{ as_of() }} then {{ to_reporting_time('canceled_at') }} end as canceled_local
    from {{ ref('fact_subscriptions') }}
    where is_begun

),

subscription_months as (

    select
        *,
        cast({{ dbt.dateadd('month', 1, 'month') }} as date) as next_month
    from {{ ref('int_subscription_months') }}

),

unpaid_charges as (

    select distinct subscription_id
    from {{ ref('int_failed_charges') }}
    where is_collected = 0 and subscription_id is not null

),

requests as (

    select
        garage_id,
        {{ month_start('canceled_local') }} as month,
        count(*) as cancellation_requests
    from subscriptions
    where canceled_local is not null
    group by garage_id, {{ month_start('canceled_local') }}

),

states as (

    select
        subscription_months.garage_id,
        subscription_months.month,
        subscription_months.monthly_amount,
        case
            when subscription_months.is_closing = 1
                and subscriptions.cancel_at_period_end
                and (
                    subscriptions.canceled_local < subscription_months.next_month
                    -- since when is not known, only that it is so now
                    or (
                        subscriptions.canceled_at is null
                        and subscription_months.next_month >= {{ to_reporting_time(as_of()) }}
                    )
                )
                then 1
            else 0
        end as is_pending,
        case when subscription_months.is_churned = 1 and unpaid_charges.subscription_id is not null then 1 else 0 end
            as is_churned_owing
    from subscription_months
    inner join subscriptions on subscription_months.subscription_id = subscriptions.subscription_id
    left join unpaid_charges on subscription_months.subscription_id = unpaid_charges.subscription_id

),

monthly as (

    select
        garage_id,
        month,
        sum(is_pending) as pending_cancellations,
        sum(case when is_pending = 1 then monthly_amount else 0 end) as pending_cancellation_amount,
        sum(is_churned_owing) as churned_owing_subscriptions
    from states
    group by garage_id, month

)

select
    garage_months.garage_id,
    garage_months.garage_name,
    garage_months.month,
    garage_months.month_key,
    garage_months.opening_subscriptions,
    garage_months.new_subscriptions,
    garage_months.churned_subscriptions,
    garage_months.active_subscriptions,
    garage_months.churn_rate_percent,
    cast(coalesce(monthly.churned_owing_subscriptions, 0) as bigint) as churned_owing_subscriptions,
    cast(coalesce(requests.cancellation_requests, 0) as bigint) as cancellation_requests,
    cast(coalesce(monthly.pending_cancellations, 0) as bigint) as pending_cancellations,
    cast(coalesce(monthly.pending_cancellation_amount, 0) as decimal(38, 2)) as pending_cancellation_amount,
    garage_months.monthly_recurring_revenue,
    {{ ratio('garage_months.monthly_recurring_revenue', 'garage_months.active_subscriptions') }} as avg_subscription_value,
    {{ ratio('lifetimes.lifetime_days', 'lifetimes.begun_subscriptions') }} as avg_subscription_lifetime_days,
    {{ ratio('lifetimes.churned_lifetime_days', 'lifetimes.churned_subscriptions') }} as avg_churned_lifetime_days,
    garage_months.past_due_subscriptions,
    garage_months.unpaid_subscriptions,
    garage_months.trialing_subscriptions,
    garage_months.paused_subscriptions,
    garage_months.currency
from garage_months
left join lifetimes
    on garage_months.garage_id = lifetimes.garage_id
        and garage_months.month = lifetimes.month
left join requests
    on garage_months.garage_id = requests.garage_id
        and garage_months.month = requests.month
left join monthly
    on garage_months.garage_id = monthly.garage_id
        and garage_months.month = monthly.month

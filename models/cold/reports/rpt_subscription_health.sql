-- Grain: garage and month, as in rpt_garage_monthly_pl, whose counts and churn these are.
with garage_months as (

    select * from {{ ref('rpt_garage_monthly_pl') }}

),

lifetimes as (

    select * from {{ ref('int_garage_lifetimes') }}

),

garage_month_ends as (

    select * from {{ ref('int_garage_months') }}

),

subscriptions as (

    select
        *,
        {{ to_reporting_time('created_at') }} as created_local,
        -- what is asked for, or ends, at as_of or later has not been asked for, or ended
        case when canceled_at < {{ as_of() }} then {{ to_reporting_time('canceled_at') }} end as canceled_local,
        case when ended_at < {{ as_of() }} then {{ to_reporting_time('ended_at') }} end as ended_local
    from {{ ref('fact_subscriptions') }}
    where is_begun

),

amounts as (

    select
        *,
        {{ to_reporting_time('held_from') }} as held_from_local,
        {{ to_reporting_time('held_until') }} as held_until_local
    from {{ ref('int_subscription_amounts') }}

),

unpaid_charges as (

    select distinct subscription_id
    from {{ ref('int_failed_charge_attempts') }}
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

-- in force at the month's end, and to end with its period as was asked for by then
pending as (

    select
        months.garage_id,
        months.month,
        count(*) as pending_cancellations,
        sum(coalesce(amounts.monthly_amount, subscriptions.monthly_amount)) as pending_cancellation_amount
    from subscriptions
    inner join garage_month_ends as months
        on subscriptions.garage_id = months.garage_id
            and subscriptions.created_local < months.next_month
            and (subscriptions.ended_local is null or subscriptions.ended_local >= months.next_month)
            and (
                subscriptions.canceled_local < months.next_month
                -- since when is not known, only that it is so now
                or (subscriptions.canceled_at is null and months.next_month >= {{ to_reporting_time(as_of()) }})
            )
    left join amounts
        on subscriptions.subscription_id = amounts.subscription_id
            and (amounts.held_from_local is null or months.next_month > amounts.held_from_local)
            and (amounts.held_until_local is null or months.next_month <= amounts.held_until_local)
    where subscriptions.cancel_at_period_end and subscriptions.created_at < {{ as_of() }}
    group by months.garage_id, months.month

),

owing as (

    select
        changes.garage_id,
        changes.month,
        count(*) as churned_owing_subscriptions
    from {{ ref('int_subscription_changes') }} as changes
    inner join unpaid_charges on changes.subscription_id = unpaid_charges.subscription_id
    where changes.is_churned = 1
    group by changes.garage_id, changes.month

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
    cast(coalesce(owing.churned_owing_subscriptions, 0) as bigint) as churned_owing_subscriptions,
    cast(coalesce(requests.cancellation_requests, 0) as bigint) as cancellation_requests,
    cast(coalesce(pending.pending_cancellations, 0) as bigint) as pending_cancellations,
    cast(coalesce(pending.pending_cancellation_amount, 0) as decimal(38, 2)) as pending_cancellation_amount,
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
left join pending
    on garage_months.garage_id = pending.garage_id
        and garage_months.month = pending.month
left join owing
    on garage_months.garage_id = owing.garage_id
        and garage_months.month = owing.month

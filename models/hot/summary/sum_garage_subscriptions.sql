-- Grain: garage with a subscription that has begun, or will. Counts at as_of and in its month.
{{ config(meta={'key': ['garage_id'], 'watched': ['subscriptions']}) }}

with subscriptions as (

    select
        *,
        {{ subscription_ended_at() }} as ended_at
    from {{ source('operational', 'subscriptions') }}
    where status not in ('incomplete', 'incomplete_expired')

),

clock as (

    select
        (select hot.as_of()) as as_of,
        date_trunc('month', {{ to_reporting_time('(select hot.as_of())') }}) as month_start

),

judged as (

    select
        subscriptions.garage_id,
        subscriptions.user_id,
        subscriptions.status,
        subscriptions.monthly_amount,
        subscriptions.cancel_at_period_end,
        subscriptions.created_at >= clock.as_of as is_to_come,
        coalesce(subscriptions.ended_at < clock.as_of, false) as has_ended,
        {{ to_reporting_time('subscriptions.created_at') }} >= clock.month_start as is_new,
        coalesce({{ to_reporting_time('subscriptions.ended_at') }} < clock.month_start, false) as has_ended_before,
        coalesce(
            {{ to_reporting_time('subscriptions.canceled_at') }} >= clock.month_start
            and subscriptions.canceled_at < clock.as_of,
            false
        ) as has_asked,
        least(
            case when subscriptions.created_at >= clock.as_of then subscriptions.created_at end,
            case when subscriptions.ended_at >= clock.as_of then subscriptions.ended_at end,
            case when subscriptions.canceled_at >= clock.as_of then subscriptions.canceled_at end
        ) as next_change_at
    from subscriptions
    cross join clock

)

select
    garage_id,
    count(*) filter (where not is_to_come and not has_ended) as active_count,
    count(distinct user_id) filter (where not is_to_come and not has_ended) as unique_customers,
    coalesce(sum(monthly_amount) filter (where not is_to_come and not has_ended), 0) as monthly_recurring_revenue,
    count(*) filter (where not is_to_come and not has_ended and cancel_at_period_end) as pending_cancellations,
    count(*) filter (where not is_to_come and not has_ended and status = 'past_due') as past_due_subscriptions,
    count(*) filter (where not is_to_come and not has_ended and status = 'unpaid') as unpaid_subscriptions,
    count(*) filter (where not is_to_come and not has_ended and status = 'trialing') as trialing_subscriptions,
    count(*) filter (where not is_to_come and not has_ended and status = 'paused') as paused_subscriptions,
    count(*) filter (where not is_to_come and not is_new and not has_ended_before) as opening_subscriptions,
    count(*) filter (where not is_to_come and is_new) as new_subscriptions,
    count(*) filter (where not is_to_come and has_ended and not has_ended_before) as churned_subscriptions,
    count(*) filter (where not is_to_come and has_asked) as cancellation_requests,
    min(next_change_at) as next_change_at
from judged
group by garage_id

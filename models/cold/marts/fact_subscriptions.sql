-- Grain: subscription, those that never began included (is_begun tells). A view of int_subscriptions: lifetime and churn move
-- with as_of, and the rest is written when it changes.
{{ config(materialized='view') }}

with subscriptions as (

    select
        *,
        coalesce(is_begun and ended_at < {{ as_of() }}, false) as is_churned,
        case
            when not is_begun or created_at >= {{ as_of() }} then null
            when ended_at < {{ as_of() }} then ended_at
            else {{ as_of() }}
        end as lived_until
    from {{ ref('int_subscriptions') }}

)

select
    subscription_id,
    stripe_subscription_id,
    user_id,
    garage_id,
    pass_id,
    status,
    monthly_amount,
    subscription_start_date,
    subscription_end_date,
    canceled_date,
    cancel_at_period_end,
    subscription_month,
    {{ dbt.datediff(
        'subscription_start_date', 'cast(' ~ to_reporting_time('lived_until') ~ ' as date)', 'day'
    ) }} as subscription_lifetime_days,
    is_churned,
    first_name,
    last_name,
    email,
    garage_name,
    pass_name,
    is_begun,
    created_at,
    ended_at,
    canceled_at,
    current_period_start,
    current_period_end
from subscriptions

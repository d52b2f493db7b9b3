-- Grain: user and currency, for amounts in two currencies have no sum: all of a row is about the garages of its currency. A
-- user without a subscription, payment or stay has one row, in reporting_currency. As of as_of. A view of int_customers: days
-- move with as_of, and the rest is written when it changes.
{{ config(materialized='view') }}

with customers as (

    select
        *,
        case when active_subscriptions > 0 then {{ as_of() }} else last_left_at end as stayed_until
    from {{ ref('int_customers') }}

)

select
    user_id,
    currency,
    first_name,
    last_name,
    email,
    phone,
    user_created_at,
    user_cohort_month,
    case
        when active_subscriptions > 0 then 'active'
        when total_subscriptions > 0 then 'churned'
        else 'never subscribed'
    end as customer_status,
    total_subscriptions,
    active_subscriptions,
    past_due_subscriptions,
    total_garages,
    active_garages,
    monthly_recurring_revenue,
    first_subscribed_at,
    cast({{ dbt.datediff(
        'cast(' ~ to_reporting_time('first_subscribed_at') ~ ' as date)',
        'cast(' ~ to_reporting_time('stayed_until') ~ ' as date)',
        'day'
    ) }} as integer) as tenure_days,
    payment_count,
    lifetime_value,
    lifetime_platform_fees,
    refunded_amount,
    failed_attempts,
    first_paid_at,
    last_paid_at,
    stay_count,
    last_seen_at,
    cast({{ dbt.datediff(
        'cast(' ~ to_reporting_time('last_seen_at') ~ ' as date)',
        'cast(' ~ to_reporting_time(as_of()) ~ ' as date)',
        'day'
    ) }} as integer) as days_since_last_seen
from customers

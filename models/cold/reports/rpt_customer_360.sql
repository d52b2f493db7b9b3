-- Grain: user and currency, for amounts in two currencies have no sum: all of a row is about the garages of its currency. A
-- user without a subscription, payment or stay has one row, in reporting_currency. As of as_of.
with users as (

    select * from {{ ref('dim_users') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

subscribed as (

    select * from {{ ref('int_customer_subscriptions') }}

),

paid as (

    select * from {{ ref('int_customer_payments') }}

),

stays as (

    select * from {{ ref('fact_parking_events') }}
    where entered_at < {{ as_of() }} and user_id is not null

),

seen as (

    select
        stays.user_id,
        garages.currency,
        count(*) as stay_count,
        max(case when stays.exited_at < {{ as_of() }} then stays.exited_at else stays.entered_at end) as last_seen_at
    from stays
    inner join garages on stays.garage_id = garages.garage_id
    group by stays.user_id, garages.currency

),

-- whoever has one of the three
known as (

    select
        coalesce(subscribed.user_id, paid.user_id, seen.user_id) as user_id,
        coalesce(subscribed.currency, paid.currency, seen.currency) as currency,
        subscribed.first_subscribed_at,
        subscribed.total_subscriptions,
        subscribed.active_subscriptions,
        subscribed.total_garages,
        subscribed.active_garages,
        subscribed.past_due_subscriptions,
        subscribed.monthly_recurring_revenue,
        subscribed.stayed_until,
        paid.payment_count,
        paid.lifetime_value,
        paid.lifetime_platform_fees,
        paid.refunded_amount,
        paid.failed_attempts,
        paid.first_paid_at,
        paid.last_paid_at,
        seen.stay_count,
        seen.last_seen_at
    from subscribed
    full outer join paid on subscribed.user_id = paid.user_id and subscribed.currency = paid.currency
    full outer join seen
        on coalesce(subscribed.user_id, paid.user_id) = seen.user_id
            and coalesce(subscribed.currency, paid.currency) = seen.currency

),

combined as (

    select
        users.user_id,
        users.first_name,
        users.last_name,
        users.email,
        users.phone,
        users.user_created_at,
        users.user_cohort_month,
        coalesce(known.currency, '{{ reporting_currency() }}') as currency,
        case
            when known.active_subscriptions > 0 then 'active'
            when known.total_subscriptions > 0 then 'churned'
            else 'never subscribed'
        end as customer_status,
        known.first_subscribed_at,
        known.total_subscriptions,
        known.active_subscriptions,
        known.total_garages,
        known.active_garages,
        known.past_due_subscriptions,
        known.monthly_recurring_revenue,
        known.stayed_until,
        known.payment_count,
        known.lifetime_value,
        known.lifetime_platform_fees,
        known.refunded_amount,
        known.failed_attempts,
        known.first_paid_at,
        known.last_paid_at,
        known.stay_count,
        known.last_seen_at
    from users
    left join known on users.user_id = known.user_id

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
    customer_status,
    cast(coalesce(total_subscriptions, 0) as bigint) as total_subscriptions,
    cast(coalesce(active_subscriptions, 0) as bigint) as active_subscriptions,
    cast(coalesce(past_due_subscriptions, 0) as bigint) as past_due_subscriptions,
    cast(coalesce(total_garages, 0) as bigint) as total_garages,
    cast(coalesce(active_garages, 0) as bigint) as active_garages,
    cast(coalesce(monthly_recurring_revenue, 0) as decimal(38, 2)) as monthly_recurring_revenue,
    first_subscribed_at,
    cast({{ dbt.datediff(
        'cast(' ~ to_reporting_time('first_subscribed_at') ~ ' as date)',
        'cast(' ~ to_reporting_time('stayed_until') ~ ' as date)',
        'day'
    ) }} as integer) as tenure_days,
    cast(coalesce(payment_count, 0) as bigint) as payment_count,
    cast(coalesce(lifetime_value, 0) as decimal(38, 2)) as lifetime_value,
    cast(coalesce(lifetime_platform_fees, 0) as decimal(38, 2)) as lifetime_platform_fees,
    cast(coalesce(refunded_amount, 0) as decimal(38, 2)) as refunded_amount,
    cast(coalesce(failed_attempts, 0) as bigint) as failed_attempts,
    first_paid_at,
    last_paid_at,
    cast(coalesce(stay_count, 0) as bigint) as stay_count,
    last_seen_at,
    cast({{ dbt.datediff(
        'cast(' ~ to_reporting_time('last_seen_at') ~ ' as date)',
        'cast(' ~ to_reporting_time(as_of()) ~ ' as date)',
        'day'
    ) }} as integer) as days_since_last_seen
from combined

-- Grain: subscription that is past due or unpaid today. Its failed attempts since the last success, before as_of, and what
-- its view shows of it and its subscriber: these lie scattered over large tables, and are read here when they change only.
{{ config(meta={'key': ['subscription_id'], 'watched': ['payments', 'subscriptions', 'users']}) }}

with subscriptions as (

    select * from {{ source('operational', 'subscriptions') }}
    where status in ('past_due', 'unpaid')

),

users as (

    select * from {{ source('operational', 'users') }}

),

-- two, for Postgres takes a CTE apart only where it is read once
successes as (

    select * from {{ source('operational', 'payments') }}
    where status = 'succeeded' and payment_date < (select hot.as_of())

),

attempts as (

    select * from {{ source('operational', 'payments') }}
    where status = 'failed' and payment_date < (select hot.as_of())

)

select
    subscriptions.id as subscription_id,
    subscriptions.stripe_subscription_id,
    subscriptions.garage_id,
    subscriptions.user_id,
    users.first_name,
    users.last_name,
    users.email,
    subscriptions.monthly_amount,
    subscriptions.current_period_start,
    subscriptions.current_period_end,
    subscriptions.created_at,
    subscriptions.status,
    failures.first_failed_at,
    failures.last_failed_at,
    failures.failed_attempts
from subscriptions
inner join users on subscriptions.user_id = users.id
cross join
    lateral (
        select max(successes.payment_date) as succeeded_at
        from successes
        where successes.subscription_id = subscriptions.id
    ) as last_success
cross join lateral (
    select
        min(attempts.payment_date) as first_failed_at,
        max(attempts.payment_date) as last_failed_at,
        count(*) as failed_attempts
    from attempts
    where attempts.subscription_id = subscriptions.id
        and (last_success.succeeded_at is null or attempts.payment_date > last_success.succeeded_at)
) as failures

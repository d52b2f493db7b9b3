-- Grain: subscription that is past due or unpaid today, however long.
{{ config(meta={'indexes': [
    {'name': 'idx_mv_failed_payments_key', 'columns': ['subscription_id'], 'unique': true},
    {'name': 'idx_mv_failed_payments_garage', 'columns': ['garage_id']},
]}) }}

with subscriptions as (

    select * from {{ source('operational', 'subscriptions') }}
    where status in ('past_due', 'unpaid') and created_at < (select hot.as_of())

),

payments as (

    select * from {{ source('operational', 'payments') }}
    where payment_date < (select hot.as_of())

),

garages as (

    select * from {{ source('operational', 'garages') }}

),

users as (

    select * from {{ source('operational', 'users') }}

),

last_success as (

    select
        subscriptions.id as subscription_id,
        max(payments.payment_date) as succeeded_at
    from subscriptions
    inner join payments on subscriptions.id = payments.subscription_id
    where payments.status = 'succeeded'
    group by subscriptions.id

),

failures as (

    select
        payments.subscription_id,
        min(payments.payment_date) as first_failed_at,
        max(payments.payment_date) as last_failed_at,
        count(*) as failed_attempts
    from payments
    inner join subscriptions on payments.subscription_id = subscriptions.id
    left join last_success on payments.subscription_id = last_success.subscription_id
    where payments.status = 'failed'
        and (last_success.succeeded_at is null or payments.payment_date > last_success.succeeded_at)
    group by payments.subscription_id

),

overdue as (

    select
        subscriptions.*,
        failures.first_failed_at,
        failures.last_failed_at,
        coalesce(failures.failed_attempts, 0) as failed_attempts,
        coalesce(
            failures.first_failed_at,
            case
                when subscriptions.current_period_end < (select hot.as_of()) then subscriptions.current_period_end
                else subscriptions.current_period_start
            end
        ) as past_due_since
    from subscriptions
    left join failures on subscriptions.id = failures.subscription_id

)

select
    overdue.id as subscription_id,
    overdue.stripe_subscription_id,
    overdue.garage_id,
    garages.name as garage_name,
    overdue.user_id,
    users.first_name,
    users.last_name,
    users.email,
    overdue.monthly_amount,
    overdue.current_period_end,
    cast({{ to_reporting_time('(select hot.as_of())') }} as date)
    - cast({{ to_reporting_time('overdue.past_due_since') }} as date) as days_past_due,
    overdue.past_due_since,
    overdue.first_failed_at,
    overdue.last_failed_at,
    overdue.failed_attempts,
    cast(overdue.status as text) as status
from overdue
inner join garages on overdue.garage_id = garages.id
inner join users on overdue.user_id = users.id

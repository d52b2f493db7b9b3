-- Grain: subscription that is past due or unpaid today, however long.
{{ config(meta={'indexes': [
    {'name': 'idx_mv_failed_payments_key', 'columns': ['subscription_id'], 'unique': true},
    {'name': 'idx_mv_failed_payments_garage', 'columns': ['garage_id']},
]}) }}

with subscriptions as (

    select * from {{ source('operational', 'subscriptions') }}
    where status in ('past_due', 'unpaid') and created_at < (select hot.as_of())

),

failures as (

    select * from {{ ref('sum_failed_attempts') }}

),

garages as (

    select * from {{ source('operational', 'garages') }}

),

users as (

    select * from {{ source('operational', 'users') }}

),

overdue as (

    select
        subscriptions.*,
        failures.first_failed_at,
        failures.last_failed_at,
        failures.failed_attempts,
        coalesce(
            failures.first_failed_at,
            case
                when subscriptions.current_period_end < (select hot.as_of()) then subscriptions.current_period_end
                else subscriptions.current_period_start
            end
        ) as past_due_since
    from failures
    inner join subscriptions on failures.subscription_id = subscriptions.id

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

-- Grain: subscription that is past due or unpaid today, however long.
{{ config(meta={'indexes': [
    {'name': 'idx_mv_failed_payments_key', 'columns': ['subscription_id'], 'unique': true},
    {'name': 'idx_mv_failed_payments_garage', 'columns': ['garage_id']},
]}) }}

with subscriptions as (

    select * from {{ ref('sum_failed_attempts') }}
    where created_at < (select hot.as_of())

),

garages as (

    select * from {{ source('operational', 'garages') }}

),

overdue as (

    select
        *,
        coalesce(
            first_failed_at,
            case
                when current_period_end < (select hot.as_of()) then current_period_end
                else current_period_start
            end
        ) as past_due_since
    from subscriptions

)

select
    overdue.subscription_id,
    overdue.stripe_subscription_id,
    overdue.garage_id,
    garages.name as garage_name,
    overdue.user_id,
    overdue.first_name,
    overdue.last_name,
    overdue.email,
    overdue.monthly_amount,
    overdue.current_period_end,
    -- infinity and -infinity are no day to count from
    case
        when isfinite(overdue.past_due_since)
            then
                cast({{ to_reporting_time('(select hot.as_of())') }} as date)
                - cast({{ to_reporting_time('overdue.past_due_since') }} as date)
    end as days_past_due,
    overdue.past_due_since,
    overdue.first_failed_at,
    overdue.last_failed_at,
    overdue.failed_attempts,
    cast(overdue.status as text) as status
from overdue
inner join garages on overdue.garage_id = garages.id

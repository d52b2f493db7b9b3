-- Grain: subscription that is past due or unpaid by its status now, however long, as in the hot mv_failed_payments.
with subscriptions as (

    select * from {{ ref('fact_subscriptions') }}
    where status in ('past_due', 'unpaid') and created_at < {{ as_of() }}

),

users as (

    select * from {{ ref('dim_users') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

amounts as (

    select * from {{ ref('int_subscription_amounts') }}
    where held_until is null

),

failures as (

    select * from {{ ref('int_failed_attempts') }}

),

dated as (

    select
        subscriptions.*,
        failures.first_failed_at,
        failures.last_failed_at,
        coalesce(failures.failed_attempts, 0) as failed_attempts,
        coalesce(amounts.monthly_amount, subscriptions.monthly_amount) as amount_per_month,
        failures.last_failed_amount,
        coalesce(
            failures.first_failed_at,
            case
                when subscriptions.current_period_end < {{ as_of() }} then subscriptions.current_period_end
                else subscriptions.current_period_start
            end
        ) as past_due_since
    from subscriptions
    left join failures on subscriptions.subscription_id = failures.subscription_id
    left join amounts on subscriptions.subscription_id = amounts.subscription_id

),

aged as (

    select
        *,
        {{ dbt.datediff(
            'cast(' ~ to_reporting_time('past_due_since') ~ ' as date)',
            'cast(' ~ to_reporting_time(as_of()) ~ ' as date)',
            'day'
        ) }} as days_past_due
    from dated

)

select
    aged.subscription_id,
    aged.stripe_subscription_id,
    aged.garage_id,
    aged.garage_name,
    aged.user_id,
    aged.first_name,
    aged.last_name,
    aged.email,
    users.phone,
    aged.pass_name,
    aged.status,
    cast(aged.amount_per_month as decimal(10, 2)) as monthly_amount,
    cast(coalesce(aged.last_failed_amount, aged.amount_per_month) as decimal(10, 2)) as past_due_amount,
    garages.currency,
    aged.current_period_end,
    aged.past_due_since,
    cast(aged.days_past_due as integer) as days_past_due,
    case
        when aged.days_past_due <= 7 then '0 to 7 days'
        when aged.days_past_due <= 30 then '8 to 30 days'
        when aged.days_past_due <= 60 then '31 to 60 days'
        when aged.days_past_due <= 90 then '61 to 90 days'
        when aged.days_past_due > 90 then 'over 90 days'
    end as ageing_bucket,
    case
        when aged.days_past_due <= 7 then 1
        when aged.days_past_due <= 30 then 2
        when aged.days_past_due <= 60 then 3
        when aged.days_past_due <= 90 then 4
        when aged.days_past_due > 90 then 5
    end as ageing_rank,
    aged.first_failed_at,
    aged.last_failed_at,
    cast(aged.failed_attempts as bigint) as failed_attempts,
    aged.is_churned
from aged
inner join users on aged.user_id = users.user_id
inner join garages on aged.garage_id = garages.garage_id

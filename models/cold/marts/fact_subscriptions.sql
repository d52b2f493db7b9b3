-- Grain: subscription, those that never began included (is_begun tells). Not incremental: lifetime and churn
-- move with as_of.
{{ config(cluster_by=clustering_key(['garage_id', 'subscription_start_date'])) }}

with subscriptions as (

    select * from {{ ref('stg_subscriptions') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

passes as (

    select * from {{ ref('dim_passes') }}

)

select
    subscriptions.subscription_id,
    subscriptions.stripe_subscription_id,
    subscriptions.user_id,
    subscriptions.garage_id,
    subscriptions.pass_id,
    subscriptions.status,
    subscriptions.monthly_amount,
    cast({{ to_reporting_time('subscriptions.created_at') }} as date) as subscription_start_date,
    cast({{ to_reporting_time('subscriptions.ended_at') }} as date) as subscription_end_date,
    cast({{ to_reporting_time('subscriptions.canceled_at') }} as date) as canceled_date,
    subscriptions.cancel_at_period_end,
    subscriptions.subscription_month,
    subscriptions.subscription_lifetime_days,
    subscriptions.is_churned,
    users.first_name,
    users.last_name,
    users.email,
    garages.garage_name,
    passes.pass_name,
    subscriptions.is_begun,
    subscriptions.created_at,
    subscriptions.ended_at,
    subscriptions.canceled_at,
    subscriptions.current_period_start,
    subscriptions.current_period_end
from subscriptions
left join users on subscriptions.user_id = users.user_id
left join garages on subscriptions.garage_id = garages.garage_id
left join passes on subscriptions.pass_id = passes.pass_id

-- Grain: garage, also without subscriptions. Counts those in force at as_of.
{{ config(meta={'indexes': [{'name': 'idx_mv_active_subs_garage', 'columns': ['garage_id'], 'unique': true}]}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

subscriptions as (

    select * from {{ ref('sum_garage_subscriptions') }}

)

select
    garages.id as garage_id,
    garages.name as garage_name,
    coalesce(subscriptions.active_count, 0) as active_count,
    coalesce(subscriptions.unique_customers, 0) as unique_customers,
    coalesce(subscriptions.monthly_recurring_revenue, 0) as monthly_recurring_revenue,
    {{ ratio('subscriptions.monthly_recurring_revenue', 'subscriptions.active_count') }} as avg_subscription_value,
    coalesce(subscriptions.pending_cancellations, 0) as pending_cancellations,
    coalesce(subscriptions.past_due_subscriptions, 0) as past_due_subscriptions,
    coalesce(subscriptions.unpaid_subscriptions, 0) as unpaid_subscriptions,
    coalesce(subscriptions.trialing_subscriptions, 0) as trialing_subscriptions,
    coalesce(subscriptions.paused_subscriptions, 0) as paused_subscriptions
from garages
left join subscriptions on garages.id = subscriptions.garage_id

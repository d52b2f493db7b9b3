-- Grain: garage, also without subscriptions. Counts those in force at as_of.
{{ config(meta={'indexes': [{'name': 'idx_mv_active_subs_garage', 'columns': ['garage_id'], 'unique': true}]}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

subscriptions as (

    {{ hot_subscriptions() }}

),

in_force as (

    select * from subscriptions
    where ended_at is null or ended_at >= (select hot.as_of())

)

select
    garages.id as garage_id,
    garages.name as garage_name,
    count(in_force.id) as active_count,
    count(distinct in_force.user_id) as unique_customers,
    coalesce(sum(in_force.monthly_amount), 0) as monthly_recurring_revenue,
    {{ ratio('sum(in_force.monthly_amount)', 'count(in_force.id)') }} as avg_subscription_value,
    count(*) filter (where in_force.cancel_at_period_end) as pending_cancellations,
    count(*) filter (where in_force.status = 'past_due') as past_due_subscriptions,
    count(*) filter (where in_force.status = 'unpaid') as unpaid_subscriptions,
    count(*) filter (where in_force.status = 'trialing') as trialing_subscriptions,
    count(*) filter (where in_force.status = 'paused') as paused_subscriptions
from garages
left join in_force on garages.id = in_force.garage_id
group by garages.id, garages.name

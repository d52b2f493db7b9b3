-- Grain: user and currency of the garages they have subscribed to, also where nothing began. As of as_of.
with garages as (

    select * from {{ ref('dim_garages') }}

),

amounts as (

    select * from {{ ref('int_subscription_amounts') }}
    where held_until is null

),

subscriptions as (

    select
        subscriptions.*,
        garages.currency,
        coalesce(amounts.monthly_amount, subscriptions.monthly_amount) as amount_per_month,
        case when subscriptions.is_begun and not subscriptions.is_churned then 1 else 0 end as is_active
    from {{ ref('fact_subscriptions') }} as subscriptions
    inner join garages on subscriptions.garage_id = garages.garage_id
    left join amounts on subscriptions.subscription_id = amounts.subscription_id
    where subscriptions.created_at < {{ as_of() }}

),

-- by garage first, so that a garage counts once
by_garage as (

    select
        user_id,
        currency,
        garage_id,
        sum(case when is_begun then 1 else 0 end) as total_subscriptions,
        sum(is_active) as active_subscriptions,
        sum(case when status in ('past_due', 'unpaid') then 1 else 0 end) as past_due_subscriptions,
        sum(case when is_active = 1 then amount_per_month else 0 end) as monthly_recurring_revenue,
        min(case when is_begun then created_at end) as first_subscribed_at,
        max(case when is_churned then ended_at end) as last_ended_at
    from subscriptions
    group by user_id, currency, garage_id

)

select
    by_garage.user_id,
    by_garage.currency,
    sum(by_garage.total_subscriptions) as total_subscriptions,
    sum(by_garage.active_subscriptions) as active_subscriptions,
    sum(by_garage.past_due_subscriptions) as past_due_subscriptions,
    sum(case when by_garage.total_subscriptions > 0 then 1 else 0 end) as total_garages,
    sum(case when by_garage.active_subscriptions > 0 then 1 else 0 end) as active_garages,
    sum(by_garage.monthly_recurring_revenue) as monthly_recurring_revenue,
    min(by_garage.first_subscribed_at) as first_subscribed_at,
    case
        when sum(by_garage.active_subscriptions) > 0 then {{ as_of() }}
        else max(by_garage.last_ended_at)
    end as stayed_until
from by_garage
group by by_garage.user_id, by_garage.currency

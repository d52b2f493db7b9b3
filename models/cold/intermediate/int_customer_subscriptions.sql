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

)

select
    user_id,
    currency,
    sum(case when is_begun then 1 else 0 end) as total_subscriptions,
    sum(is_active) as active_subscriptions,
    sum(case when status in ('past_due', 'unpaid') then 1 else 0 end) as past_due_subscriptions,
    count(distinct case when is_begun then garage_id end) as total_garages,
    count(distinct case when is_active = 1 then garage_id end) as active_garages,
    sum(case when is_active = 1 then amount_per_month else 0 end) as monthly_recurring_revenue,
    min(case when is_begun then created_at end) as first_subscribed_at,
    case
        when sum(is_active) > 0 then {{ as_of() }}
        else max(case when is_churned then ended_at end)
    end as stayed_until
from subscriptions
group by user_id, currency

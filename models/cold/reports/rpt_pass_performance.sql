-- Grain: pass, also without subscriptions. As of as_of.
with passes as (

    select * from {{ ref('dim_passes') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

subscriptions as (

    select
        subscriptions.pass_id,
        subscriptions.is_churned,
        subscriptions.subscription_lifetime_days,
        coalesce(amounts.monthly_amount, subscriptions.monthly_amount) as monthly_amount
    from {{ ref('fact_subscriptions') }} as subscriptions
    left join {{ ref('int_subscription_amounts') }} as amounts
        on subscriptions.subscription_id = amounts.subscription_id and amounts.held_until is null
    where subscriptions.is_begun and subscriptions.created_at < {{ as_of() }}

),

totals as (

    select
        pass_id,
        count(*) as total_subscriptions,
        sum(case when is_churned then 0 else 1 end) as active_subscriptions,
        sum(case when is_churned then 0 else monthly_amount end) as monthly_revenue,
        {{ ratio('sum(subscription_lifetime_days)', 'count(subscription_lifetime_days)') }}
            as avg_subscription_lifetime_days,
        sum(case when is_churned then 1 else 0 end) as churned_subscriptions
    from subscriptions
    group by pass_id

)

select
    passes.pass_id,
    passes.pass_name,
    passes.garage_id,
    passes.garage_name,
    cast(coalesce(totals.total_subscriptions, 0) as bigint) as total_subscriptions,
    cast(coalesce(totals.active_subscriptions, 0) as bigint) as active_subscriptions,
    cast(coalesce(totals.monthly_revenue, 0) as decimal(38, 2)) as monthly_revenue,
    totals.avg_subscription_lifetime_days,
    cast(coalesce(totals.churned_subscriptions, 0) as bigint) as churned_subscriptions,
    {{ percent('totals.churned_subscriptions', 'totals.total_subscriptions') }} as churn_rate,
    garages.currency
from passes
left join garages on passes.garage_id = garages.garage_id
left join totals on passes.pass_id = totals.pass_id

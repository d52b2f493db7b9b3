-- Grain: pass, also without subscriptions. As of as_of.
with passes as (

    select * from {{ ref('dim_passes') }}

),

subscriptions as (

    select * from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }}

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
    {{ percent('totals.churned_subscriptions', 'totals.total_subscriptions') }} as churn_rate
from passes
left join totals on passes.pass_id = totals.pass_id

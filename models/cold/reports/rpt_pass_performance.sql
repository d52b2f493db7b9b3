-- Grain: pass, also without subscriptions. As of as_of.
with passes as (

    select * from {{ ref('dim_passes') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

-- what changes at as_of itself has not changed yet
prices as (

    select * from {{ ref('int_pass_prices') }}
    where (held_from is null or held_from < {{ as_of() }})
        and (held_until is null or held_until >= {{ as_of() }})

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

),

paid as (

    select
        garage_id,
        pass_id,
        sum(payment_count) as payment_count,
        sum(gross_revenue) as gross_revenue,
        sum(priced_revenue) as priced_revenue,
        sum(revenue_at_list_price) as revenue_at_list_price
    from {{ ref('int_pass_payments') }}
    group by garage_id, pass_id

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
    garages.currency,
    prices.list_price,
    cast(coalesce(paid.payment_count, 0) as bigint) as payment_count,
    cast(coalesce(paid.gross_revenue, 0) as decimal(38, 2)) as gross_revenue,
    cast(coalesce(paid.revenue_at_list_price, 0) as decimal(38, 2)) as revenue_at_list_price,
    {{ percent('paid.priced_revenue', 'paid.revenue_at_list_price') }} as list_price_paid_percent
from passes
left join garages on passes.garage_id = garages.garage_id
left join prices on passes.pass_id = prices.pass_id
left join totals on passes.pass_id = totals.pass_id
left join paid on passes.garage_id = paid.garage_id and passes.pass_id = paid.pass_id

-- The passes hold every begun subscription, and those in force at as_of are the active ones of the garages' last month.
with passes as (

    select
        coalesce(sum(total_subscriptions), 0) as total_subscriptions,
        coalesce(sum(active_subscriptions), 0) as active_subscriptions,
        coalesce(sum(monthly_revenue), 0) as monthly_revenue
    from {{ ref('rpt_pass_performance') }}

),

subscriptions as (

    select count(*) as total_subscriptions
    from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }}

),

garage_months as (

    select
        coalesce(sum(active_subscriptions), 0) as active_subscriptions,
        coalesce(sum(monthly_recurring_revenue), 0) as monthly_recurring_revenue
    from {{ ref('rpt_garage_monthly_pl') }}
    where month = (select max(last_months.month) from {{ ref('rpt_garage_monthly_pl') }} as last_months)

)

select
    passes.total_subscriptions,
    passes.active_subscriptions,
    passes.monthly_revenue
from passes
cross join subscriptions
cross join garage_months
where passes.total_subscriptions <> subscriptions.total_subscriptions
    or passes.active_subscriptions <> garage_months.active_subscriptions
    or passes.monthly_revenue <> garage_months.monthly_recurring_revenue

-- The days that the months add up to are the lifetimes of the garage's begun subscriptions at as_of.
with months as (

    select
        *,
        row_number() over (partition by garage_id order by month desc) as latest_first
    from {{ ref('int_garage_lifetimes') }}

),

subscriptions as (

    select
        garage_id,
        count(*) as begun_subscriptions,
        sum(subscription_lifetime_days) as lifetime_days
    from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }}
    group by garage_id

)

select coalesce(months.garage_id, subscriptions.garage_id) as garage_id
from months
full outer join subscriptions on months.garage_id = subscriptions.garage_id
where coalesce(months.latest_first, 1) = 1
    and (
        coalesce(months.begun_subscriptions, 0) <> coalesce(subscriptions.begun_subscriptions, 0)
        or coalesce(months.lifetime_days, 0) <> coalesce(subscriptions.lifetime_days, 0)
    )

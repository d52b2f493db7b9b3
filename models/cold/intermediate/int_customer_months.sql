-- Grain: garage, customer (user) and month in which they had a begun subscription there at its opening or made one in it.
with subscription_months as (

    select * from {{ ref('int_subscription_months') }}

),

-- one that ended the instant it began was in force at no time
subscriptions as (

    select * from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }} and (ended_at is null or ended_at > created_at)

),

customers as (

    select
        garage_id,
        user_id,
        {{ month_start(to_reporting_time('min(created_at)')) }} as first_month
    from subscriptions
    group by garage_id, user_id

),

customer_months as (

    select
        garage_id,
        user_id,
        month,
        currency,
        sum(is_opening) as opening_subscriptions,
        sum(is_closing) as closing_subscriptions,
        sum(case when is_closing = 1 then monthly_amount else 0 end) as closing_mrr
    from subscription_months
    group by garage_id, user_id, month, currency

),

-- what is in force at a month's opening was so at the close of the month before, which thus has a row
compared as (

    select
        *,
        case
            when opening_subscriptions > 0
                then lag(closing_mrr) over (partition by garage_id, user_id order by month)
            else 0
        end as opening_mrr
    from customer_months

)

select
    compared.garage_id,
    compared.user_id,
    compared.month,
    compared.currency,
    cast(compared.opening_subscriptions as bigint) as opening_subscriptions,
    cast(compared.closing_subscriptions as bigint) as closing_subscriptions,
    cast(compared.opening_mrr as decimal(38, 2)) as opening_mrr,
    cast(compared.closing_mrr as decimal(38, 2)) as closing_mrr,
    case
        when compared.opening_subscriptions = 0 and compared.closing_subscriptions = 0 then 'none'
        when compared.opening_subscriptions = 0 and customers.first_month < compared.month then 'reactivation'
        when compared.opening_subscriptions = 0 then 'new'
        when compared.closing_subscriptions = 0 then 'churn'
        when compared.closing_mrr > compared.opening_mrr then 'expansion'
        when compared.closing_mrr < compared.opening_mrr then 'contraction'
        else 'none'
    end as movement
from compared
left join customers
    on compared.garage_id = customers.garage_id
        and compared.user_id = customers.user_id

-- Grain: garage, customer (user) and month in which a subscription of theirs there began, ended or had another amount.
{{ config(materialized='table') }}

with customer_months as (

    select
        garage_id,
        user_id,
        month,
        currency,
        sum(is_new) - sum(is_churned) as subscriptions_change,
        sum(mrr_change) as mrr_change,
        max(case when is_new = 1 then is_ever_in_force else 0 end) as has_begun
    from {{ ref('int_subscription_changes') }}
    group by garage_id, user_id, month, currency

),

standing as (

    select
        *,
        sum(subscriptions_change) over (
            partition by garage_id, user_id
            order by month
            rows between unbounded preceding and current row
        ) as closing_subscriptions,
        sum(mrr_change) over (
            partition by garage_id, user_id
            order by month
            rows between unbounded preceding and current row
        ) as closing_mrr,
        min(case when has_begun = 1 then month end) over (partition by garage_id, user_id) as first_month
    from customer_months

),

compared as (

    select
        *,
        closing_subscriptions - subscriptions_change as opening_subscriptions,
        closing_mrr - mrr_change as opening_mrr
    from standing

)

select
    garage_id,
    user_id,
    month,
    currency,
    cast(opening_subscriptions as bigint) as opening_subscriptions,
    cast(closing_subscriptions as bigint) as closing_subscriptions,
    cast(opening_mrr as decimal(38, 2)) as opening_mrr,
    cast(closing_mrr as decimal(38, 2)) as closing_mrr,
    case when opening_subscriptions = 0 then has_begun else 0 end as has_come,
    case when closing_subscriptions > 0 then 1 else 0 end - case when opening_subscriptions > 0 then 1 else 0 end
        as customers_change,
    case
        when opening_subscriptions = 0 and closing_subscriptions = 0 then 'none'
        when opening_subscriptions = 0 and first_month < month then 'reactivation'
        when opening_subscriptions = 0 then 'new'
        when closing_subscriptions = 0 then 'churn'
        when closing_mrr > opening_mrr then 'expansion'
        when closing_mrr < opening_mrr then 'contraction'
        else 'none'
    end as movement
from compared

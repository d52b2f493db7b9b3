-- Grain: garage, customer (user) and month in which a subscription of theirs there began, ended or had another amount.
-- Incremental: all rows of a user of whom a subscription changed.
{{ config(
    materialized='incremental',
    unique_key='user_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    pre_hook="{% if is_incremental() %}
        delete from {{ this }} where user_id not in (select user_id from {{ ref('int_subscription_changes') }})
    {% endif %}",
) }}

with subscription_changes as (

    select * from {{ ref('int_subscription_changes') }}

),

users as (

    select
        user_id,
        {{ fingerprint([
            'garage_id', 'month', 'currency', 'is_new', 'is_churned', 'is_ever_in_force', 'mrr_change', made_by()
        ]) }} as made_from
    from subscription_changes
    group by user_id

),

changed_users as (

    select users.*
    from users
    {% if is_incremental() %}
    {{ that_changed('users', 'user_id') }}
    {% endif %}

),

customer_months as (

    select
        subscription_changes.garage_id,
        subscription_changes.user_id,
        subscription_changes.month,
        subscription_changes.currency,
        changed_users.made_from,
        sum(subscription_changes.is_new) - sum(subscription_changes.is_churned) as subscriptions_change,
        sum(subscription_changes.mrr_change) as mrr_change,
        max(case when subscription_changes.is_new = 1 then subscription_changes.is_ever_in_force else 0 end) as has_begun
    from subscription_changes
    inner join changed_users on subscription_changes.user_id = changed_users.user_id
    group by
        subscription_changes.garage_id,
        subscription_changes.user_id,
        subscription_changes.month,
        subscription_changes.currency,
        changed_users.made_from

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
    end as movement,
    made_from
from compared

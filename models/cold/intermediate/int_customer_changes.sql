-- Grain: garage, customer (user) and month in which a subscription of theirs there began, ended or had another amount.
-- Incremental: all rows of a user of whom a subscription changed.
{{ config(
    materialized='incremental',
    unique_key='user_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    post_hook="{% if is_incremental() and not was_made_from(ref('int_subscription_changes')) %}
        delete from {{ this }} where hash(user_id) not in (select hash(user_id) from {{ ref('int_subscription_changes') }})
    {% endif %}",
) }}

{%- set part = part_that_changed(ref('int_subscription_changes'), 'user_id') if is_incremental() %}

with

{% if is_incremental() %}
users as (

    select
        user_id,
        {{ fingerprint(['row_hash', made_by()]) }} as made_from
    from {{ ref('int_subscription_changes') }}
    where {{ part }}
    group by user_id

),

changed_users as (

    select users.user_id
    from users
    {{ that_changed(
        'users',
        'user_id',
        held='select user_id, sum(made_from) as made_from from ' ~ this ~ ' where ' ~ part ~ ' group by user_id'
    ) }}

),
{% endif %}

subscription_changes as (

    select * from {{ ref('int_subscription_changes') }}
    {% if is_incremental() %}
    where {{ part }} and user_id in (select changed_users.user_id from changed_users)
    {% endif %}

),

customer_months as (

    select
        garage_id,
        user_id,
        month,
        currency,
        sum(is_new) - sum(is_churned) as subscriptions_change,
        sum(mrr_change) as mrr_change,
        sum(case when is_new = 1 then monthly_amount else 0 end) as new_amount,
        max(case when is_new = 1 then is_ever_in_force else 0 end) as has_begun,
        {{ fingerprint(['row_hash', made_by()]) }} as made_from
    from subscription_changes
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
        min(case when has_begun = 1 then month end) over (partition by garage_id, user_id) as first_month,
        min(month) over (partition by garage_id, user_id) as cohort_start
    from customer_months

),

compared as (

    select
        *,
        closing_subscriptions - subscriptions_change as opening_subscriptions,
        closing_mrr - mrr_change as opening_mrr,
        case
            when closing_subscriptions > 0 and closing_subscriptions = subscriptions_change then 1
            when closing_subscriptions = 0 and subscriptions_change < 0 then -1
            else 0
        end as customers_change
    from standing

),

-- who is a customer of two garages is one all the same, as long as they have a subscription in any of them
across_garages as (

    select
        *,
        sum(customers_change) over (
            partition by user_id, currency
            order by month
            range between unbounded preceding and current row
        ) as closing_garages,
        sum(customers_change) over (partition by user_id, currency, month) as garages_change,
        row_number() over (partition by user_id, currency, month order by garage_id) as garage_number
    from compared

)

select
    garage_id,
    user_id,
    month,
    currency,
    cohort_start,
    cast(opening_subscriptions as bigint) as opening_subscriptions,
    cast(closing_subscriptions as bigint) as closing_subscriptions,
    cast(opening_mrr as decimal(38, 2)) as opening_mrr,
    cast(closing_mrr as decimal(38, 2)) as closing_mrr,
    cast(new_amount as decimal(38, 2)) as new_amount,
    case when opening_subscriptions = 0 then has_begun else 0 end as has_come,
    customers_change,
    case
        when garage_number > 1 then 0
        when closing_garages > 0 and closing_garages = garages_change then 1
        when closing_garages = 0 and garages_change < 0 then -1
        else 0
    end as currency_customers_change,
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
from across_garages

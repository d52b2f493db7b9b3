-- Grain: garage and month, as in int_garage_months. What stands at a month's end is the sum of the changes up to it.
{{ config(materialized='table') }}

with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

subscriptions as (

    select
        garage_id,
        month,
        sum(is_new) as begun,
        sum(is_churned) as ended,
        sum(is_new - is_churned) as active_change,
        sum(mrr_change) as mrr_change,
        sum(case when status = 'past_due' then is_new - is_churned else 0 end) as past_due_change,
        sum(case when status = 'unpaid' then is_new - is_churned else 0 end) as unpaid_change,
        sum(case when status = 'trialing' then is_new - is_churned else 0 end) as trialing_change,
        sum(case when status = 'paused' then is_new - is_churned else 0 end) as paused_change
    from {{ ref('int_subscription_changes') }}
    group by garage_id, month

),

customers as (

    select
        garage_id,
        month,
        sum(customers_change) as customers_change
    from {{ ref('int_customer_changes') }}
    group by garage_id, month

),

changes as (

    select
        subscriptions.*,
        customers.customers_change
    from subscriptions
    inner join customers
        on subscriptions.garage_id = customers.garage_id
            and subscriptions.month = customers.month

),

standing as (

    select
        garage_months.garage_id,
        garage_months.month,
        coalesce(sum(case when changes.month = garage_months.month then changes.begun end), 0) as new_subscriptions,
        coalesce(sum(case when changes.month = garage_months.month then changes.ended end), 0) as churned_subscriptions,
        coalesce(sum(changes.active_change), 0) as active_subscriptions,
        coalesce(sum(changes.customers_change), 0) as unique_customers,
        coalesce(sum(changes.mrr_change), 0) as monthly_recurring_revenue,
        coalesce(sum(changes.past_due_change), 0) as past_due_subscriptions,
        coalesce(sum(changes.unpaid_change), 0) as unpaid_subscriptions,
        coalesce(sum(changes.trialing_change), 0) as trialing_subscriptions,
        coalesce(sum(changes.paused_change), 0) as paused_subscriptions
    from garage_months
    left join changes
        on garage_months.garage_id = changes.garage_id
            and garage_months.month >= changes.month
    group by garage_months.garage_id, garage_months.month

)

select
    garage_id,
    month,
    active_subscriptions - new_subscriptions + churned_subscriptions as opening_subscriptions,
    new_subscriptions,
    churned_subscriptions,
    active_subscriptions,
    unique_customers,
    monthly_recurring_revenue,
    past_due_subscriptions,
    unpaid_subscriptions,
    trialing_subscriptions,
    paused_subscriptions
from standing

-- Grain: garage and month, as in int_garage_months. What stands at a month's end is the sum of the changes up to it.
{{ config(materialized='table') }}

with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

subscriptions as (

    select
        garage_id,
        month,
        sum(is_new) as new_subscriptions,
        sum(is_churned) as churned_subscriptions,
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
        sum(case when changes.month = garage_months.month then changes.new_subscriptions end) as new_subscriptions,
        sum(case when changes.month = garage_months.month then changes.churned_subscriptions end) as churned_subscriptions,
        sum(changes.active_change) as active_subscriptions,
        sum(changes.customers_change) as unique_customers,
        sum(changes.mrr_change) as monthly_recurring_revenue,
        sum(changes.past_due_change) as past_due_subscriptions,
        sum(changes.unpaid_change) as unpaid_subscriptions,
        sum(changes.trialing_change) as trialing_subscriptions,
        sum(changes.paused_change) as paused_subscriptions
    from garage_months
    left join changes
        on garage_months.garage_id = changes.garage_id
            and garage_months.month >= changes.month
    group by garage_months.garage_id, garage_months.month

)

select
    garage_id,
    month,
    coalesce(active_subscriptions, 0) - coalesce(new_subscriptions, 0) + coalesce(churned_subscriptions, 0)
        as opening_subscriptions,
    coalesce(new_subscriptions, 0) as new_subscriptions,
    coalesce(churned_subscriptions, 0) as churned_subscriptions,
    coalesce(active_subscriptions, 0) as active_subscriptions,
    coalesce(unique_customers, 0) as unique_customers,
    coalesce(monthly_recurring_revenue, 0) as monthly_recurring_revenue,
    coalesce(past_due_subscriptions, 0) as past_due_subscriptions,
    coalesce(unpaid_subscriptions, 0) as unpaid_subscriptions,
    coalesce(trialing_subscriptions, 0) as trialing_subscriptions,
    coalesce(paused_subscriptions, 0) as paused_subscriptions
from standing

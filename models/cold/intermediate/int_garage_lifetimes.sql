-- Grain: garage and month, as in int_garage_months. How long its subscriptions have been in force up to the month's end, or to
-- as_of in it: the days of each month add up, so the last month's sum is that of the lifetimes in fact_subscriptions.
with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

subscription_months as (

    select * from {{ ref('int_subscription_months') }}

),

subscriptions as (

    select * from {{ ref('fact_subscriptions') }}

),

-- the part of each subscription's life that lies in the month, by days of the reporting zone
lived as (

    select
        garage_months.garage_id,
        garage_months.month,
        subscription_months.is_new,
        subscription_months.is_churned,
        case when subscription_months.is_churned = 1 then subscriptions.subscription_lifetime_days end
            as churned_lifetime_days,
        case
            when subscription_months.is_new = 1 then subscriptions.subscription_start_date
            else garage_months.month
        end as lived_from,
        case
            when subscription_months.is_churned = 1 then subscriptions.subscription_end_date
            when garage_months.next_month < {{ to_reporting_time(as_of()) }} then garage_months.next_month
            else cast({{ to_reporting_time(as_of()) }} as date)
        end as lived_until
    from subscription_months
    inner join garage_months
        on subscription_months.garage_id = garage_months.garage_id
            and subscription_months.month = garage_months.month
    inner join subscriptions on subscription_months.subscription_id = subscriptions.subscription_id

),

monthly as (

    select
        garage_id,
        month,
        sum(is_new) as new_subscriptions,
        sum(is_churned) as churned_subscriptions,
        sum(churned_lifetime_days) as churned_lifetime_days,
        sum({{ dbt.datediff('lived_from', 'lived_until', 'day') }}) as days_in_force
    from lived
    group by garage_id, month

)

select
    garage_months.garage_id,
    garage_months.month,
    garage_months.currency,
    coalesce(monthly.churned_subscriptions, 0) as churned_subscriptions,
    coalesce(monthly.churned_lifetime_days, 0) as churned_lifetime_days,
    coalesce(sum(monthly.new_subscriptions) over (
        partition by garage_months.garage_id
        order by garage_months.month
        rows between unbounded preceding and current row
    ), 0) as begun_subscriptions,
    coalesce(sum(monthly.days_in_force) over (
        partition by garage_months.garage_id
        order by garage_months.month
        rows between unbounded preceding and current row
    ), 0) as lifetime_days
from garage_months
left join monthly
    on garage_months.garage_id = monthly.garage_id
        and garage_months.month = monthly.month

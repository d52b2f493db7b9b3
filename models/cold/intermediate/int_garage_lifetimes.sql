-- Grain: garage and month, as in int_garage_months. How long its subscriptions have been in force up to the month's end, or to
-- as_of in it: those that have ended their whole life, the others from their first day to that one.
with garage_months as (

    select
        *,
        case
            when next_month < {{ to_reporting_time(as_of()) }} then next_month
            else cast({{ to_reporting_time(as_of()) }} as date)
        end as last_day
    from {{ ref('int_garage_months') }}

),

-- days are counted from one and the same day, whichever, so that a sum of first days can be taken off one of last days
changes as (

    select
        garage_id,
        month,
        sum(is_new) as new_subscriptions,
        sum(is_churned) as churned_subscriptions,
        sum(case when is_churned = 1 then subscription_lifetime_days else 0 end) as churned_lifetime_days,
        sum((is_new - is_churned) * {{ dbt.datediff("cast('2000-01-01' as date)", 'subscription_start_date', 'day') }})
            as first_days_change
    from {{ ref('int_subscription_changes') }}
    group by garage_id, month

),

standing as (

    select
        garage_months.garage_id,
        garage_months.month,
        garage_months.currency,
        {{ dbt.datediff("cast('2000-01-01' as date)", 'garage_months.last_day', 'day') }} as last_day,
        sum(case when changes.month = garage_months.month then changes.churned_subscriptions end) as churned_subscriptions,
        sum(case when changes.month = garage_months.month then changes.churned_lifetime_days end) as churned_lifetime_days,
        sum(changes.new_subscriptions) as begun_subscriptions,
        sum(changes.new_subscriptions - changes.churned_subscriptions) as active_subscriptions,
        sum(changes.churned_lifetime_days) as ended_lifetime_days,
        sum(changes.first_days_change) as first_days_of_active
    from garage_months
    left join changes
        on garage_months.garage_id = changes.garage_id
            and garage_months.month >= changes.month
    group by garage_months.garage_id, garage_months.month, garage_months.currency, garage_months.last_day

)

select
    garage_id,
    month,
    currency,
    coalesce(churned_subscriptions, 0) as churned_subscriptions,
    coalesce(churned_lifetime_days, 0) as churned_lifetime_days,
    coalesce(begun_subscriptions, 0) as begun_subscriptions,
    coalesce(ended_lifetime_days + active_subscriptions * last_day - first_days_of_active, 0) as lifetime_days
from standing

-- Grain: month, from the first with an answered attempt or a row in the executive report. Every column covers the garages
-- whose currency is reporting_currency, and no other. A charge counts in the month of its first attempt.
with charges as (

    select
        month,
        sum(payment_attempts) as payment_attempts,
        sum(failed_attempts) as failed_attempts,
        sum(charges) as charges,
        sum(first_attempt_charges) as first_attempt_charges,
        sum(collected_charges) as collected_charges,
        sum(dunned_charges) as dunned_charges,
        sum(recovered_charges) as recovered_charges,
        sum(in_dunning_charges) as in_dunning_charges,
        sum(dunned_amount) as dunned_amount,
        sum(recovered_amount) as recovered_amount,
        sum(days_to_recovery) as days_to_recovery
    from {{ ref('int_garage_charges') }}
    where currency = '{{ reporting_currency() }}'
    group by month

),

lifetimes as (

    select
        month,
        sum(begun_subscriptions) as begun_subscriptions,
        sum(lifetime_days) as lifetime_days,
        sum(churned_subscriptions) as churned_subscriptions,
        sum(churned_lifetime_days) as churned_lifetime_days
    from {{ ref('int_garage_lifetimes') }}
    where currency = '{{ reporting_currency() }}'
    group by month

),

executive as (

    select * from {{ ref('rpt_executive_dashboard') }}

),

-- an attempt may have failed before anything begins in the executive report
first_months as (

    select min(month) as month from executive
    union all
    select min(month) as month from charges

),

months as (

    select date_day as month
    from {{ ref('dim_date') }}
    where date_day = first_day_of_month
        and date_day >= (select min(first_months.month) from first_months)
        and date_day < {{ to_reporting_time(as_of()) }}

)

select
    months.month,
    {{ month_key('months.month') }} as month_key,
    cast(coalesce(charges.payment_attempts, 0) as bigint) as payment_attempts,
    cast(coalesce(charges.failed_attempts, 0) as bigint) as failed_attempts,
    {{ percent('charges.payment_attempts - charges.failed_attempts', 'charges.payment_attempts') }}
        as attempt_success_rate_percent,
    cast(coalesce(charges.charges, 0) as bigint) as charge_count,
    cast(coalesce(charges.first_attempt_charges, 0) as bigint) as first_attempt_charge_count,
    cast(coalesce(charges.collected_charges, 0) as bigint) as collected_charge_count,
    {{ percent('charges.first_attempt_charges', 'charges.charges') }} as first_attempt_success_rate_percent,
    {{ percent('charges.collected_charges', 'charges.charges') }} as eventual_success_rate_percent,
    cast(coalesce(charges.dunned_charges, 0) as bigint) as dunned_charge_count,
    cast(coalesce(charges.recovered_charges, 0) as bigint) as recovered_charge_count,
    cast(coalesce(charges.in_dunning_charges, 0) as bigint) as in_dunning_charge_count,
    {{ percent('charges.recovered_charges', 'charges.dunned_charges') }} as dunning_recovery_rate_percent,
    cast(coalesce(charges.dunned_amount, 0) as decimal(38, 2)) as dunned_amount,
    cast(coalesce(charges.recovered_amount, 0) as decimal(38, 2)) as recovered_amount,
    {{ ratio('charges.days_to_recovery', 'charges.recovered_charges') }} as avg_days_to_recovery,
    cast(coalesce(executive.total_opening_subscriptions, 0) as bigint) as opening_subscriptions,
    cast(coalesce(executive.total_churned_subscriptions, 0) as bigint) as churned_subscriptions,
    cast(coalesce(executive.total_active_subscriptions, 0) as bigint) as active_subscriptions,
    executive.platform_churn_rate as churn_rate_percent,
    {{ ratio('lifetimes.lifetime_days', 'lifetimes.begun_subscriptions') }} as avg_subscription_lifetime_days,
    {{ ratio('lifetimes.churned_lifetime_days', 'lifetimes.churned_subscriptions') }} as avg_churned_lifetime_days
from months
left join charges on months.month = charges.month
left join lifetimes on months.month = lifetimes.month
left join executive on months.month = executive.month

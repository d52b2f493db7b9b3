-- Grain: month, from the first with an answered attempt or a row in the executive report. Every column covers the garages
-- whose currency is reporting_currency, and no other. A charge counts in the month of its first attempt.
with garages as (

    select * from {{ ref('dim_garages') }}
    where currency = '{{ reporting_currency() }}'

),

attempts as (

    select
        attempts.payment_month as month,
        count(*) as payment_attempts,
        sum(case when attempts.status = 'failed' then 1 else 0 end) as failed_attempts
    from {{ ref('fact_payment_attempts') }} as attempts
    inner join garages on attempts.garage_id = garages.garage_id
    where attempts.status in ('succeeded', 'refunded', 'failed') and attempts.payment_date < {{ as_of() }}
    group by attempts.payment_month

),

charges as (

    select
        charge_month as month,
        count(*) as charges,
        sum(is_collected_first) as first_attempt_charges,
        sum(is_collected) as collected_charges,
        sum(is_dunned) as dunned_charges,
        sum(is_recovered) as recovered_charges,
        sum(is_in_dunning) as charges_in_dunning,
        sum(case when is_dunned = 1 then charged_amount else 0 end) as dunned_amount,
        sum(case when is_recovered = 1 then collected_amount else 0 end) as recovered_amount,
        sum(days_to_recovery) as days_to_recovery
    from {{ ref('int_charges') }}
    where currency = '{{ reporting_currency() }}'
    group by charge_month

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

-- an attempt may have failed before anything begins in the executive report; without an answer a charge has no month
first_months as (

    select min(month) as month from executive
    union all
    select min(month) as month from attempts

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
    cast(coalesce(attempts.payment_attempts, 0) as bigint) as payment_attempts,
    cast(coalesce(attempts.failed_attempts, 0) as bigint) as failed_attempts,
    {{ percent('attempts.payment_attempts - attempts.failed_attempts', 'attempts.payment_attempts') }}
        as attempt_success_rate_percent,
    cast(coalesce(charges.charges, 0) as bigint) as charge_count,
    cast(coalesce(charges.first_attempt_charges, 0) as bigint) as first_attempt_charge_count,
    cast(coalesce(charges.collected_charges, 0) as bigint) as collected_charge_count,
    {{ percent('charges.first_attempt_charges', 'charges.charges') }} as first_attempt_success_rate_percent,
    {{ percent('charges.collected_charges', 'charges.charges') }} as eventual_success_rate_percent,
    cast(coalesce(charges.dunned_charges, 0) as bigint) as dunned_charge_count,
    cast(coalesce(charges.recovered_charges, 0) as bigint) as recovered_charge_count,
    cast(coalesce(charges.charges_in_dunning, 0) as bigint) as in_dunning_charge_count,
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
left join attempts on months.month = attempts.month
left join charges on months.month = charges.month
left join lifetimes on months.month = lifetimes.month
left join executive on months.month = executive.month

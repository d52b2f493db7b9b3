-- Grain: garage, cohort and month since its start. A user's cohort in a garage is the month of their first begun
-- subscription there, and they have one only.
with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

subscriptions as (

    select * from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }}

),

-- one that ended the instant it began was in force at no time
subscription_months as (

    select distinct
        months.garage_id,
        months.user_id,
        months.month
    from {{ ref('int_subscription_months') }} as months
    inner join subscriptions on months.subscription_id = subscriptions.subscription_id
    where subscriptions.ended_at is null or subscriptions.ended_at > subscriptions.created_at

),

members as (

    select * from {{ ref('int_cohort_members') }}

),

-- a subscription counts in the month it was created, by the amount it had at that month's end
first_subscriptions as (

    select
        garage_id,
        user_id,
        month,
        monthly_amount
    from {{ ref('int_subscription_months') }}
    where is_new = 1

),

cohorts as (

    select
        members.garage_id,
        members.cohort_start,
        count(distinct members.user_id) as cohort_size,
        sum(first_subscriptions.monthly_amount) as cohort_value
    from members
    inner join first_subscriptions
        on
            members.garage_id = first_subscriptions.garage_id
            and members.user_id = first_subscriptions.user_id
            and members.cohort_start = first_subscriptions.month
    group by members.garage_id, members.cohort_start

),

retained as (

    select
        members.garage_id,
        members.cohort_start,
        subscription_months.month,
        count(*) as retained_users
    from members
    inner join subscription_months
        on
            members.garage_id = subscription_months.garage_id
            and members.user_id = subscription_months.user_id
    group by members.garage_id, members.cohort_start, subscription_months.month

)

select
    cohorts.garage_id,
    garage_months.garage_name,
    {{ month_key('cohorts.cohort_start') }} as cohort_month,
    cast({{ dbt.datediff('cohorts.cohort_start', 'garage_months.month', 'month') }} as integer) as months_since_start,
    cast(cohorts.cohort_size as bigint) as cohort_size,
    cast(coalesce(retained.retained_users, 0) as bigint) as retained_users,
    {{ percent('coalesce(retained.retained_users, 0)', 'cohorts.cohort_size', scale=2) }} as retention_rate,
    cast(cohorts.cohort_value as decimal(38, 2)) as cohort_value,
    garage_months.month,
    garage_months.currency
from cohorts
inner join garage_months
    on
        cohorts.garage_id = garage_months.garage_id
        and cohorts.cohort_start <= garage_months.month
left join retained
    on
        cohorts.garage_id = retained.garage_id
        and cohorts.cohort_start = retained.cohort_start
        and garage_months.month = retained.month

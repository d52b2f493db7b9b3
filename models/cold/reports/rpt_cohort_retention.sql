-- Grain: garage, cohort and month since its start. A user's cohort in a garage is the month of their first begun
-- subscription there, and they have one only.
with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

-- a customer counts in the month in which they first had a subscription, by the amounts it had at that month's end
cohorts as (

    select
        garage_id,
        cohort_start,
        count(*) as cohort_size,
        sum(new_amount) as cohort_value
    from {{ ref('int_customer_changes') }}
    where month = cohort_start
    group by garage_id, cohort_start

),

changes as (

    select
        garage_id,
        cohort_start,
        month,
        sum(has_come) as users_come,
        sum(customers_change) as users_change
    from {{ ref('int_customer_changes') }}
    group by garage_id, cohort_start, month

),

-- in force at some time in a month: at its opening, which is what changed before it, or come in it
cohort_months as (

    select
        cohorts.*,
        garage_months.garage_name,
        garage_months.month,
        garage_months.currency,
        coalesce(changes.users_come, 0) + coalesce(sum(changes.users_change) over (
            partition by cohorts.garage_id, cohorts.cohort_start
            order by garage_months.month
            rows between unbounded preceding and 1 preceding
        ), 0) as retained_users
    from cohorts
    inner join garage_months
        on
            cohorts.garage_id = garage_months.garage_id
            and cohorts.cohort_start <= garage_months.month
    left join changes
        on
            cohorts.garage_id = changes.garage_id
            and cohorts.cohort_start = changes.cohort_start
            and garage_months.month = changes.month

)

select
    garage_id,
    garage_name,
    {{ month_key('cohort_start') }} as cohort_month,
    cast({{ dbt.datediff('cohort_start', 'month', 'month') }} as integer) as months_since_start,
    cast(cohort_size as bigint) as cohort_size,
    cast(retained_users as bigint) as retained_users,
    {{ percent('retained_users', 'cohort_size', scale=2) }} as retention_rate,
    cast(cohort_value as decimal(38, 2)) as cohort_value,
    month,
    currency
from cohort_months

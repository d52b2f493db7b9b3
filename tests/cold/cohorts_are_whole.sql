-- A cohort begins with month 0 and has every month to the last; the cohorts of a garage hold each of its users once.
with cohorts as (

    select
        garage_id,
        cohort_month,
        min(months_since_start) as first_month,
        max(months_since_start) as last_month,
        count(*) as months,
        min(cohort_size) as smallest_size,
        max(cohort_size) as largest_size,
        min(cohort_value) as lowest_value,
        max(cohort_value) as highest_value,
        max(month) as reaches_to
    from {{ ref('rpt_cohort_retention') }}
    group by garage_id, cohort_month

),

garages as (

    select
        garage_id,
        sum(largest_size) as users,
        min(reaches_to) as shortest,
        max(reaches_to) as longest
    from cohorts
    group by garage_id

),

subscribers as (

    select
        garage_id,
        count(distinct user_id) as users
    from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }}
    group by garage_id

)

select
    garage_id,
    cohort_month as objection
from cohorts
where first_month <> 0
    or months <> last_month + 1
    or smallest_size <> largest_size
    or lowest_value <> highest_value

union all

select
    coalesce(garages.garage_id, subscribers.garage_id) as garage_id,
    'users' as objection
from garages
full outer join subscribers on garages.garage_id = subscribers.garage_id
where garages.users is distinct from subscribers.users or garages.shortest <> garages.longest

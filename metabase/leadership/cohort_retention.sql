-- in tenths of a per cent, half away from zero, in whole numbers: Snowflake rounds a quotient before round() sees it
with cohorts as (

    select
        cohort_month,
        months_since_start,
        2000 * sum(retained_users) + sum(cohort_size) as dividend,
        2 * sum(cohort_size) as divisor
    from reports.rpt_cohort_retention
    where
        month < (select max(latest.month) from reports.rpt_garage_monthly_pl as latest)
        and months_since_start <= 12
        [[and dateadd(month, -months_since_start, month) >= {{since}}]]
    group by cohort_month, months_since_start

)

select
    cohort_month,
    months_since_start,
    cast((dividend - mod(dividend, nullif(divisor, 0))) / nullif(divisor, 0) as number(18, 0)) * 0.1 as retention_percent
from cohorts
order by cohort_month, months_since_start

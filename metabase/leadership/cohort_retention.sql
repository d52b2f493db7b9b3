-- in tenths of a per cent, half away from zero, in whole numbers: Snowflake rounds a quotient before round() sees it
with cohorts as (

    select
        cohort_month,
        months_since_start,
        2000 * sum(retained_users) + sum(cohort_size) as dividend,
        nullif(2 * sum(cohort_size), 0) as divisor
    from reports.rpt_cohort_retention
    where
        month < (select max(latest.month) from reports.rpt_executive_dashboard as latest)
        and months_since_start <= 12
        [[and to_date(cohort_month || '-01', 'YYYY-MM-DD') >= {{since}}]]
    group by cohort_month, months_since_start

)

select
    cohort_month,
    months_since_start,
    cast((dividend - mod(dividend, divisor)) / divisor as number(18, 0)) * 0.1 as retention_percent
from cohorts
order by cohort_month, months_since_start

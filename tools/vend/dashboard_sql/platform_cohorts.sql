-- Grain: cohort and month since its start; customers of all garages in the reporting currency, each in each garage.
select
    cohorts.cohort_month,
    cohorts.months_since_start,
    sum(cohorts.cohort_size) as cohort_size,
    sum(cohorts.retained_users) as retained_users
from reports.rpt_cohort_retention as cohorts
inner join reports.rpt_platform_financials as financials
    on cohorts.month = financials.month and cohorts.currency = financials.currency
where financials.is_complete_month
group by cohorts.cohort_month, cohorts.months_since_start
order by cohorts.cohort_month, cohorts.months_since_start

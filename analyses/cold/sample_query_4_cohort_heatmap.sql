-- One garage's cohorts since 2024. cohort_month is text, 'YYYY-MM'.
select
    cohort_month,
    months_since_start,
    cohort_size,
    retained_users,
    retention_rate
from {{ ref('rpt_cohort_retention') }}
where
    garage_id = '{{ var("garage_id") }}'
    and cohort_month >= '2024-01'
order by cohort_month, months_since_start

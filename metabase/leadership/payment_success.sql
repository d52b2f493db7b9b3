select
    month,
    first_attempt_success_rate_percent,
    eventual_success_rate_percent
from reports.rpt_platform_health
where
    month < (select max(latest.month) from reports.rpt_platform_health as latest)
    [[and month >= {{since}}]]
order by month

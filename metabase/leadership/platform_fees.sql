select
    month,
    total_platform_fees as platform_fees
from reports.rpt_platform_financials
where is_complete_month
order by month

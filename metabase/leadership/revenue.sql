select month, gross_revenue
from reports.rpt_platform_financials
where is_complete_month
order by month

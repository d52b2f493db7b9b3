select
    month,
    gross_revenue,
    garage_profit
from reports.rpt_platform_financials
where
    is_complete_month
    [[and month >= {{since}}]]
order by month

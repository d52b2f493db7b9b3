select
    month,
    gross_revenue,
    garage_profit
from reports.rpt_financial_analytics
where
    garage_id = {{garage}}
    and is_complete_month
    [[and month >= {{since}}]]
order by month

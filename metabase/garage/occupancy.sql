select
    month,
    avg_occupancy_rate,
    peak_occupancy_rate
from reports.rpt_occupancy_analytics
where
    garage_id = {{garage}}
    and month < (select max(latest.month) from reports.rpt_garage_monthly_pl as latest)
    [[and month >= {{since}}]]
order by month

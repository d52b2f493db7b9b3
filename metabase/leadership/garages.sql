select month, active_garages
from reports.rpt_executive_dashboard
where month < (select max(latest.month) from reports.rpt_executive_dashboard as latest)
order by month

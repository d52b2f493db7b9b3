select
    month,
    new_mrr,
    reactivation_mrr,
    expansion_mrr,
    contraction_mrr,
    churned_mrr
from reports.rpt_mrr_movements
where
    garage_id = {{garage}}
    and month < (select max(latest.month) from reports.rpt_garage_monthly_pl as latest)
    [[and month >= {{since}}]]
order by month

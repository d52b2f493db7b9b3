select
    month,
    new_mrr,
    reactivation_mrr,
    expansion_mrr,
    contraction_mrr,
    churned_mrr
from reports.rpt_platform_financials
where
    is_complete_month
    [[and month >= {{since}}]]
order by month

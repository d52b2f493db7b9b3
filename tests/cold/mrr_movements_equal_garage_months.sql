-- Movements lead from the recurring revenue and customers of a garage's month to those of the next, as the P&L has them.
with movements as (

    select * from {{ ref('rpt_mrr_movements') }}

),

garage_months as (

    select
        *,
        lag(monthly_recurring_revenue) over (partition by garage_id order by month) as previous_revenue,
        lag(unique_customers) over (partition by garage_id order by month) as previous_customers
    from {{ ref('rpt_garage_monthly_pl') }}

)

select
    coalesce(movements.garage_id, garage_months.garage_id) as garage_id,
    coalesce(movements.month, garage_months.month) as month
from movements
full outer join garage_months
    on movements.garage_id = garage_months.garage_id
        and movements.month = garage_months.month
where movements.closing_mrr is distinct from garage_months.monthly_recurring_revenue
    or movements.opening_mrr is distinct from coalesce(garage_months.previous_revenue, 0)
    or movements.closing_customers is distinct from garage_months.unique_customers
    or movements.opening_customers is distinct from coalesce(garage_months.previous_customers, 0)
    or movements.currency is distinct from garage_months.currency

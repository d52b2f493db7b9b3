-- The recurring revenue of a garage's cohorts is that of its P&L, month by month; what they have paid to date is what its
-- members have, and no more than its P&L's revenue.
with cohorts as (

    select
        garage_id,
        month,
        sum(monthly_recurring_revenue) as monthly_recurring_revenue,
        sum(revenue_to_date) as revenue_to_date,
        sum(platform_fees_to_date) as platform_fees_to_date
    from {{ ref('rpt_cohort_revenue') }}
    group by garage_id, month

),

garage_months as (

    select
        *,
        sum(gross_revenue) over (
            partition by garage_id
            order by month
            rows between unbounded preceding and current row
        ) as revenue_to_date,
        row_number() over (partition by garage_id order by month desc) as latest_first
    from {{ ref('rpt_garage_monthly_pl') }}

),

payments as (

    select
        payments.garage_id,
        sum(payments.gross_amount) as revenue,
        sum(payments.platform_fee) as platform_fees
    from {{ ref('fact_payments') }} as payments
    inner join {{ ref('int_cohort_members') }} as members
        on payments.garage_id = members.garage_id
            and payments.user_id = members.user_id
    where payments.payment_date < {{ as_of() }}
    group by payments.garage_id

)

select
    garage_months.garage_id,
    garage_months.month
from garage_months
left join cohorts
    on garage_months.garage_id = cohorts.garage_id
        and garage_months.month = cohorts.month
left join payments on garage_months.garage_id = payments.garage_id
where garage_months.monthly_recurring_revenue <> coalesce(cohorts.monthly_recurring_revenue, 0)
    or (
        garage_months.latest_first = 1
        and (
            coalesce(payments.revenue, 0) <> coalesce(cohorts.revenue_to_date, 0)
            or coalesce(payments.platform_fees, 0) <> coalesce(cohorts.platform_fees_to_date, 0)
            or garage_months.revenue_to_date < coalesce(cohorts.revenue_to_date, 0)
        )
    )

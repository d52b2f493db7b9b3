-- Grain: that of rpt_cohort_retention: garage, cohort and month since its start. What the cohort's users pay and are worth.
with cohorts as (

    select
        *,
        cast({{ dbt.dateadd('month', '-months_since_start', 'month') }} as date) as cohort_start
    from {{ ref('rpt_cohort_retention') }}

),

numbered_cohorts as (

    select
        *,
        {{ key_number(['garage_id', 'cohort_start']) }} as cohort_number
    from cohorts

),

members as (

    select * from {{ ref('int_cohort_members') }}

),

-- what was paid before the cohort's month counts in that month, so nothing that a member paid is lost
payments as (

    select
        members.cohort_number,
        case when payments.payment_month < members.cohort_start then members.cohort_start else payments.payment_month end
            as month,
        payments.gross_amount,
        payments.platform_fee
    from {{ ref('fact_payments') }} as payments
    inner join members on payments.customer_number = members.customer_number
    where payments.payment_date < {{ as_of() }}

),

revenue as (

    select
        cohort_number,
        month,
        sum(gross_amount) as revenue,
        sum(platform_fee) as platform_fees
    from payments
    group by cohort_number, month

),

recurring as (

    select
        garage_id,
        cohort_start,
        month,
        sum(closing_mrr - opening_mrr) as mrr_change
    from {{ ref('int_customer_changes') }}
    group by garage_id, cohort_start, month

),

monthly as (

    select
        cohorts.*,
        coalesce(sum(recurring.mrr_change) over (
            partition by cohorts.garage_id, cohorts.cohort_month
            order by cohorts.month
            rows between unbounded preceding and current row
        ), 0) as monthly_recurring_revenue,
        coalesce(revenue.revenue, 0) as revenue,
        coalesce(revenue.platform_fees, 0) as platform_fees
    from numbered_cohorts as cohorts
    left join revenue
        on cohorts.cohort_number = revenue.cohort_number
            and cohorts.month = revenue.month
    left join recurring
        on cohorts.garage_id = recurring.garage_id
            and cohorts.cohort_start = recurring.cohort_start
            and cohorts.month = recurring.month

),

summed as (

    select
        *,
        max(case when months_since_start = 0 then revenue end) over (partition by garage_id, cohort_month)
            as first_month_revenue,
        max(case when months_since_start = 0 then monthly_recurring_revenue end) over (partition by garage_id, cohort_month)
            as first_month_mrr,
        sum(revenue) over (
            partition by garage_id, cohort_month
            order by month
            rows between unbounded preceding and current row
        ) as revenue_to_date,
        sum(platform_fees) over (
            partition by garage_id, cohort_month
            order by month
            rows between unbounded preceding and current row
        ) as platform_fees_to_date
    from monthly

)

select
    garage_id,
    garage_name,
    cohort_month,
    months_since_start,
    month,
    currency,
    cohort_size,
    cohort_value,
    cast(monthly_recurring_revenue as decimal(38, 2)) as monthly_recurring_revenue,
    {{ percent('monthly_recurring_revenue', 'first_month_mrr', scale=2) }} as mrr_retention_rate,
    cast(revenue as decimal(38, 2)) as revenue,
    {{ percent('revenue', 'first_month_revenue', scale=2) }} as revenue_retention_rate,
    cast(revenue_to_date as decimal(38, 2)) as revenue_to_date,
    {{ ratio('revenue_to_date', 'cohort_size') }} as lifetime_value,
    cast(platform_fees_to_date as decimal(38, 2)) as platform_fees_to_date,
    {{ ratio('platform_fees_to_date', 'cohort_size') }} as platform_lifetime_value
from summed

-- Grain: month. Every column covers the garages whose currency is reporting_currency, and no other.
with garage_months as (

    select * from {{ ref('rpt_garage_monthly_pl') }}
    where currency = '{{ reporting_currency() }}'

),

-- a customer of several garages is one, as long as they have a subscription in any of them
customers as (

    select
        month,
        sum(currency_customers_change) as customers_change
    from {{ ref('int_customer_changes') }}
    where currency = '{{ reporting_currency() }}'
    group by month

),

totals as (

    select
        month,
        month_key,
        is_complete_month,
        count(distinct case when active_subscriptions > 0 or payment_count > 0 then garage_id end) as active_garages,
        sum(gross_revenue) as total_gross_revenue,
        sum(total_stripe_fees) as total_stripe_fees,
        sum(total_platform_fees) as total_platform_fees,
        sum(garage_profit) as total_garage_profit,
        sum(payment_count) as total_payment_count,
        sum(opening_subscriptions) as total_opening_subscriptions,
        sum(new_subscriptions) as total_new_subscriptions,
        sum(churned_subscriptions) as total_churned_subscriptions,
        sum(active_subscriptions) as total_active_subscriptions,
        sum(monthly_recurring_revenue) as total_monthly_recurring_revenue,
        sum(arpu) as sum_of_arpu,
        count(arpu) as garages_with_arpu
    from garage_months
    group by month, month_key, is_complete_month

),

compared as (

    select
        totals.*,
        sum(coalesce(customers.customers_change, 0)) over (
            order by totals.month
            rows between unbounded preceding and current row
        ) as total_unique_customers,
        lag(totals.total_gross_revenue) over (order by totals.month) as previous_month_revenue
    from totals
    left join customers on totals.month = customers.month

)

select
    month,
    month_key,
    is_complete_month,
    cast(active_garages as bigint) as active_garages,
    cast(total_gross_revenue as decimal(38, 2)) as total_gross_revenue,
    cast(total_stripe_fees as decimal(38, 2)) as total_stripe_fees,
    cast(total_platform_fees as decimal(38, 2)) as total_platform_fees,
    cast(total_garage_profit as decimal(38, 2)) as total_garage_profit,
    cast(total_active_subscriptions as bigint) as total_active_subscriptions,
    cast(total_unique_customers as bigint) as total_unique_customers,
    cast(total_churned_subscriptions as bigint) as total_churned_subscriptions,
    {{ ratio('sum_of_arpu', 'garages_with_arpu') }} as avg_arpu,
    {{ ratio('total_gross_revenue', 'total_unique_customers') }} as revenue_per_customer,
    {{ percent('total_churned_subscriptions', 'total_opening_subscriptions') }} as platform_churn_rate,
    cast(total_payment_count as bigint) as total_payment_count,
    cast(total_opening_subscriptions as bigint) as total_opening_subscriptions,
    cast(total_new_subscriptions as bigint) as total_new_subscriptions,
    cast(total_monthly_recurring_revenue as decimal(38, 2)) as total_monthly_recurring_revenue,
    cast(previous_month_revenue as decimal(38, 2)) as previous_month_revenue,
    {{ percent('total_gross_revenue - previous_month_revenue', 'previous_month_revenue') }} as revenue_growth_pct
from compared

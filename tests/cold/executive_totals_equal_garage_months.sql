-- The platform's figures are the sums of the garages paid in reporting_currency.
with garage_months as (

    select
        month,
        sum(gross_revenue) as gross_revenue,
        sum(total_stripe_fees) as stripe_fees,
        sum(total_platform_fees) as platform_fees,
        sum(garage_profit) as garage_profit,
        sum(payment_count) as payment_count,
        sum(opening_subscriptions) as opening_subscriptions,
        sum(new_subscriptions) as new_subscriptions,
        sum(churned_subscriptions) as churned_subscriptions,
        sum(active_subscriptions) as active_subscriptions,
        sum(monthly_recurring_revenue) as monthly_recurring_revenue,
        sum(unique_customers) as most_customers,
        max(unique_customers) as fewest_customers,
        count(*) as garages
    from {{ ref('rpt_garage_monthly_pl') }}
    where currency = '{{ reporting_currency() }}'
    group by month

),

platform as (

    select
        *,
        lag(total_active_subscriptions) over (order by month) as previous_active
    from {{ ref('rpt_executive_dashboard') }}

)

select coalesce(garage_months.month, platform.month) as month
from garage_months
full outer join platform on garage_months.month = platform.month
where garage_months.gross_revenue is distinct from platform.total_gross_revenue
    or garage_months.stripe_fees is distinct from platform.total_stripe_fees
    or garage_months.platform_fees is distinct from platform.total_platform_fees
    or garage_months.garage_profit is distinct from platform.total_garage_profit
    or garage_months.payment_count is distinct from platform.total_payment_count
    or garage_months.opening_subscriptions is distinct from platform.total_opening_subscriptions
    or garage_months.new_subscriptions is distinct from platform.total_new_subscriptions
    or garage_months.churned_subscriptions is distinct from platform.total_churned_subscriptions
    or garage_months.active_subscriptions is distinct from platform.total_active_subscriptions
    or garage_months.monthly_recurring_revenue is distinct from platform.total_monthly_recurring_revenue
    or platform.total_unique_customers not between garage_months.fewest_customers and garage_months.most_customers
    or platform.active_garages > garage_months.garages
    or coalesce(platform.previous_active, 0) <> platform.total_opening_subscriptions

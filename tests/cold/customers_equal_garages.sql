-- By currency, the customers hold and pay what the garages have: subscriptions and recurring revenue of the last month of the
-- P&L, and every payment that has a subscriber. Each user is there.
with customers as (

    select
        currency,
        sum(active_subscriptions) as active_subscriptions,
        sum(monthly_recurring_revenue) as monthly_recurring_revenue,
        sum(payment_count) as payment_count,
        sum(lifetime_value) as lifetime_value,
        sum(lifetime_platform_fees) as lifetime_platform_fees
    from {{ ref('rpt_customer_360') }}
    group by currency

),

last_months as (

    select
        currency,
        sum(active_subscriptions) as active_subscriptions,
        sum(monthly_recurring_revenue) as monthly_recurring_revenue
    from {{ ref('rpt_garage_monthly_pl') }}
    where month = (select max(months.month) from {{ ref('rpt_garage_monthly_pl') }} as months)
    group by currency

),

payments as (

    select
        garages.currency,
        count(*) as payment_count,
        sum(payments.gross_amount) as revenue,
        sum(payments.platform_fee) as platform_fees
    from {{ ref('fact_payments') }} as payments
    inner join {{ ref('dim_garages') }} as garages on payments.garage_id = garages.garage_id
    where payments.payment_date < {{ as_of() }} and payments.user_id is not null
    group by garages.currency

),

currencies as (

    select currency from customers
    union
    select currency from last_months
    union
    select currency from payments

)

select currencies.currency as objection
from currencies
left join customers on currencies.currency = customers.currency
left join last_months on currencies.currency = last_months.currency
left join payments on currencies.currency = payments.currency
where coalesce(customers.active_subscriptions, 0) <> coalesce(last_months.active_subscriptions, 0)
    or coalesce(customers.monthly_recurring_revenue, 0) <> coalesce(last_months.monthly_recurring_revenue, 0)
    or coalesce(customers.payment_count, 0) <> coalesce(payments.payment_count, 0)
    or coalesce(customers.lifetime_value, 0) <> coalesce(payments.revenue, 0)
    or coalesce(customers.lifetime_platform_fees, 0) <> coalesce(payments.platform_fees, 0)

union all

select users.user_id as objection
from {{ ref('dim_users') }} as users
left join {{ ref('rpt_customer_360') }} as shown on users.user_id = shown.user_id
where shown.user_id is null

-- Every succeeded payment of the window is in one of its days, and each garage has each day. A warning only: where the
-- source is live, it may have moved on since the refresh.
{{ config(severity='warn') }}

with window_days as (

    select
        garage_id,
        min(payment_date) as first_day,
        count(*) as days,
        sum(payment_count) as payment_count,
        sum(gross_revenue) as gross_revenue,
        sum(garage_profit) as garage_profit
    from {{ ref('mv_daily_revenue') }}
    group by garage_id

),

payments as (

    select
        garage_id,
        cast({{ to_reporting_time('payment_date') }} as date) as day,
        amount,
        {{ net_amount('net_amount', 'amount', 'stripe_fee') }} - {{ platform_fee('amount') }} as garage_profit
    from {{ source('operational', 'payments') }}
    where status = 'succeeded' and payment_date < (select hot.as_of())

),

expected as (

    select
        window_days.garage_id,
        count(payments.garage_id) as payment_count,
        coalesce(sum(payments.amount), 0) as gross_revenue,
        coalesce(sum(payments.garage_profit), 0) as garage_profit
    from window_days
    left join payments
        on window_days.garage_id = payments.garage_id
            and window_days.first_day <= payments.day
    group by window_days.garage_id

)

select window_days.*
from window_days
inner join expected on window_days.garage_id = expected.garage_id
where window_days.days <> {{ var('hot_days') }} + 1
    or window_days.payment_count <> expected.payment_count
    or window_days.gross_revenue <> expected.gross_revenue
    or window_days.garage_profit <> expected.garage_profit

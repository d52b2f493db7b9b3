-- Grain: garage and day of the reporting time zone, for the last hot_days days and today, also without payments.
{{ config(meta={'indexes': [
    {'name': 'idx_mv_daily_revenue_key', 'columns': ['garage_id', 'payment_date'], 'unique': true},
    {'name': 'idx_mv_daily_revenue_date', 'columns': ['payment_date']},
]}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

payments as (

    select * from {{ source('operational', 'payments') }}

),

clock as (

    select
        hot.as_of() as as_of,
        cast({{ to_reporting_time('hot.as_of()') }} as date) as today

),

days as (

    select cast(generate_series(today - {{ var('hot_days') }}, today, interval '1 day') as date) as payment_date
    from clock

),

succeeded as (

    select
        payments.garage_id,
        cast({{ to_reporting_time('payments.payment_date') }} as date) as payment_date,
        payments.amount,
        payments.stripe_fee,
        {{ platform_fee('payments.amount') }} as platform_fee,
        {{ net_amount('payments.net_amount', 'payments.amount', 'payments.stripe_fee') }} as net_amount
    from payments, clock
    where payments.status = 'succeeded'
        -- one day more than the window, for a local day begins up to 14 hours before or after that of UTC
        and payments.payment_date >= clock.today - {{ var('hot_days') }} - 1
        and payments.payment_date < clock.as_of

),

daily as (

    select
        garage_id,
        payment_date,
        count(*) as payment_count,
        sum(amount) as gross_revenue,
        coalesce(sum(stripe_fee), 0) as total_stripe_fees,
        sum(platform_fee) as total_platform_fees,
        sum(net_amount - platform_fee) as garage_profit
    from succeeded
    group by garage_id, payment_date

)

select
    garages.id as garage_id,
    garages.name as garage_name,
    days.payment_date,
    coalesce(daily.payment_count, 0) as payment_count,
    coalesce(daily.gross_revenue, 0) as gross_revenue,
    coalesce(daily.total_stripe_fees, 0) as total_stripe_fees,
    coalesce(daily.total_platform_fees, 0) as total_platform_fees,
    coalesce(daily.garage_profit, 0) as garage_profit
from garages
cross join days
left join daily on garages.id = daily.garage_id and days.payment_date = daily.payment_date

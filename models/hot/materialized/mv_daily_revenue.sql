-- Grain: garage and day of the reporting time zone, for the last hot_days days and today, also without payments.
{{ config(meta={'indexes': [
    {'name': 'idx_mv_daily_revenue_key', 'columns': ['garage_id', 'payment_date'], 'unique': true},
    {'name': 'idx_mv_daily_revenue_date', 'columns': ['payment_date']},
]}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

daily_payments as (

    select * from {{ ref('sum_daily_payments') }}

),

days as (

    select
        cast(
            generate_series({{ hot_today() }} - {{ var('hot_days') }}, {{ hot_today() }}, interval '1 day') as date
        ) as payment_date

)

select
    garages.id as garage_id,
    garages.name as garage_name,
    days.payment_date,
    coalesce(daily_payments.payment_count, 0) as payment_count,
    coalesce(daily_payments.gross_revenue, 0) as gross_revenue,
    coalesce(daily_payments.total_stripe_fees, 0) as total_stripe_fees,
    coalesce(daily_payments.total_platform_fees, 0) as total_platform_fees,
    coalesce(daily_payments.garage_profit, 0) as garage_profit
from garages
cross join days
left join daily_payments on garages.id = daily_payments.garage_id and days.payment_date = daily_payments.day

-- Grain: garage and month, from the month of its first begun subscription or succeeded payment to that of as_of.
with garages as (

    select * from {{ ref('dim_garages') }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

subscriptions as (

    select * from {{ ref('fact_subscriptions') }}

),

payments as (

    select * from {{ ref('int_pass_payments') }}

),

first_events as (

    select
        garage_id,
        min(created_at) as happened_at
    from subscriptions
    where is_begun and created_at < {{ as_of() }}
    group by garage_id

    union all

    select
        garage_id,
        min(first_paid_at) as happened_at
    from payments
    group by garage_id

),

first_months as (

    select
        garage_id,
        {{ month_start(to_reporting_time('min(happened_at)')) }} as first_month
    from first_events
    group by garage_id

),

months as (

    select
        date_day as month,
        cast({{ dbt.dateadd('month', 1, 'date_day') }} as date) as next_month
    from calendar
    where date_day = first_day_of_month

)

select
    garages.garage_id,
    garages.garage_name,
    garages.currency,
    months.month,
    {{ month_key('months.month') }} as month_key,
    months.next_month,
    months.next_month <= {{ to_reporting_time(as_of()) }} as is_complete_month
from garages
inner join first_months on garages.garage_id = first_months.garage_id
inner join months
    on first_months.first_month <= months.month
        and months.month < {{ to_reporting_time(as_of()) }}

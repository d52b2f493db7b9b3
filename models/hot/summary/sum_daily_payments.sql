-- Grain: garage and day of the reporting time zone with a succeeded payment before as_of, as far back as the hot views look.
{#- All but the key are sums, so a merge adds what the clock passed to what is there: hot.counted_from() is then the last merge.
    The local day begins within 14 hours of that of UTC: wide enough bounds for the index; the exact day is asked for too. -#}
{%- set begins, ends = (0, 24) if var('reporting_timezone') == 'UTC' else (-14, 38) -%}
{{ config(meta={'key': ['garage_id', 'day'], 'watched': ['payments']}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

payments as (

    select * from {{ source('operational', 'payments') }}

),

-- once, and not for each key of a merge
days as materialized (

    select cast(generate_series({{ hot_first_day() }}, {{ hot_today() }}, interval '1 day') as date) as day

)

select
    garages.id as garage_id,
    days.day,
    paid.payment_count,
    paid.gross_revenue,
    paid.total_stripe_fees,
    paid.total_platform_fees,
    paid.garage_profit
from garages
cross join days
cross join
    lateral (
        select
            count(*) as payment_count,
            sum(payments.amount) as gross_revenue,
            coalesce(sum(payments.stripe_fee), 0) as total_stripe_fees,
            sum({{ platform_fee('payments.amount') }}) as total_platform_fees,
            sum(
                {{ net_amount('payments.net_amount', 'payments.amount', 'payments.stripe_fee') }}
                - {{ platform_fee('payments.amount') }}
            ) as garage_profit
        from payments
        where payments.garage_id = garages.id
            and payments.status = 'succeeded'
            and payments.payment_date >= days.day + interval '{{ begins }} hours'
            and payments.payment_date < days.day + interval '{{ ends }} hours'
            and cast({{ to_reporting_time('payments.payment_date') }} as date) = days.day
            and payments.payment_date >= hot.counted_from()
            and payments.payment_date < (select hot.as_of())
    ) as paid
where paid.payment_count > 0

-- Grain: payment attempt, whatever became of it.
with payments as (

    select
        *,
        {{ net_amount('net_amount', 'amount', 'stripe_fee') }} as ruled_net_amount,
        {{ platform_fee('amount') }} as platform_fee,
        {{ to_reporting_time('payment_date') }} as payment_date_local
    from {{ source('raw', 'payments') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

)

select
    id as payment_id,
    stripe_payment_intent_id,
    subscription_id,
    garage_id,
    amount as gross_amount,
    stripe_fee,
    cast(ruled_net_amount as decimal(12, 2)) as net_amount,
    platform_fee,
    cast(ruled_net_amount - platform_fee as decimal(12, 2)) as garage_profit,
    lower(trim(status)) as status,
    lower(trim(currency)) as currency,
    payment_date,
    cast(payment_date_local as date) as payment_date_day,
    {{ month_start('payment_date_local') }} as payment_month,
    cast(date_trunc('year', payment_date_local) as date) as payment_year,
    created_at,
    updated_at,
    cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from payments

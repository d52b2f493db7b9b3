-- Grain: payment attempt, whatever became of it. Incremental: rows the loader has brought or written again, rows
-- whose garage, customer or pass is called otherwise by now, rows whose pass is known by now to have cost something else,
-- and rows computed with another fee rate or reporting zone; what the source deleted goes first.
{{ config(
    materialized='incremental',
    unique_key='payment_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['garage_id', 'payment_month']),
    pre_hook="{% if is_incremental() %}
        {{ forget_what_is_gone(source('raw', 'payments'), ref('stg_payments'), 'payment_id') }}
    {% endif %}",
) }}

with garages as (

    select * from {{ ref('stg_garages') }}

),

subscriptions as (

    select
        subscription_id,
        user_id,
        email,
        pass_id,
        pass_name
    from {{ ref('int_subscriptions') }}

),

prices as (

    select * from {{ ref('int_pass_prices') }}

),

{% if is_incremental() %}
outdated as (

    select stored.payment_id
    from {{ this }} as stored
    left join garages on stored.garage_id = garages.garage_id
    left join subscriptions on stored.subscription_id = subscriptions.subscription_id
    left join prices
        on subscriptions.pass_id = prices.pass_id
            and (prices.held_from is null or stored.payment_date >= prices.held_from)
            and (prices.held_until is null or stored.payment_date < prices.held_until)
    where stored.garage_name is distinct from garages.garage_name
        or stored.user_id is distinct from subscriptions.user_id
        or stored.user_email is distinct from subscriptions.email
        or stored.pass_id is distinct from subscriptions.pass_id
        or stored.pass_name is distinct from subscriptions.pass_name
        or stored.list_price is distinct from prices.list_price
        or stored.platform_fee is distinct from {{ platform_fee('stored.gross_amount') }}
        or stored.payment_date_day is distinct from cast({{ to_reporting_time('stored.payment_date') }} as date)

),
{% endif %}

payments as (

    select * from {{ ref('stg_payments') }}
    {% if is_incremental() %}
    where _fivetran_synced > {{ seen_until() }} or payment_id in (select outdated.payment_id from outdated)
    {% endif %}

)

select
    payments.payment_id,
    payments.stripe_payment_intent_id,
    payments.subscription_id,
    payments.garage_id,
    payments.status,
    payments.gross_amount,
    payments.stripe_fee,
    payments.net_amount,
    payments.platform_fee,
    payments.garage_profit,
    payments.currency,
    payments.payment_date,
    payments.payment_date_day,
    payments.payment_month,
    payments.payment_year,
    garages.garage_name,
    subscriptions.user_id,
    subscriptions.email as user_email,
    subscriptions.pass_id,
    subscriptions.pass_name,
    prices.list_price,
    payments.created_at,
    payments.updated_at,
    payments._fivetran_synced
from payments
left join garages on payments.garage_id = garages.garage_id
left join subscriptions on payments.subscription_id = subscriptions.subscription_id
left join prices
    on subscriptions.pass_id = prices.pass_id
        and (prices.held_from is null or payments.payment_date >= prices.held_from)
        and (prices.held_until is null or payments.payment_date < prices.held_until)

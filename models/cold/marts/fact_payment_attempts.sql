-- Grain: payment attempt, whatever became of it. Incremental: rows the loader has brought or written again, rows
-- whose garage, customer or pass is called otherwise by now, rows of a pass of which other prices are known by now,
-- and rows computed with another fee rate, reporting zone or SQL; what the source deleted goes first.
{{ config(
    materialized='incremental',
    unique_key='payment_number',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['garage_id', 'payment_month']),
    pre_hook="{% if is_incremental() %}
        {{ forget_what_is_gone(source('raw', 'payments'), ref('stg_payments'), 'payment_id', 'payment_number', is_named=true) }}
    {% endif %}",
) }}

{#- by one number for all that comes from elsewhere, none for a payment without a subscription; that of one whose subscription
    is not there is looked at each time -#}
{% set named_from = row_hash([
    'subscriptions.subscription_id', 'subscriptions.user_id', 'subscriptions.user_number', 'subscriptions.email',
    'subscriptions.pass_id', 'subscriptions.pass_name', 'priced_passes.priced_from'
]) %}
{% set priced_passes %}
    select
        pass_id,
        {{ fingerprint(['list_price', 'held_from', 'held_until']) }} as priced_from
    from {{ ref('int_pass_prices') }}
    group by pass_id
{% endset %}
{% set names %}
    select {{ named_from }}
    from {{ ref('int_subscriptions') }} as subscriptions
    left join ({{ priced_passes }}) as priced_passes on subscriptions.pass_id = priced_passes.pass_id
{% endset %}
{% set outdated = [
    'made_by is distinct from ' ~ made_by(of_all=true),
    are_not_in(ref('stg_garages'), ['garage_id', 'garage_name']),
    'named_from not in (' ~ names ~ ')',
] %}

with garages as (

    select * from {{ ref('stg_garages') }}

),

subscriptions as (

    select
        subscription_id,
        user_id,
        user_number,
        email,
        pass_id,
        pass_name
    from {{ ref('int_subscriptions') }}

),

prices as (

    select * from {{ ref('int_pass_prices') }}

),

-- all prices that a pass has had; a subscription may have none
priced_passes as (

    {{ priced_passes }}

),

payments as (

    {% if is_incremental() %}
    {{ due(ref('stg_payments'), 'payment_id', outdated) }}
    {% else %}
    select * from {{ ref('stg_payments') }}
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
    payments._fivetran_synced,
    {{ row_hash([
        'payments.payment_id', 'payments.subscription_id', 'payments.garage_id', 'payments.status', 'payments.gross_amount',
        'payments.stripe_fee', 'payments.net_amount', 'payments.platform_fee', 'payments.currency', 'payments.payment_date',
        'payments.payment_month', 'subscriptions.user_id', 'subscriptions.pass_id', 'prices.list_price', made_by()
    ]) }} as row_hash,
    {{ key_number(['payments.payment_id']) }} as payment_number,
    subscriptions.user_number,
    {{ key_number(['payments.garage_id', 'subscriptions.user_id']) }} as customer_number,
    {{ key_number(['coalesce(payments.subscription_id, payments.payment_id)']) }} as payer_number,
    case when payments.subscription_id is not null then {{ named_from }} end as named_from,
    {{ made_by() }} as made_by
from payments
left join garages on payments.garage_id = garages.garage_id
left join subscriptions on payments.subscription_id = subscriptions.subscription_id
left join priced_passes on subscriptions.pass_id = priced_passes.pass_id
left join prices
    on subscriptions.pass_id = prices.pass_id
        and (prices.held_from is null or payments.payment_date >= prices.held_from)
        and (prices.held_until is null or payments.payment_date < prices.held_until)

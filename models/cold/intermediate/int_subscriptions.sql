-- Grain: subscription, those that never began included. What of fact_subscriptions does not move with as_of, so that only the
-- rows are written that changed: those the loader brought, and those whose user, garage or pass is called otherwise by now.
{{ config(
    materialized='incremental',
    unique_key='subscription_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    pre_hook="{% if is_incremental() %}
        {{ forget_what_is_gone(source('raw', 'subscriptions'), ref('stg_subscriptions'), 'subscription_id', 'subscription_number', is_named=true) }}
    {% endif %}",
) }}

{#- by one number for all that comes from elsewhere -#}
{% set names = 'select named.row_hash from ' ~ ref('dim_users') ~ ' as named' %}
{% set outdated = [
    'made_by is distinct from ' ~ made_by(of_all=true),
    are_not_in(ref('stg_garages'), ['garage_id', 'garage_name']),
    are_not_in(ref('stg_passes'), ['pass_id', 'pass_name']),
    'named_from is null or named_from not in (' ~ names ~ ')',
] %}

with users as (

    select * from {{ ref('dim_users') }}

),

garages as (

    select * from {{ ref('stg_garages') }}

),

passes as (

    select * from {{ ref('stg_passes') }}

),

subscriptions as (

    {% if is_incremental() %}
    {{ due(ref('stg_subscriptions'), 'subscription_id', outdated) }}
    {% else %}
    select * from {{ ref('stg_subscriptions') }}
    {% endif %}

)

select
    subscriptions.subscription_id,
    subscriptions.stripe_subscription_id,
    subscriptions.user_id,
    subscriptions.garage_id,
    subscriptions.pass_id,
    subscriptions.status,
    subscriptions.monthly_amount,
    cast({{ to_reporting_time('subscriptions.created_at') }} as date) as subscription_start_date,
    cast({{ to_reporting_time('subscriptions.ended_at') }} as date) as subscription_end_date,
    cast({{ to_reporting_time('subscriptions.canceled_at') }} as date) as canceled_date,
    subscriptions.cancel_at_period_end,
    subscriptions.subscription_month,
    users.first_name,
    users.last_name,
    users.email,
    garages.garage_name,
    passes.pass_name,
    subscriptions.is_begun,
    subscriptions.created_at,
    subscriptions.ended_at,
    subscriptions.canceled_at,
    subscriptions.current_period_start,
    subscriptions.current_period_end,
    subscriptions._fivetran_synced,
    {{ row_hash([
        'subscriptions.subscription_id', 'subscriptions.user_id', 'subscriptions.garage_id', 'subscriptions.pass_id',
        'subscriptions.status', 'subscriptions.monthly_amount', 'subscriptions.is_begun', 'subscriptions.created_at',
        'subscriptions.ended_at', 'subscriptions.canceled_at', 'subscriptions.cancel_at_period_end',
        'subscriptions.current_period_end', 'subscriptions.subscription_month', made_by()
    ]) }} as row_hash,
    {{ key_number(['subscriptions.subscription_id']) }} as subscription_number,
    users.user_number,
    users.row_hash as named_from,
    {{ made_by() }} as made_by
from subscriptions
left join users on subscriptions.user_id = users.user_id
left join garages on subscriptions.garage_id = garages.garage_id
left join passes on subscriptions.pass_id = passes.pass_id

-- Grain: subscription, those that never began included. What of fact_subscriptions does not move with as_of, so that only the
-- rows are written that changed: those the loader brought, and those whose user, garage or pass is called otherwise by now.
{{ config(
    materialized='incremental',
    unique_key='subscription_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    pre_hook="{% if is_incremental() %}
        delete from {{ this }}
        where subscription_id not in (select subscription_id from {{ ref('stg_subscriptions') }})
    {% endif %}",
) }}

with subscriptions as (

    select
        *,
        cast({{ to_reporting_time('created_at') }} as date) as subscription_start_date,
        cast({{ to_reporting_time('ended_at') }} as date) as subscription_end_date
    from {{ ref('stg_subscriptions') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

garages as (

    select * from {{ ref('stg_garages') }}

),

passes as (

    select * from {{ ref('stg_passes') }}

)

{% if is_incremental() %}
,

stored as (

    select * from {{ this }}

)
{% endif %}

select
    subscriptions.subscription_id,
    subscriptions.stripe_subscription_id,
    subscriptions.user_id,
    subscriptions.garage_id,
    subscriptions.pass_id,
    subscriptions.status,
    subscriptions.monthly_amount,
    subscriptions.subscription_start_date,
    subscriptions.subscription_end_date,
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
    subscriptions._fivetran_synced
from subscriptions
left join users on subscriptions.user_id = users.user_id
left join garages on subscriptions.garage_id = garages.garage_id
left join passes on subscriptions.pass_id = passes.pass_id
{% if is_incremental() %}
left join stored on subscriptions.subscription_id = stored.subscription_id
where stored.subscription_id is null
    or stored._fivetran_synced is distinct from subscriptions._fivetran_synced
    or stored.first_name is distinct from users.first_name
    or stored.last_name is distinct from users.last_name
    or stored.email is distinct from users.email
    or stored.garage_name is distinct from garages.garage_name
    or stored.pass_name is distinct from passes.pass_name
    or stored.subscription_start_date is distinct from subscriptions.subscription_start_date
    or stored.subscription_end_date is distinct from subscriptions.subscription_end_date
    or stored.canceled_date is distinct from cast({{ to_reporting_time('stored.canceled_at') }} as date)
{% endif %}

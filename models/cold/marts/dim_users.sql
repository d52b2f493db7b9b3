-- Grain: user. Incremental: those who are new or not as they were, without those the source deleted.
{{ config(
    materialized='incremental',
    unique_key='user_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['user_id']),
    pre_hook="{% if is_incremental() %}
        delete from {{ this }} where user_id not in (select user_id from {{ ref('stg_users') }})
    {% endif %}",
) }}

with users as (

    select * from {{ ref('stg_users') }}

)

{% if is_incremental() %}
,

stored as (

    select * from {{ this }}

)
{% endif %}

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.email,
    users.phone,
    users.stripe_customer_id,
    users.created_at as user_created_at,
    users.user_cohort_month
from users
{% if is_incremental() %}
left join stored on users.user_id = stored.user_id
where stored.user_id is null
    or stored.first_name is distinct from users.first_name
    or stored.last_name is distinct from users.last_name
    or stored.email is distinct from users.email
    or stored.phone is distinct from users.phone
    or stored.stripe_customer_id is distinct from users.stripe_customer_id
    or stored.user_created_at is distinct from users.created_at
    or stored.user_cohort_month is distinct from users.user_cohort_month
{% endif %}

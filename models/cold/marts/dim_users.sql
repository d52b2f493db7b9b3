-- Grain: user. Incremental: those the loader brought, or whose month was computed otherwise; without those the source deleted.
{{ config(
    materialized='incremental',
    unique_key='user_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    cluster_by=clustering_key(['user_id']),
    pre_hook="{% if is_incremental() %}
        {{ forget_what_is_gone(source('raw', 'users'), ref('stg_users'), 'user_id', 'user_number') }}
    {% endif %}",
) }}

{% set outdated = ['made_by is distinct from ' ~ made_by(of_all=true)] %}

with users as (

    {% if is_incremental() %}
    {{ due(ref('stg_users'), 'user_id', outdated) }}
    {% else %}
    select * from {{ ref('stg_users') }}
    {% endif %}

)

select
    user_id,
    first_name,
    last_name,
    email,
    phone,
    stripe_customer_id,
    created_at as user_created_at,
    user_cohort_month,
    _fivetran_synced,
    {{ row_hash([
        'user_id', 'first_name', 'last_name', 'email', 'phone', 'created_at', 'user_cohort_month', made_by()
    ]) }} as row_hash,
    {{ key_number(['user_id']) }} as user_number,
    {{ made_by() }} as made_by
from users

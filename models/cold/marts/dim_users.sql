-- Grain: user.
{{ config(cluster_by=clustering_key(['user_id'])) }}

with users as (

    select * from {{ ref('stg_users') }}

)

select
    user_id,
    first_name,
    last_name,
    email,
    phone,
    stripe_customer_id,
    created_at as user_created_at,
    user_cohort_month
from users

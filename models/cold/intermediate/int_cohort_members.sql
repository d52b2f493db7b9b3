-- Grain: garage and user who ever had a begun subscription there. Their cohort is the month of the first, and the only one.
{{ config(materialized='table') }}

with subscriptions as (

    select * from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }}

)

select
    garage_id,
    user_id,
    {{ month_start(to_reporting_time('min(created_at)')) }} as cohort_start
from subscriptions
group by garage_id, user_id

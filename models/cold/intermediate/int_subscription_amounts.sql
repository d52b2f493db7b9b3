-- Grain: subscription and stretch of time with one monthly amount, up to as_of. The first amount known holds from the start,
-- the last one to as_of, so any instant of a subscription has exactly one.
{{ config(materialized='table') }}

with versions as (

    select
        subscription_id,
        monthly_amount,
        dbt_valid_from,
        dbt_valid_to,
        row_number() over (partition by subscription_id order by dbt_valid_from) as version_number
    from {{ ref('snap_subscriptions') }}

)

select
    subscription_id,
    version_number,
    monthly_amount,
    case when version_number > 1 then dbt_valid_from end as held_from,
    case when dbt_valid_to < {{ as_of() }} then dbt_valid_to end as held_until
from versions
where version_number = 1 or dbt_valid_from < {{ as_of() }}

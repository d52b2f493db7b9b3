-- Grain: subscription whose amount or status has changed, and stretch of time with one monthly amount, up to as_of. The first
-- amount known holds from the start, the last one to as_of, so any instant of such a subscription has exactly one. The others
-- have one amount all along, that of fact_subscriptions.
{{ config(materialized='table') }}

with changed as (

    -- a version ends where the next one begins
    select distinct subscription_id
    from {{ ref('snap_subscriptions') }}
    where dbt_valid_to is not null

),

versions as (

    select
        snapshots.subscription_id,
        snapshots.monthly_amount,
        snapshots.dbt_valid_from,
        snapshots.dbt_valid_to,
        row_number() over (partition by snapshots.subscription_id order by snapshots.dbt_valid_from) as version_number
    from {{ ref('snap_subscriptions') }} as snapshots
    inner join changed on snapshots.subscription_id = changed.subscription_id

)

select
    subscription_id,
    version_number,
    monthly_amount,
    case when version_number > 1 then dbt_valid_from end as held_from,
    case when dbt_valid_to < {{ as_of() }} then dbt_valid_to end as held_until
from versions
where version_number = 1 or dbt_valid_from < {{ as_of() }}

{{ config(alias='mv_active_subscriptions') }}

select * from {{ ref('mv_active_subscriptions') }}

{{ config(alias='mv_daily_revenue') }}

select * from {{ ref('mv_daily_revenue') }}

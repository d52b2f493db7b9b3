{{ config(alias='mv_current_month_metrics') }}

select * from {{ ref('mv_current_month_metrics') }}

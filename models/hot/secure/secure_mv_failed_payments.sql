{{ config(alias='mv_failed_payments') }}

select * from {{ ref('mv_failed_payments') }}

{{ config(alias='mv_current_occupancy') }}

select * from {{ ref('mv_current_occupancy') }}

-- Grain: that of rpt_occupancy_hours; the rows of the garages that the reader may see.
{{ config(materialized='view', secure=true) }}

with report as (

    select * from {{ ref('rpt_occupancy_hours') }}

),

garage_access as (

    select * from {{ ref('garage_access') }}

)

select report.*
from report
where
    {{ sees_all_garages() }}
    or report.garage_id in (
        select garage_access.garage_id
        from garage_access
        where {{ is_reader('garage_access') }}
    )

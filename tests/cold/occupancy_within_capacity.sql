-- No more vehicles inside than spaces. Only a warning: sheets are counted by hand, and a garage may lose spaces.
{{ config(severity='warn') }}

select
    garage_id,
    occupancy_date,
    hour,
    occupancy_count,
    capacity
from {{ ref('fact_daily_occupancy') }}
where capacity > 0 and occupancy_count > capacity

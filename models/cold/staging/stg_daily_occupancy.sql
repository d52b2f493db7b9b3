-- Grain: count sheet of a garage and day; a garage may hand in two for one day. The day is already local.
with occupancy as (

    select * from {{ source('raw', 'garage_daily_occupancy') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

)

select
    id as daily_occupancy_id,
    garage_id,
    cast(day as date) as occupancy_date,
    hourly_occupancy,
    created_at,
    cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from occupancy

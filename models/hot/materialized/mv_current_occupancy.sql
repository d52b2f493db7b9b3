-- Grain: garage. Vehicles inside at as_of.
{{ config(meta={'indexes': [{'name': 'idx_mv_current_occ_garage', 'columns': ['garage_id'], 'unique': true}]}) }}

with garages as (

    select * from {{ source('operational', 'garages') }}

),

stays as (

    select * from {{ ref('sum_stays') }}

),

inside as (

    select
        garage_id,
        count(*) as vehicles
    from stays
    where entered_at < (select hot.as_of())
    group by garage_id

)

select
    garages.id as garage_id,
    garages.name as garage_name,
    garages.capacity,
    coalesce(inside.vehicles, 0) as current_occupancy,
    {{ percent('coalesce(inside.vehicles, 0)', 'garages.capacity', scale=2) }} as occupancy_rate,
    garages.capacity - coalesce(inside.vehicles, 0) as available_spots
from garages
left join inside on garages.id = inside.garage_id

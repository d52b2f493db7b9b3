-- Grain: pass.
{{ config(cluster_by=clustering_key(['garage_id', 'pass_id'])) }}

with passes as (

    select * from {{ ref('stg_passes') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

)

select
    passes.pass_id,
    passes.garage_id,
    garages.garage_name,
    passes.pass_name,
    passes.description,
    passes.current_price,
    passes.is_active,
    passes.created_at as pass_created_at
from passes
left join garages on passes.garage_id = garages.garage_id

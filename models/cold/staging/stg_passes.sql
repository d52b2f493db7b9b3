-- Grain: pass.
with passes as (

    select * from {{ source('raw', 'passes') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

)

select
    id as pass_id,
    garage_id,
    trim(name) as pass_name,
    description,
    stripe_product_id,
    stripe_price_id,
    monthly_amount as current_price,
    active as is_active,
    created_at,
    updated_at,
    cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from passes

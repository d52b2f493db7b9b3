-- Grain: change of a pass's price.
with changes as (

    select * from {{ source('raw', 'pass_price_history') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

)

select
    id as pass_price_change_id,
    pass_id,
    old_price,
    new_price,
    old_stripe_price_id,
    new_stripe_price_id,
    changed_by,
    change_reason,
    effective_date,
    created_at,
    cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from changes

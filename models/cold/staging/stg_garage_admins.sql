-- Grain: appointment of a user as admin of a garage.
with garage_admins as (

    select * from {{ source('raw', 'garage_admins') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

)

select
    id as garage_admin_id,
    user_id,
    garage_id,
    assigned_by,
    assigned_at,
    permissions,
    created_at,
    cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from garage_admins

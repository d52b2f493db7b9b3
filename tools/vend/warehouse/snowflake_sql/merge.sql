merge into raw.{table} as t
using (
    select {columns}, cast(:stamp as timestamp_ntz) as _fivetran_synced, false as _fivetran_deleted
    from ops.{name}
) as s
    on t.{key} = s.{key}
when matched then update set
    {updates},
    _fivetran_synced = s._fivetran_synced,
    _fivetran_deleted = s._fivetran_deleted
when not matched then insert ({columns}, _fivetran_synced, _fivetran_deleted)
values ({values}, s._fivetran_synced, s._fivetran_deleted)

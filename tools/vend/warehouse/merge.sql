merge into {target} as t
using {batch} as s
    on t.{key} = s.{key}
when matched then update set
    {updates}
    _fivetran_synced = {stamp},
    _fivetran_deleted = false
when not matched then insert ({columns}, _fivetran_synced, _fivetran_deleted)
    values ({values}, {stamp}, false)

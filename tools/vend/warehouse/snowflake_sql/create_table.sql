create table if not exists raw.{table} (
    {columns},
    _fivetran_synced timestamp_ntz,
    _fivetran_deleted boolean
)

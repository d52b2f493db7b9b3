update raw.{table}
set
    _fivetran_synced = :stamp,
    _fivetran_deleted = true
where
    not _fivetran_deleted
    and {key} not in (select {key} from ops.{name})

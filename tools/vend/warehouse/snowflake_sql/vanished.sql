update raw.{table}
set
    _fivetran_synced = :stamp,
    _fivetran_deleted = true
where
    _fivetran_deleted is distinct from true
    and {key} not in (select {key} from ops.{name})

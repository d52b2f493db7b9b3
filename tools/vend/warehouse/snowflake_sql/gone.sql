update raw.{table}
set
    _fivetran_synced = :stamp,
    _fivetran_deleted = true
where
    not _fivetran_deleted
    and {key} in (select value::varchar from table(flatten(input => parse_json(:keys))))

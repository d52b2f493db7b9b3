update raw.{table}
set
    _fivetran_synced = :stamp,
    _fivetran_deleted = true
where
    _fivetran_deleted is distinct from true
    and {key} in (select value::varchar from table(flatten(input => parse_json(:keys))))

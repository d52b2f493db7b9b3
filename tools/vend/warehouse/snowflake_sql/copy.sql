copy into ops.{name} ({columns})
from (
    select
        {selected}
    from @ops.vend_sync_stage/{path}/
)
files = ({files})
file_format = (
    type = parquet
    compression = auto
    use_vectorized_scanner = true
    use_logical_type = true
    binary_as_text = false
    trim_space = false
    replace_invalid_characters = false
    null_if = ()
)
on_error = abort_statement
purge = false
return_failed_only = false
truncatecolumns = false
force = false
load_uncertain_files = false

create or replace transient table ops.{name} (
    {columns}
)
data_retention_time_in_days = 0

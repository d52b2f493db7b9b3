-- One row: the oldest of the last successful syncs of RAW's tables, UTC.
select min(tables.synced_at) as synced_at
from (
    select
        table_name,
        max(started_at) as synced_at
    from ops.sync_runs
    where status = 'success'
    group by table_name
) as tables

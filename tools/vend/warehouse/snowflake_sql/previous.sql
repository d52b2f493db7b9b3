select {columns}
from ops.sync_runs
where status = 'success'
qualify row_number() over (partition by table_name order by started_at desc) = 1

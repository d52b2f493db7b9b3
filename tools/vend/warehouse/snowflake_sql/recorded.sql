select count(*)
from ops.sync_runs
where run_id = :run_id and table_name = :table_name and status = 'success'

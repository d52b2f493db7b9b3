-- Those that say they are running.
select
    run_id,
    started_at
from ops.runs
where status = 'running'
order by started_at

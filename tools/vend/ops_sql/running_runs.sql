-- Those that say they are running and began before that instant.
select run_id
from ops.runs
where status = 'running' and started_at < :before

select greatest(max(started_at), max(coalesce(finished_at, started_at)))
from ops.sync_runs

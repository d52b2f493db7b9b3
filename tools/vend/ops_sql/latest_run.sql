select max(started_at) from ops.runs

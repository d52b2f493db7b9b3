insert into ops.runs (run_id, status, step, started_at) values (:run_id, 'running', :step, :started_at)

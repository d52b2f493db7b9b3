update ops.runs
set
    status = :status,
    step = :step,
    finished_at = :finished_at,
    as_of = :as_of,
    sync_run_id = :sync_run_id,
    rows_loaded = :rows_loaded,
    relations_built = :relations_built,
    tests_passed = :tests_passed,
    tests_warned = :tests_warned,
    tests_failed = :tests_failed,
    figures_compared = :figures_compared,
    figures_differing = :figures_differing,
    alerts_open = :alerts_open,
    error = :error
where run_id = :run_id

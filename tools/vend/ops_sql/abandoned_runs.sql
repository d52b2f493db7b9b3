-- The lock is ours, so whatever began before and still says running has died.
update ops.runs
set
    status = 'interrupted',
    error = 'It ended without a word: killed, or the machine went down.'
where status = 'running' and started_at < :before

-- It holds its lock no more and still says running.
update ops.runs
set
    status = 'interrupted',
    error = 'It ended without a word: killed, or the machine went down.'
where run_id = :run_id and status = 'running'

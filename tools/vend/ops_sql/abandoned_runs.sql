-- The lock is ours, and our own row is yet to come: whatever says that it is running has died.
update ops.runs
set
    status = 'interrupted',
    error = 'It ended without a word: killed, or the machine went down.'
where status = 'running'

-- Seconds of the last 20 syncs that loaded every table.
with runs as (

    select
        run_id,
        min(started_at) as started_at,
        max(finished_at) as finished_at,
        count(*) as loaded
    from ops.sync_runs
    where status = 'success'
    group by run_id

)

select datediff('second', started_at, finished_at) as seconds
from runs
where loaded = (select max(loaded) from runs)
order by started_at desc nulls last
limit 20

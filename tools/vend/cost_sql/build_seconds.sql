-- Seconds of the last 20 builds that succeeded and were no small part.
with builds as (

    select
        started_at,
        finished_at,
        built
    from ops.dbt_runs
    where command = 'build' and status = 'success'

)

select datediff('second', started_at, finished_at) as seconds
from builds
where built * 2 >= (select max(built) from builds)
order by started_at desc nulls last
limit 20

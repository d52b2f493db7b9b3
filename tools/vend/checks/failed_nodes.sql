-- on: warehouse
-- requires: ops.dbt_nodes
-- Models and tests whose last result is a failure: of the last build on the cold side and what ran in the two days before
-- it, so that neither dbt retry nor a build of a part hides one. What dbt said may name rows, and stays in ops.dbt_nodes.
with runs as (

    select
        invocation_id,
        started_at,
        max(started_at) over () as last_at
    from ops.dbt_runs

),

results as (

    select
        nodes.unique_id,
        nodes.name,
        nodes.resource_type,
        nodes.status,
        runs.started_at,
        row_number() over (partition by nodes.unique_id order by runs.started_at desc nulls last) as nth
    from ops.dbt_nodes as nodes
    inner join runs on nodes.invocation_id = runs.invocation_id
    where nodes.status <> 'skipped' and datediff('hour', runs.started_at, runs.last_at) <= 48

)

select
    name as subject,
    case when status in ('error', 'fail', 'runtime error') then 1 else 0 end as value,
    resource_type || ': ' || status as detail
from results
where nth = 1
order by name nulls last, unique_id nulls last

-- Grain: report; the build that made it as it stands. A part of a build may have had another as_of than the rest.
with builds as (

    select
        nodes.name,
        runs.as_of,
        runs.finished_at,
        row_number() over (partition by nodes.name order by runs.started_at desc) as place
    from ops.dbt_nodes as nodes
    inner join ops.dbt_runs as runs on nodes.invocation_id = runs.invocation_id
    where nodes.resource_type = 'model' and nodes.status = 'success' and nodes.name like 'rpt_%'

)

select
    name,
    as_of,
    finished_at
from builds
where place = 1
order by name

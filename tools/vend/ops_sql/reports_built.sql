-- Grain: report; the build that made it as it stands: when, and as of when. A part of a build may have had another as_of
-- than the rest.
select
    node.name,
    node.started_at,
    run.as_of
from ops.dbt_nodes as node
inner join ops.dbt_runs as run on node.invocation_id = run.invocation_id
where node.resource_type = 'model' and node.status = 'success' and node.name like 'rpt_%'
qualify row_number() over (partition by node.name order by run.started_at desc nulls last) = 1
order by node.name nulls last

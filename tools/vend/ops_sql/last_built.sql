-- When each model, seed and snapshot of the cold side was last built, and as of when.
select node.unique_id, node.started_at, run.as_of
from ops.dbt_nodes as node
inner join ops.dbt_runs as run on node.invocation_id = run.invocation_id
where
    node.status = 'success'
    and node.resource_type in ('model', 'seed', 'snapshot')
    and node.started_at is not null
qualify row_number() over (partition by node.unique_id order by node.started_at desc, run.started_at desc) = 1

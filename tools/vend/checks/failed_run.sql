-- on: warehouse
-- requires: ops.runs
-- Whether the last `vend run` stopped before its checks, or died.
select
    'vend run' as subject,
    case when status in ('error', 'interrupted') and step <> 'checks' then 1 else 0 end as value,
    'run ' || run_id || ': ' || status || ' in step ' || step as detail
from ops.runs
where status <> 'running' or step = 'checks'
qualify row_number() over (order by started_at desc nulls last) = 1

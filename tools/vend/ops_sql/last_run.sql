select started_at, status, step, as_of, figures_compared, figures_differing, alerts_open
from ops.runs
where status <> 'running'
qualify row_number() over (order by started_at desc) = 1

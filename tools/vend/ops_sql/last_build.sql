select started_at, status, as_of, tests_passed, tests_warned, failed
from ops.dbt_runs
where command = 'build'
qualify row_number() over (order by started_at desc) = 1

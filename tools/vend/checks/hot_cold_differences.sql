-- on: warehouse
-- requires: ops.runs
-- Figures in which hot and cold differed in the last `vend run` that compared them.
select
    'hot and cold' as subject,
    figures_differing as value,
    cast(figures_compared as varchar) || ' figures compared by run ' || run_id as detail
from ops.runs
where figures_compared is not null
qualify row_number() over (order by started_at desc nulls last) = 1

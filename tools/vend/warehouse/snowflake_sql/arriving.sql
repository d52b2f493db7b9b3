-- Rows of the batch that are not live in RAW yet.
select count(*)
from ops.{name} as s
left join raw.{table} as t
    on s.{key} = t.{key} and t._fivetran_deleted is distinct from true
where t.{key} is null

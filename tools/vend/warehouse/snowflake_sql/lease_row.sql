-- The lease's only row. A MERGE holds the table's lock, so two first syncs do not both insert it.
merge into ops.sync_lease as t
using (select 1 as id) as s
    on t.id = s.id
when not matched then insert (id) values (s.id)

-- Tables of runs that died. Only the holder of the lease asks, so no run that lives owns one.
select lower(table_name)
from information_schema.tables
where table_schema = 'OPS' and startswith(table_name, 'VEND_SYNC_')

select count(*)
from information_schema.tables
where table_schema = 'OPS' and table_name = 'SYNC_RUNS'

-- Changes with a restore, a failover to another cluster or line of history, and another database.
select concat_ws('/', s.system_identifier, c.timeline_id, d.oid)
from pg_control_system() as s
cross join pg_control_checkpoint() as c
inner join pg_catalog.pg_database as d on d.datname = current_database()

insert into ops.sync_runs ({columns})
values ({values})

insert into ops.alerts (alert_id)
select new.alert_id
from (select cast(:alert_id as varchar) as alert_id) as new
left join ops.alerts as known on new.alert_id = known.alert_id
where known.alert_id is null

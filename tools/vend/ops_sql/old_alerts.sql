delete from ops.alerts
where status = 'closed' and datediff('day', closed_at, cast(:now as datetime)) > :days

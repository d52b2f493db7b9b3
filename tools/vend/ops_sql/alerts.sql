select
    alert_id,
    alert,
    subject,
    severity,
    status,
    seen_at,
    opened_at,
    closed_at,
    checked_at,
    value,
    detail,
    sent
from ops.alerts
where status <> 'closed' or datediff('day', closed_at, cast(:now as datetime)) <= 7

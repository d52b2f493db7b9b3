update ops.alerts
set
    alert = :alert,
    subject = :subject,
    severity = :severity,
    status = :status,
    seen_at = :seen_at,
    opened_at = :opened_at,
    closed_at = :closed_at,
    checked_at = :checked_at,
    value = :value,
    detail = :detail,
    sent = :sent
where alert_id = :alert_id

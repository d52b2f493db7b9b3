-- One row per alert and subject, from when it is first beyond its threshold. status: pending (not for long enough yet),
-- open, closing (mended, and somebody is yet to be told), closed. sent: JSON, what each target accepted last, and when.
create table if not exists ops.alerts (
    alert_id varchar,
    alert varchar,
    subject varchar,
    severity varchar,
    status varchar,
    seen_at datetime,
    opened_at datetime,
    closed_at datetime,
    checked_at datetime,
    value double,
    detail varchar,
    sent varchar
)

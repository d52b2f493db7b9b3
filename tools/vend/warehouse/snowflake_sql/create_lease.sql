create table if not exists ops.sync_lease (
    id number(1, 0),
    owner varchar,
    taken_at timestamp_ntz,
    expires_at timestamp_ntz
)

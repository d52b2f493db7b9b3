-- Changes with another cluster or line of history. A primary's own
-- line of history is that of the log it writes: its last checkpoint may still be of the one before its promotion.
select
    concat_ws(
        '/',
        s.system_identifier,
        case
            when pg_is_in_recovery()
                then greatest(c.timeline_id, (select w.received_tli from pg_catalog.pg_stat_wal_receiver as w))
            else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
        end
    )
from pg_control_system() as s
cross join pg_control_checkpoint() as c

-- Whether the log is on the source's disk up to a position. The position at which the next record begins may lie
-- behind the header of a page of which nothing is written yet.
select case
    when pg_is_in_recovery() then true
    else (
        select
            pg_wal_lsn_diff(%(wal)s, flushed.lsn) <= 0
            or (
                pg_wal_lsn_diff(%(wal)s, flushed.lsn) <= 40
                and pg_wal_lsn_diff(flushed.lsn, '0/0') %% current_setting('wal_block_size')::integer = 0
            )
        from (select pg_current_wal_flush_lsn() as lsn) as flushed
    )
end

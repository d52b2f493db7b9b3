-- on: postgres
-- requires: pg_stat_statements
-- Seconds that selects on the hot views took since the statistics were last reset, on average; of :fewest calls and more.
-- There is no percentile to be had: the mean and the longest are what Postgres keeps.
with statements as (

    select
        substring(stat.query from 'mv_[a-z_]+') || ', query ' || stat.queryid as subject,
        stat.calls,
        stat.total_exec_time,
        stat.max_exec_time
    from pg_stat_statements as stat
    inner join pg_database as db on stat.dbid = db.oid
    where
        db.datname = current_database()
        and stat.query ~* '^\s*(select|with)\y'
        and stat.query ~ 'mv_[a-z_]+'

)

select
    subject,
    round((sum(total_exec_time) / sum(calls) / 1000)::numeric, 2) as value,
    sum(calls) || ' calls, the longest took ' || round((max(max_exec_time) / 1000)::numeric, 1) || ' s' as detail
from statements
group by subject
having sum(calls) >= :fewest
order by subject

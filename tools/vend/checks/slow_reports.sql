-- on: warehouse
-- only: snowflake
-- Seconds that queries took since :since, mean and 95th percentile, by query tag; tags with fewer than :fewest queries are
-- left out. Syncs and builds have tags of their own and are no reports.
with queries as (

    select
        coalesce(nullif(query_tag, ''), 'untagged, on ' || warehouse_name) as tag,
        cast(total_elapsed_time as double) / 1000 as seconds
    from snowflake.account_usage.query_history
    where cast(start_time as datetime) >= cast(:since as datetime)
        and query_type = 'SELECT'
        and execution_status = 'SUCCESS'
        and warehouse_name is not null
        and coalesce(query_tag, '') not like 'vend!_sync%' escape '!'
        and coalesce(query_tag, '') not like 'vend!_analytics%' escape '!'

),

tags as (

    select
        tag,
        count(*) as queries,
        avg(seconds) as mean,
        percentile_cont(0.95) within group (order by seconds) as p95
    from queries
    group by tag
    having count(*) >= :fewest

),

measures as (

    select
        tag || ', mean' as subject,
        mean as seconds,
        queries
    from tags
    union all
    select
        tag || ', 95th percentile' as subject,
        p95 as seconds,
        queries
    from tags

)

select
    subject,
    round(seconds, 1) as value,
    cast(queries as varchar) || ' queries' as detail
from measures
order by subject

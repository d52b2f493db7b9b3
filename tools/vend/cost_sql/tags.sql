-- Credits that queries took by query tag and warehouse. QUERY_ATTRIBUTION_HISTORY is up to 8 hours late, and leaves out
-- queries of about a tenth of a second and less.
select
    coalesce(query_tag, '') as tag,
    coalesce(warehouse_name, '') as warehouse,
    count(*) as queries,
    cast(
        sum(
            cast(credits_attributed_compute as decimal(38, 9))
            + coalesce(cast(credits_used_query_acceleration as decimal(38, 9)), 0)
        )
        as decimal(38, 9)
    ) as credits
from snowflake.account_usage.query_attribution_history
where cast(start_time as datetime) >= cast(:since as datetime)
    and cast(start_time as datetime) < cast(:until as datetime)
group by 1, 2
order by 1 nulls last, 2 nulls last

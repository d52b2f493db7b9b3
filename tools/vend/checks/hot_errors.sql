-- on: postgres
-- Hot views and summaries whose last refresh failed: how often in a row. What the server said may name rows, and stays there.
with relations as (

    select relation from hot.freshness
    union all
    select name from hot.summary

),

latest as (

    select
        relation,
        started_at,
        max(started_at) filter (where status = 'success') over (partition by relation) as success_at
    from hot.refresh_log

)

select
    latest.relation as subject,
    count(*) filter (where latest.success_at is null or latest.started_at > latest.success_at) as value,
    coalesce(
        'last success ' || to_char(max(latest.success_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', 'never a success'
    ) as detail
from latest
inner join relations on latest.relation = relations.relation
group by latest.relation
order by latest.relation

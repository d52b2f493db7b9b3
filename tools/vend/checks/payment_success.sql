-- on: warehouse
-- requires: ops.dbt_nodes
-- By how many points the share of payments that succeeded on the last whole day before the build is below that of the
-- :days before. Days with fewer than :fewest payments tried say nothing. The day as in revenue_anomaly.
with build as (

    select cast(runs.as_of as datetime) - interval '12 hours' as ended
    from ops.dbt_runs as runs
    inner join ops.dbt_nodes as nodes on runs.invocation_id = nodes.invocation_id
    where nodes.name = 'fact_payment_attempts' and nodes.status = 'success'
    qualify row_number() over (order by runs.started_at desc nulls last) = 1

),

attempts as (

    select
        datediff('day', payments.payment_date_day, build.ended) - 1 as days_ago,
        case when payments.status = 'failed' then 0 else 1 end as succeeded
    from marts.fact_payment_attempts as payments
    cross join build
    where payments.status in ('succeeded', 'refunded', 'failed')
        and datediff('day', payments.payment_date_day, build.ended) - 1 between 0 and :days

),

shares as (

    select
        count(case when days_ago = 0 then 1 end) as tried,
        100 * cast(sum(case when days_ago = 0 then succeeded else 0 end) as double)
        / nullif(count(case when days_ago = 0 then 1 end), 0) as share,
        100 * cast(sum(case when days_ago > 0 then succeeded else 0 end) as double)
        / nullif(count(case when days_ago > 0 then 1 end), 0) as usual
    from attempts

)

select
    'all garages' as subject,
    round(usual - share, 1) as value,
    cast(round(share, 1) as varchar) || ' % of ' || cast(tried as varchar) || ' payments, usually '
    || cast(round(usual, 1) as varchar) || ' %' as detail
from shares
where tried >= :fewest and usual is not null

-- on: warehouse
-- requires: ops.dbt_nodes
-- Revenue of the last whole day before the build, by currency: how many deviations from the median of that weekday in the
-- eight weeks before. A deviation is 1.4826 times the median absolute deviation, which is the standard deviation where
-- chance is normal, but at least :least of the median. For a day of nothing where each of the eight had revenue it is
-- that least, however much they vary. A currency with a shorter history is left out. The day is whole in every reporting
-- zone, twelve hours after it is in UTC.
with build as (

    select cast(runs.as_of as datetime) - interval '12 hours' as ended
    from ops.dbt_runs as runs
    inner join ops.dbt_nodes as nodes on runs.invocation_id = nodes.invocation_id
    where nodes.name = 'fact_payment_attempts' and nodes.status = 'success'
    qualify row_number() over (order by runs.started_at desc nulls last) = 1

),

days as (

    select
        payments.currency,
        datediff('day', payments.payment_date_day, build.ended) - 1 as days_ago,
        sum(payments.gross_amount) as revenue
    from marts.fact_payments as payments
    cross join build
    group by payments.currency, datediff('day', payments.payment_date_day, build.ended)

),

currencies as (

    select currency
    from days
    group by currency
    having max(days_ago) >= 56

),

weeks as (

    select 0 as week
    union all
    select 1
    union all
    select 2
    union all
    select 3
    union all
    select 4
    union all
    select 5
    union all
    select 6
    union all
    select 7
    union all
    select 8

),

-- A day without payments is a day of nothing.
spine as (

    select
        currencies.currency,
        weeks.week,
        cast(coalesce(days.revenue, 0) as double) as revenue
    from currencies
    cross join weeks
    left join days on currencies.currency = days.currency and weeks.week * 7 = days.days_ago

),

medians as (

    select
        currency,
        max(case when week = 0 then revenue end) as last_day,
        percentile_cont(0.5) within group (order by case when week > 0 then revenue end) as usual,
        min(case when week > 0 then revenue end) as lowest
    from spine
    group by currency

),

deviations as (

    select
        medians.currency,
        medians.last_day,
        medians.usual,
        medians.lowest,
        1.4826 * percentile_cont(0.5) within group (order by abs(spine.revenue - medians.usual)) as measured,
        :least * medians.usual as smallest
    from medians
    inner join spine on medians.currency = spine.currency and spine.week > 0
    group by medians.currency, medians.last_day, medians.usual, medians.lowest

)

select
    currency as subject,
    round(
        abs(last_day - usual)
        / case when measured > smallest and not (last_day = 0 and lowest > 0) then measured else smallest end, 1
    ) as value,
    cast(cast(round(last_day) as bigint) as varchar) || ' in a day, usually ' || cast(cast(round(usual) as bigint) as varchar)
    || ' on that weekday' as detail
from deviations
where usual > 0
order by currency

-- on: warehouse
-- requires: ops.sync_runs
-- By how many percent a table of RAW has fewer rows after its last sync than it had since :since; one that had :fewest and
-- fewer is left out. What a sync found before it wrote counts as well.
with loads as (

    select
        table_name,
        started_at,
        raw_rows,
        raw_rows + coalesce(rows_deleted, 0) - coalesce(rows_inserted, 0) as rows_before,
        row_number() over (partition by table_name order by started_at desc nulls last) as nth
    from ops.sync_runs
    where status = 'success' and raw_rows is not null

),

tables as (

    select
        table_name,
        max(case when raw_rows > rows_before then raw_rows else rows_before end) as most,
        max(case when nth = 1 then raw_rows end) as rows_now
    from loads
    where nth = 1 or started_at >= cast(:since as datetime)
    group by table_name

)

select
    table_name as subject,
    round(100 * cast(most - rows_now as double) / most, 1) as value,
    cast(rows_now as varchar) || ' rows, of ' || cast(most as varchar) as detail
from tables
where most > :fewest
order by table_name nulls last

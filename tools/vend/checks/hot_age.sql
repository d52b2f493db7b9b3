-- on: postgres
-- Minutes since the last successful refresh of each hot view began; one that never was is infinitely old, of one that is yet
-- to come nothing is known. A clock that stands is a row as well: views that are refreshed show that instant all the same;
-- one that stands ahead, in a rehearsal, is not old.
select
    relation as subject,
    case
        when age is null then 'infinity'
        when age >= interval '-5 minutes' then round((extract(epoch from age) / 60)::numeric, 1)::float8
    end as value,
    coalesce('last refreshed ' || to_char(last_success_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', 'never refreshed')
    || case when age < interval '-5 minutes' then ', which is yet to come: the clock is wrong, or was' else '' end as detail
from hot.freshness
union all
select
    'the clock' as subject,
    greatest(round((extract(epoch from now() at time zone 'UTC' - as_of) / 60)::numeric, 1), 0)::float8 as value,
    'stands at ' || to_char(as_of, 'YYYY-MM-DD HH24:MI')
    || ' UTC, since a build with --as-of; vend build hot lets it go on' as detail
from hot.setting
where as_of is not null
order by subject

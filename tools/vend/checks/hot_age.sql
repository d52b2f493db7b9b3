-- on: postgres
-- Minutes since the last successful refresh of each hot view began; one that never was is infinitely old, of one that is yet
-- to come nothing is known.
select
    relation as subject,
    case
        when age is null then 'infinity'
        when age >= interval '-5 minutes' then round((extract(epoch from age) / 60)::numeric, 1)::float8
    end as value,
    coalesce('last refreshed ' || to_char(last_success_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', 'never refreshed')
    || case when age < interval '-5 minutes' then ', which is yet to come: the clock is wrong, or was' else '' end as detail
from hot.freshness
order by relation

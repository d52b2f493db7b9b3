-- on: postgres
-- Minutes since the last successful refresh of each hot view began; one that never was is infinitely old.
select
    relation as subject,
    coalesce(round((extract(epoch from age) / 60)::numeric, 1)::float8, 'infinity') as value,
    coalesce('last refreshed ' || to_char(last_success_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', 'never refreshed')
        as detail
from hot.freshness
order by relation

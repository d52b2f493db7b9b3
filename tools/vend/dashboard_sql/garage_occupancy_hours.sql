-- Grain: garage, day of the week and hour; the eight weeks before the build's day.
select
    garage_id,
    day_of_week,
    hour,
    days_counted,
    avg_occupancy_count,
    avg_occupancy_rate,
    first_day,
    last_day
from reports.vw_occupancy_hours
where (:garage is null or garage_id = :garage)
order by garage_id, day_of_week, hour

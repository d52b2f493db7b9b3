-- One row: the hot side's clock, whether it is fixed, its zone, and the oldest of the last good refreshes (all UTC).
select
    hot.as_of() as as_of,
    exists (select from hot.setting where setting.as_of is not null) as is_fixed,
    hot.reporting_timezone() as zone,
    (select min(freshness.last_success_at) at time zone 'UTC' from hot.freshness) as refreshed_at,
    (select count(*) from hot.freshness where freshness.last_success_at is null or freshness.last_error is not null)
        as failing

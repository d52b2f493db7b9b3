-- One row: the hot side's clock, whether it is fixed, its zone, the last good refresh of what the pages show (the oldest of
-- today's views; failed payments), all UTC, and how many views do not follow.
select
    hot.as_of() as as_of,
    exists (select from hot.setting where setting.as_of is not null) as is_fixed,
    hot.reporting_timezone() as zone,
    min(freshness.last_success_at) filter (
        where freshness.relation in ('mv_daily_revenue', 'mv_active_subscriptions', 'mv_current_occupancy')
    ) at time zone 'UTC' as refreshed_at,
    min(freshness.last_success_at) filter (where freshness.relation = 'mv_failed_payments')
    at time zone 'UTC' as owing_at,
    count(*) filter (where freshness.last_success_at is null or freshness.last_error is not null) as failing
from hot.freshness

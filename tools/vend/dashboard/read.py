"""What the dashboards are made of, read through the reader: hot from Postgres, history from REPORTS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from vend import figures, ops, postgres, reader
from vend.dashboard import words
from vend.errors import VendError
from vend.patience import patiently
from vend.settings import Settings

Row = dict[str, Any]

_SQL = Path(__file__).parents[1] / "dashboard_sql"
BUILT = """
    select to_regclass('reporting.mv_active_subscriptions') is not null,
        to_regproc('hot.reporting_timezone') is not null
"""
GARAGE_REPORTS = ("rpt_financial_analytics", "rpt_occupancy_hours", "rpt_pass_performance")
PLATFORM_REPORTS = (
    "rpt_executive_dashboard",
    "rpt_platform_financials",
    "rpt_platform_health",
    "rpt_garage_rankings",
    "rpt_cohort_retention",
)


@dataclass(frozen=True)
class Hot:
    """The hot side's clock. as_of: up to which instant its figures count, UTC: the fixed one, else the last refresh.

    is_fixed: by a build with --as-of. refreshed_at: the oldest of the views that the figures of today are from.
    failing: views whose last refresh failed, or that have none. owing_at: the refresh of who is past due or unpaid.
    """

    as_of: datetime
    is_fixed: bool
    zone: str
    refreshed_at: datetime | None
    failing: int
    owing_at: datetime | None = None

    @property
    def oldest(self) -> datetime | None:
        """Of the refreshes that are known."""
        return min((at for at in (self.refreshed_at, self.owing_at) if at), default=None)


@dataclass(frozen=True)
class Cold:
    """The reports' clock. as_of: of the builds that made them, UTC, one value where all is well; empty where none is
    recorded. synced_at: the oldest of the last good syncs of RAW's tables, UTC."""

    as_of: tuple[datetime, ...]
    synced_at: datetime | None


@dataclass(frozen=True)
class Garage:
    """now: of the hot views; week_ago: beside it, compared_at (UTC). in_reports: whether the cold side has it yet."""

    id: str
    name: str
    currency: str
    now: Row
    week_ago: Row
    compared_at: datetime
    days: list[Row] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)
    months: list[Row] = field(default_factory=list)
    hours: list[Row] = field(default_factory=list)
    passes: list[Row] = field(default_factory=list)
    in_reports: bool = True


@dataclass(frozen=True)
class Platform:
    months: list[Row]
    health: list[Row]
    garages: list[Row]
    cohorts: list[Row]

    @property
    def last(self) -> Row | None:
        """The last complete month."""
        return next((row for row in reversed(self.months) if row["is_complete_month"]), None)


@dataclass(frozen=True)
class Read:
    """platform: None for who does not see all, or where it was not asked for."""

    hot: Hot
    cold: Cold
    user: str | None
    garages: list[Garage]
    platform: Platform | None


def read(settings: Settings, dsn: str, *, garage: str | None, platform: bool, user: str | None, currency: str) -> Read:
    """All that the user may see, or one garage of it.

    user, garage: id or email, id or name. platform: whether to read it too, where the user may. currency: of a garage
    without a payment. Raises DeniedError for what the user may not see, VendError where a side is not built.
    """
    # The cold side first, for which it may have to wait: the hot clock is read just before the rows that it dates.
    with reader.cold(settings, user) as cold, _clocked(dsn, user) as (clock, hot):
        chosen = [hot.garage(garage)] if garage is not None else list(hot.garages)
        one = chosen[0].id if garage is not None else None
        now = _now(hot, clock, [each.id for each in chosen])
        history = {
            name: _by_garage(cold.rows(_statement(f"garage_{name}"), garage=one).dicts())
            for name in ("months", "occupancy_hours", "passes")
        }
        reported = {each.id for each in cold.garages}
        leads = platform and cold.sees_all
        whole = _platform(cold) if leads else None
        built = _cold(settings, GARAGE_REPORTS + (PLATFORM_REPORTS if leads else ()))
    garages = [
        Garage(
            id=each.id,
            name=each.name,
            currency=_currency(history, each.id, currency),
            now=now["garages"][each.id][0],
            week_ago=now["week_ago"][each.id][0],
            compared_at=words.utc(week_before(clock), clock.zone),
            days=now["days"][each.id],
            failed=now["failed_payments"][each.id],
            months=history["months"][each.id],
            hours=history["occupancy_hours"][each.id],
            passes=history["passes"][each.id],
            in_reports=each.id in reported,
        )
        for each in chosen
        if each.id in now["garages"]
    ]
    if not garages and not whole:
        raise VendError(f"The hot views do not know {chosen[0].name} yet. Bring them up to date with `vend refresh`.")
    return Read(clock, built, hot.user, garages, whole)


@contextmanager
def _clocked(dsn: str, user: str | None) -> Iterator[tuple[Hot, reader.Reader]]:
    """The hot side, and its clock as it was before, so that no page says it is newer than it is."""
    clock = _hot(dsn)
    with reader.hot(dsn, user) as hot:
        yield clock, hot


def week_before(clock: Hot) -> datetime:
    """The same time of day a week before, on the clock of the wall: another number of hours where summer time began."""
    return words.local(clock.as_of, clock.zone) - timedelta(days=7)


def _now(hot: reader.Reader, clock: Hot, garages: list[str]) -> dict[str, dict[str, list[Row]]]:
    here = week_before(clock)
    midnight = datetime(here.year, here.month, here.day)
    values = {
        "since": words.utc(midnight, clock.zone),
        "until": words.utc(here, clock.zone),
        "day": midnight,
        "hour": here.hour,
    }
    wanted: dict[str, dict[str, Any]] = {"garages": {}, "days": {}, "failed_payments": {}, "week_ago": values}
    return {
        name: _by_garage(hot.rows(_statement(f"hot_{name}"), garages=garages, **more).dicts())
        for name, more in wanted.items()
    }


def _platform(cold: reader.Reader) -> Platform:
    months = cold.rows(_statement("platform_months")).dicts()
    last: date | None = max((row["month"] for row in months if row["is_complete_month"]), default=None)
    return Platform(
        months=months,
        health=cold.rows(_statement("platform_health")).dicts(),
        garages=cold.rows(_statement("platform_garages"), month=last).dicts() if last else [],
        cohorts=cold.rows(_statement("platform_cohorts")).dicts(),
    )


def _hot(dsn: str) -> Hot:
    with postgres.explained("The hot side cannot be read", dsn), postgres.connect(dsn) as connection:
        built, current = connection.execute(BUILT).fetchone() or (False, False)
        if not built:
            raise VendError("The hot side is not built yet. Build it with `vend build hot`.")
        if not current:
            raise VendError("The hot side was built by an earlier version. Build it again with `vend build hot`.")
        row = connection.execute(_statement("state/hot").encode()).fetchone()
    assert row is not None
    as_of, is_fixed, zone, refreshed_at, owing_at, failing = row
    return Hot(as_of if is_fixed else refreshed_at or as_of, is_fixed, zone, refreshed_at, failing, owing_at)


def _cold(settings: Settings, reports: Iterable[str]) -> Cold:
    """What the ledgers say; other tools than ours leave none."""
    with patiently(lambda: figures.opened(settings)) as ask:
        try:
            built = {name: as_of for name, _, as_of in ask(ops.statement("reports_built"))}
        except VendError:
            built = {}
        try:
            ((synced_at,),) = ask(_statement("state/synced"))
        except VendError:
            synced_at = None
    known = {datetime.fromisoformat(built[name]) for name in reports if built.get(name)}
    return Cold(tuple(sorted(known)), synced_at)


def _currency(history: dict[str, dict[str, list[Row]]], garage: str, default: str) -> str:
    rows = history["months"][garage] or history["passes"][garage]
    return rows[-1]["currency"] if rows and rows[-1]["currency"] else default


def _by_garage(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["garage_id"]].append(row)
    return found


def _statement(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")

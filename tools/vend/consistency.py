"""Whether hot and cold say the same: the figures both have, for what has not changed between the sync and now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg import sql

from vend import contract, extract, figures, postgres, refresh, warehouse
from vend.errors import VendError
from vend.postgres import Connection
from vend.settings import Settings
from vend.sync import Source, pending, pick, stage_folder, variable

TABLES = ("payments", "subscriptions")
REVENUE = ("payment_count", "gross_revenue", "total_stripe_fees", "total_platform_fees", "garage_profit")
SUBSCRIPTIONS = ("active_count", "monthly_recurring_revenue")
# So many ids in one question to the warehouse.
PORTION = 1000
# How long another refresh may take before ours has its turn.
REFRESH_TRIES = 30

HOT_REVENUE = f"select garage_id::text, payment_date, {', '.join(REVENUE)} from hot.mv_daily_revenue"
HOT_SUBSCRIPTIONS = f"select garage_id::text, null::date, {', '.join(SUBSCRIPTIONS)} from hot.mv_active_subscriptions"

COLD_REVENUE = """
    select
        garage_id,
        payment_date_day,
        count(*),
        sum(gross_amount),
        sum(coalesce(stripe_fee, 0)),
        sum(platform_fee),
        sum(garage_profit)
    from marts.fact_payments
    where payment_date_day >= ? and payment_date_day < ?
    group by garage_id, payment_date_day
"""
COLD_SUBSCRIPTIONS = """
    select garage_id, cast(null as date), count(*), sum(monthly_amount)
    from marts.fact_subscriptions
    where is_begun and created_at < ? and (ended_at is null or ended_at >= ?)
    group by garage_id
"""
COLD_PLACES = "select garage_id, payment_date_day from marts.fact_payments where payment_id in ({marks})"

Key = tuple[str, date | None]
Figures = dict[Key, tuple[Decimal, ...]]


@dataclass(frozen=True)
class Difference:
    """day: of the reporting time zone, None for a figure of now."""

    figure: str
    garage_id: str
    day: date | None
    hot: Decimal
    cold: Decimal


@dataclass(frozen=True)
class Result:
    """compared: figures looked at. moving: garages and days left out because something changed there since the sync.
    skipped: why nothing could be compared, in a sentence."""

    compared: int = 0
    moving: int = 0
    differences: tuple[Difference, ...] = ()
    skipped: str | None = None


def compare(settings: Settings, hot_dsn: str, source_dsn: str, as_of: datetime) -> Result:
    """Refresh the hot views and compare them with the cold side as it was built for `as_of` (UTC).

    Days before as_of's, of those the hot side keeps: payments and money per garage. Now: subscriptions in force and
    what they pay. Raises VendError where a side cannot be read.
    """
    with postgres.connect(hot_dsn, autocommit=True) as connection:
        there = connection.execute("select to_regclass('hot.refresh_log') is not null").fetchone()
    if there != (True,):
        return Result(skipped="There are no hot views to compare with; build them with `vend build hot`.")
    _refreshed(hot_dsn)
    with warehouse.glimpsed(settings, stage_folder(settings) / "spill") as target:
        last = target.previous() if target else {}
    tables = pick(contract.tables(settings), TABLES)
    with postgres.connect(hot_dsn) as connection, postgres.explained("The hot side cannot be read", hot_dsn):
        hot_revenue, hot_subscriptions = (
            _figures(connection.execute(query).fetchall()) for query in (HOT_REVENUE, HOT_SUBSCRIPTIONS)
        )
        (clock,) = connection.execute("select hot.as_of()").fetchone() or (as_of,)
    with (
        extract.source(source_dsn, tables, variable(settings)) as connection,
        extract.snapshot(connection, source_dsn, tables) as now,
    ):
        since = {
            table.name: pending(Source(connection, source_dsn, table, now, Path()), last.get(table.name))
            for table in tables
        }
        payments, subscriptions = since["payments"], since["subscriptions"]
        if payments is None or subscriptions is None:
            return Result(skipped="What changed since the sync cannot be told: the source was restarted or is another.")
        written = _written(connection, payments)
        garages = _moving(connection, subscriptions, min(as_of, clock), max(as_of, clock))
    # The reporting zone's day begins less than a day before that of UTC.
    both = min(as_of, clock)
    first, end = min((day for _, day in hot_revenue if day), default=both.date()), both.date() - timedelta(days=1)
    cold_revenue = _figures(figures.query(settings, COLD_REVENUE, [first, end]))
    cold_subscriptions = _figures(figures.query(settings, COLD_SUBSCRIPTIONS, [as_of, as_of]))
    moving: set[Key] = {(garage, at.date() + timedelta(days=n)) for _, garage, at in written if at for n in (-1, 0, 1)}
    moving |= _places(settings, [row[0] for row in written])
    hot_revenue = {key: row for key, row in hot_revenue.items() if key[1] and first <= key[1] < end}
    results = [
        _unlike(REVENUE, hot_revenue, cold_revenue, moving),
        _unlike(SUBSCRIPTIONS, hot_subscriptions, cold_subscriptions, {(garage, None) for garage in garages}),
    ]
    return Result(
        compared=sum(result.compared for result in results),
        moving=sum(result.moving for result in results),
        differences=tuple(found for result in results for found in result.differences),
    )


def _refreshed(dsn: str) -> None:
    for attempt in range(REFRESH_TRIES):
        try:
            failed = [view for view in refresh.refresh(dsn) if view.status != "success"]
            if failed:
                raise VendError(f"The hot views cannot be refreshed: {failed[0].relation}: {failed[0].error}")
            return
        except refresh.BusyError:
            if attempt == REFRESH_TRIES - 1:
                raise
            time.sleep(1)


def _moving(connection: Connection, changed: sql.Composable, earlier: datetime, later: datetime) -> set[str]:
    """Garages whose subscriptions in force may be others at one time than at the other."""
    # Also without a row being written: a period ends, a subscription dated ahead begins.
    passed = sql.SQL(" or ").join(
        sql.SQL("{} between {} and {}").format(sql.Identifier(column), sql.Literal(earlier), sql.Literal(later))
        for column in ("created_at", "canceled_at", "current_period_end", "updated_at")
    )
    query = sql.SQL("select distinct garage_id::text from public.subscriptions as t where {} or {}")
    return {garage for (garage,) in connection.execute(query.format(changed, passed))}


def _written(connection: Connection, changed: sql.Composable) -> list[tuple[str, str, datetime | None]]:
    query = sql.SQL("select id::text, garage_id::text, payment_date from public.payments as t where {}")
    return connection.execute(query.format(changed)).fetchall()


def _figures(rows: Iterable[Sequence[Any]]) -> Figures:
    return {(row[0], row[1]): tuple(Decimal(value or 0) for value in row[2:]) for row in rows}


def _places(settings: Settings, ids: list[str]) -> set[Key]:
    """Where the cold side has payments that have changed since."""
    places: set[Key] = set()
    for start in range(0, len(ids), PORTION):
        part = ids[start : start + PORTION]
        found = figures.query(settings, COLD_PLACES.format(marks=", ".join("?" * len(part))), part)
        places |= {(garage, day) for garage, day in found}
    return places


def _unlike(names: Sequence[str], hot: Figures, cold: Figures, moving: set[Key]) -> Result:
    nothing = (Decimal(0),) * len(names)
    keys = hot.keys() | cold.keys()
    still = sorted(keys - moving, key=str)
    differences = [
        Difference(name, garage, day, here, there)
        for garage, day in still
        for name, here, there in zip(
            names, hot.get((garage, day), nothing), cold.get((garage, day), nothing), strict=True
        )
        if here != there
    ]
    return Result(len(still) * len(names), len(keys & moving), tuple(differences))

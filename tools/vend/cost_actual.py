"""What a month on Snowflake did cost: SNOWFLAKE.ACCOUNT_USAGE, by warehouse, day and model, beside the plan.

The views are late, by up to eight hours, so shares, means and the projection are of the days that are surely whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from vend import cost, figures, ops
from vend.cost import Plan, cents
from vend.errors import UsageError, VendError
from vend.settings import Settings

# QUERY_ATTRIBUTION_HISTORY is the latest of the views.
LATE = timedelta(hours=8)
TAG = "vend_analytics"
BILL = (
    "There is no bill on DuckDB: it runs on this machine. `vend cost plan` says what a month on Snowflake should cost; "
    "for what one did cost, set VEND_WAREHOUSE=snowflake and the SNOWFLAKE_* variables."
)

ROLE = "SNOWFLAKE.ACCOUNT_USAGE is for roles that were let to read it, as `vend provision --monitor` lets VEND_ADMIN."


@dataclass(frozen=True)
class Day:
    """Credits of a warehouse on a day, UTC."""

    warehouse: str
    day: date
    compute: Decimal
    cloud_services: Decimal
    attributed: Decimal


@dataclass(frozen=True)
class Service:
    """Credits of the account, as billed."""

    name: str
    day: date
    compute: Decimal
    cloud_services: Decimal
    adjustment: Decimal
    billed: Decimal


@dataclass(frozen=True)
class Tagged:
    """Credits that queries of one kind took. kind: model, tests, sync or other."""

    name: str
    kind: str
    warehouse: str
    queries: int
    credits: Decimal


@dataclass(frozen=True)
class Actual:
    """A month. until: the first instant after it; whole_until: the days before it are whole, in every view.
    metered_until: of the latest hour in the view. stored: bytes on average. None where there is none.
    """

    plan: Plan
    at: datetime
    since: date
    until: date
    whole_until: date
    metered_until: datetime | None
    days: tuple[Day, ...]
    tagged: tuple[Tagged, ...]
    services: tuple[Service, ...]
    stored: Fraction | None

    @property
    def whole_days(self) -> int:
        return (self.whole_until - self.since).days

    @property
    def month_days(self) -> int:
        return (self.until - self.since).days

    @property
    def warehouses(self) -> list[str]:
        """Those of the plan, in its order, and then what else ran."""
        own = [name.upper() for name in self.plan.model.sizes]
        return own + sorted({day.warehouse for day in self.days} - set(own))

    def compute(self, warehouse: str | None = None, *, whole: bool = False) -> Decimal:
        return sum((day.compute for day in self._days(warehouse, whole)), Decimal(0))

    def idle(self, warehouse: str | None = None) -> Fraction | None:
        """The share of the whole days' credits that no query took; None where there are none."""
        compute = self.compute(warehouse, whole=True)
        attributed = sum((day.attributed for day in self._days(warehouse, True)), Decimal(0))
        return (Fraction(compute) - Fraction(attributed)) / Fraction(compute) if compute else None

    def projected(self, credits: Decimal) -> Fraction | None:
        """The whole month, if the days to come are like the whole ones were on average; None without any."""
        return Fraction(credits) * self.month_days / self.whole_days if self.whole_days else None

    def planned(self, warehouse: str) -> Fraction | None:
        """Credits of this month by the plan, None for a warehouse that is none of ours."""
        if warehouse.lower() not in self.plan.model.sizes:
            return None
        return self.plan.credits_of(warehouse.lower()) * self.month_days / self.plan.model.number("days")

    def billed(self, *, whole: bool = False) -> Decimal:
        return sum((each.billed for each in self.services if not whole or each.day < self.whole_until), Decimal(0))

    @property
    def storage(self) -> Decimal | None:
        """$ of the month, if what is stored stays as it was on average."""
        price = self.plan.model.number("storage_price_tb")
        return None if self.stored is None else cents(self.stored / 10**12 * price)

    @property
    def dollars(self) -> Decimal | None:
        """$ that the month is on course for: credits billed and storage."""
        projected = self.projected(self.billed(whole=True))
        if projected is None or self.storage is None:
            return None
        return cents(projected * self.plan.model.price) + self.storage

    def _days(self, warehouse: str | None, whole: bool) -> list[Day]:
        return [
            day
            for day in self.days
            if (warehouse is None or day.warehouse == warehouse) and (not whole or day.day < self.whole_until)
        ]


def actual(settings: Settings, month: date, now: datetime, changes: tuple[str, ...] = ()) -> Actual:
    """A month by its first day. now: naive UTC. changes: of the plan, see cost.load.

    Raises VendError on DuckDB and where the views cannot be read, UsageError for a month that has not begun.
    """
    if settings.warehouse != "snowflake":
        raise VendError(BILL)
    if month > now.date():
        raise UsageError(f"{month:%Y-%m} has not begun.")
    plan = cost.reckoned(cost.load(settings, changes))
    until = (month + timedelta(days=32)).replace(day=1)
    whole_until = min(until, max(month, (now - LATE).date()))
    span = {"since": month, "until": until}
    whole = {"since": month, "until": whole_until}
    try:
        with figures.opened(settings) as ask:

            def rows(name: str, values: Mapping[str, date]) -> list[tuple[Any, ...]]:
                moments = {key: datetime(value.year, value.month, value.day) for key, value in values.items()}
                return ask(*ops.bound(cost.statement(name), moments))

            days = rows("warehouse_days", span)
            tags = rows("tags", whole)
            services = rows("services", span)
            ((count, byte_days),) = rows("storage", span)
    except VendError as error:
        if not re.search("not authorized|does not let this role", str(error)):
            raise
        raise VendError(f"{error} {ROLE}") from None
    return Actual(
        plan,
        now,
        month,
        until,
        whole_until,
        max((row[5] for row in days), default=None),
        tuple(Day(row[0], row[1], *map(_decimal, row[2:5])) for row in days),
        _tagged(settings, tags),
        tuple(Service(row[0], row[1], *map(_decimal, row[2:6])) for row in services),
        Fraction(_decimal(byte_days)) / count if count else None,
    )


def _tagged(settings: Settings, rows: list[tuple[Any, ...]]) -> tuple[Tagged, ...]:
    """By what the tags mean, the dearest first."""
    models = {
        file.stem for folder in ("models/cold", "snapshots") for file in (settings.project / folder).rglob("*.sql")
    } | {file.stem for file in (settings.project / "seeds").rglob("*.csv")}
    found: dict[tuple[str, str, str], tuple[int, Decimal]] = {}
    for tag, warehouse, queries, credits in rows:
        prefix, _, node = tag.partition(":")
        if prefix == TAG and node:
            name, kind = (node, "model") if node in models else ("tests", "tests")
        elif prefix == TAG:
            name, kind = "dbt between models", "other"
        elif tag == "vend_sync":
            name, kind = "vend sync, check and cost", "sync"
        else:
            name, kind = tag or "untagged", "other"
        before = found.get((name, kind, warehouse), (0, Decimal(0)))
        found[name, kind, warehouse] = before[0] + int(queries), before[1] + _decimal(credits)
    tagged = [Tagged(*key, *value) for key, value in found.items()]
    return tuple(sorted(tagged, key=lambda each: (-each.credits, each.name, each.warehouse)))


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value or 0))

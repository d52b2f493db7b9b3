"""What a page consists of: figures, tables and notes, as the templates show them and CSV files hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from vend.dashboard import words
from vend.dashboard.charts import Chart
from vend.dashboard.read import Cold, Hot
from vend.dashboard.words import Change

LATE_HOT, LATE_COLD = timedelta(minutes=15), timedelta(hours=7)
"""From when on the architecture's alerts call a side late."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A headline. unknown: why it is a dash. note: a line below, beside the change."""

    label: str
    value: str
    change: Change | None = None
    note: str = ""
    unknown: str = ""


@dataclass(frozen=True)
class Column:
    """show: the cell as text, from the row. unknown: why a cell may be a dash. is_text: to the left."""

    key: str
    label: str
    show: Callable[[Any], str] = str
    unknown: str = ""
    is_text: bool = False
    wrap: Callable[[Any, Row], Markup] | None = None


@dataclass(frozen=True)
class Table:
    """name: of the CSV file. title: for who cannot see where it stands."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def heads(self) -> list[tuple[str, bool]]:
        return [(column.label, column.is_text) for column in self.columns]

    def cells(self, row: Row) -> list[tuple[Markup, bool, str]]:
        return [(cell(column, row), column.is_text, column.label) for column in self.columns]

    def unknowns(self) -> list[str]:
        """Why the dashes that stand in it are there."""
        return [
            f"{column.label}: {column.unknown}"
            for column in self.columns
            if column.unknown and any(row[column.key] is None for row in self.rows)
        ]

    def values(self) -> tuple[list[str], list[tuple[Any, ...]]]:
        """For CSV: exact, under the names that the warehouse has."""
        return [column.key for column in self.columns], [tuple(row[c.key] for c in self.columns) for row in self.rows]


@dataclass(frozen=True)
class Page:
    """name: of its file, without the ending. tables: all there are, also those drawn otherwise."""

    name: str
    template: str
    title: str
    context: dict[str, Any]
    tables: Sequence[Table]
    charts: Sequence[Chart] = field(default_factory=tuple)


def cell(column: Column, row: Row) -> Markup:
    value = row[column.key]
    if value is None:
        return dash(column.unknown or "not known")
    return column.wrap(value, row) if column.wrap else escape(column.show(value))


def dash(reason: str) -> Markup:
    return Markup('<span class="dash" title="{0}">—<span class="unseen"> {0}</span></span>').format(reason)


def mailto(address: str, row: Row) -> Markup:
    link = Markup('<a href="mailto:{}">{}</a>')
    return link.format(quote(address, safe="@"), address) if "@" in address else escape(address)


def money_column(key: str, label: str, currency: str, unknown: str = "") -> Column:
    return Column(key, label, lambda value: words.money(value, currency), unknown)


def count_column(key: str, label: str, unknown: str = "") -> Column:
    return Column(key, label, words.number, unknown)


def percent_column(key: str, label: str, unknown: str = "", digits: int = 2) -> Column:
    return Column(key, label, lambda value: words.percent(value, digits), unknown)


def month_column(key: str = "month") -> Column:
    return Column(key, "Month", words.short_month, is_text=True)


def cents_apart(text: str) -> Markup:
    """The cents of a large amount in small type, and where a line may end; as text it stays what it was."""
    whole, point, cents = text.partition(".")
    if not point or len(cents) != 2:
        return escape(text)
    whole = Markup(",<wbr>").join(whole.split(","))
    return Markup('{}<span class="cents">.{}</span>').format(whole, cents)


def hot_stamp(hot: Hot, refreshed_at: datetime | None) -> str:
    """How fresh what is happening now is. refreshed_at: what the figures are from."""
    if hot.is_fixed:
        return f"Postgres, as of {words.at(hot.as_of, hot.zone)}, where its clock stands"
    if refreshed_at is None:
        return "Postgres; not refreshed yet"
    return f"Postgres, refreshed {words.at(refreshed_at, hot.zone)}"


def cold_stamp(cold: Cold, zone: str) -> str:
    """How fresh the history is."""
    built = words.at(max(cold.as_of), zone) if cold.as_of else "— (the build left no record in ops.dbt_runs)"
    synced = words.at(cold.synced_at, zone) if cold.synced_at else "— (ops.sync_runs has no sync)"
    return f"Reports as of {built}; last sync {synced}"


def warnings(hot: Hot, cold: Cold, now: datetime) -> list[str]:
    """What a reader must know before trusting a page of both sides, worst first. now: naive UTC."""
    found = []
    if hot.failing:
        views = words.plural(hot.failing, "hot view")
        found.append(f"{views} could not be refreshed the last time: today's figures may be old.")
    if not hot.is_fixed and hot.oldest and now - hot.oldest > LATE_HOT:
        found.append(f"The hot views are late: last refreshed {words.at(hot.oldest, hot.zone)}.")
    return found + cold_warnings(hot, cold, now)


def cold_warnings(hot: Hot, cold: Cold, now: datetime) -> list[str]:
    """The same for a page of history alone. Where the hot clock stands it is that instant which the history has to keep
    up with, and the age of the sync says nothing."""
    found = []
    if len(cold.as_of) > 1:
        parts = " and ".join(words.at(at, hot.zone) for at in cold.as_of)
        found.append(f"Parts of the history were built as of {parts}; they do not add up with each other.")
    if cold.as_of and (hot.as_of if hot.is_fixed else now) - max(cold.as_of) > LATE_COLD:
        found.append(f"The reports are late: as of {words.at(max(cold.as_of), hot.zone)}.")
    if cold.synced_at and now - cold.synced_at > LATE_COLD and not hot.is_fixed:
        found.append(f"The history is late: last synced {words.at(cold.synced_at, hot.zone)}.")
    if not cold.as_of and not cold.synced_at:
        found.append("No record says how old the history is.")
    return found


def share(value: Decimal | int | None, whole: Decimal | int | None) -> int:
    """Of a bar's length, in thousandths, 0 to 1000. For drawing only."""
    if not value or not whole or value < 0:
        return 0
    return min(1000, round(1000 * value / whole))

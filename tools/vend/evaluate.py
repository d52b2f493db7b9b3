"""Evaluates alerts: what their queries and built-ins say now, on both sides."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from vend import contract, figures, ops, postgres, server
from vend.alerts import Alert
from vend.errors import InUseError, VendError
from vend.settings import Settings

STATEMENT_SECONDS = 60
TABLE = "select 1 from information_schema.tables where lower(table_schema) || '.' || lower(table_name) = ?"
# Of a subject or a detail, in characters.
LONGEST = 200


@dataclass(frozen=True)
class Row:
    """What a check says of a subject. value: None where it is not known."""

    subject: str
    value: Decimal | None
    detail: str


@dataclass(frozen=True)
class Result:
    """One alert evaluated. error: why it could not be, in a sentence. elsewhere: why it makes no sense here. beyond:
    the rows that are beyond the threshold; pending: the subjects among them that are not for long enough yet."""

    alert: Alert
    rows: tuple[Row, ...] = ()
    error: str | None = None
    elsewhere: str | None = None
    pending: frozenset[str] = frozenset()

    @property
    def beyond(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.value is not None and self.alert.beyond(row.value))

    @property
    def unknown(self) -> str | None:
        if self.error is None and (unsure := [row.subject for row in self.rows if row.value is None]):
            return f"Nothing is known of {', '.join(unsure[:3])}."
        return self.error

    @property
    def status(self) -> str:
        """ok, warning, critical, unknown or not here; critical before unknown."""
        if self.elsewhere:
            return "not here"
        raised = any(row.subject not in self.pending for row in self.beyond)
        if raised and (self.alert.severity == "critical" or not self.unknown):
            return self.alert.severity
        return "unknown" if self.unknown else "ok"


def evaluated(settings: Settings, chosen: Sequence[Alert], now: datetime, end: float) -> list[Result]:
    """Each alert evaluated, over one connection to each side."""
    results: dict[str, Result] = {}
    with ExitStack() as stack:
        warehouse = _Once(lambda: stack.enter_context(patiently(lambda: figures.opened(settings), end)))
        hot = _Once(lambda: stack.enter_context(_hot(settings)))
        for alert in chosen:
            try:
                results[alert.name] = _one(settings, alert, warehouse, hot, now)
            except VendError as error:
                results[alert.name] = Result(alert, error=str(error))
            except OSError as error:
                results[alert.name] = Result(alert, error=f"The machine says: {error.strerror}.")
    return [results[alert.name] for alert in chosen]


class _Once:
    """What is opened when it is first needed; where that fails, each asks again and gets the same error."""

    def __init__(self, open_it: Callable[[], Any]) -> None:
        self._open, self._value, self._error = open_it, None, ""

    def __call__(self) -> Any:
        if self._error:
            raise VendError(self._error)
        if self._value is None:
            try:
                self._value = self._open()
            except VendError as error:
                self._error = str(error)
                raise
        return self._value


def _one(settings: Settings, alert: Alert, warehouse: _Once, hot: _Once, now: datetime) -> Result:
    if alert.only and alert.only != settings.warehouse:
        return Result(alert, elsewhere=f"only on {alert.only}")
    if alert.builtin == "disk":
        return Result(alert, rows=tuple(disk(settings)))
    if alert.builtin == "raw_age":
        return Result(alert, rows=tuple(raw_age(settings, warehouse(), now)))
    assert alert.sql is not None
    values = {name: now + value if isinstance(value, timedelta) else value for name, value in alert.values.items()}
    values["now"] = now
    if alert.on == "warehouse":
        if alert.requires and not warehouse()(TABLE, [alert.requires]):
            maker = "`vend build cold`" if "dbt" in alert.requires else "`vend run`"
            return Result(alert, error=f"There is no {alert.requires} yet; {maker} makes it.")
        found = warehouse()(*ops.bound(alert.sql, values))
    else:
        ask = hot()
        if alert.requires and not ask("select 1 from pg_extension where extname = %s", [alert.requires]):
            return Result(alert, elsewhere=f"needs {alert.requires}")
        found = ask(*ops.bound(alert.sql.replace("%", "%%"), values, "%s"))
    rows = tuple(_row(row) for row in found)
    if not rows and alert.rows_needed:
        return Result(alert, error="There is nothing to check: the query has no rows.")
    return Result(alert, rows=_distinct(rows))


def _row(row: Sequence[Any]) -> Row:
    if len(row) != 3:
        raise VendError("The query must have three columns: subject, value, detail.")
    subject, value, detail = row
    try:
        number = None if value is None else Decimal(str(int(value) if isinstance(value, bool) else value))
    except ArithmeticError:
        raise VendError("The query's second column, the value, must be a number.") from None
    return Row(_plain(subject) or "all", None if number is None or number.is_nan() else number, _plain(detail))


def _distinct(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Subjects that occur more than once get a number, so that each is an alert of its own."""
    seen: dict[str, int] = {}
    result = []
    for row in rows:
        seen[row.subject] = seen.get(row.subject, 0) + 1
        result.append(replace(row, subject=f"{row.subject} #{seen[row.subject]}") if seen[row.subject] > 1 else row)
    return tuple(result)


def _plain(text: object) -> str:
    """One short line, with what looks like a mail address struck out: messages leave the house."""
    line = " ".join(str("" if text is None else text).split())[:LONGEST]
    return re.sub(r"[\w.+-]+@[\w-]+\.[\w.-]+", "***", line)


def raw_age(settings: Settings, ask: figures.Ask, now: datetime) -> list[Row]:
    """Hours since each declared table of RAW was last loaded; infinite where it never was."""
    rows = []
    for name, at in sorted(raw_loaded(settings, ask).items()):
        if at is None:
            rows.append(Row(name, Decimal("inf"), "never loaded"))
            continue
        hours = Decimal(round((now - at).total_seconds())) / 3600
        rows.append(Row(name, round(hours, 2), f"last loaded {at:%Y-%m-%d %H:%M} UTC"))
    return rows


def raw_loaded(settings: Settings, ask: figures.Ask) -> dict[str, datetime | None]:
    """When each declared table of RAW was last loaded (naive UTC), by var raw_loaded_at; None where it never was."""
    document = yaml.safe_load((settings.project / "dbt_project.yml").read_text(encoding="utf-8"))
    query = document["vars"]["raw_loaded_at"]
    names = [table.name for table in contract.tables(settings)]
    # Braces of str.format, as dbt's source file has it.
    parts = [f"select '{name}' as table_name, ({query.format(table=name)}) as loaded_at" for name in names]
    found = ask(" union all ".join(parts))
    return {name: at.astimezone(UTC).replace(tzinfo=None) if at and at.tzinfo else at for name, at in found}


def disk(settings: Settings) -> list[Row]:
    """Percent used of each file system of this machine that holds our state."""
    places = {"state folder": settings.home}
    if settings.warehouse == "duckdb":
        places["DuckDB file"] = settings.duckdb_path
    if settings.postgres_dsn is None:
        places["embedded Postgres"] = server.status(settings).data
    devices: dict[int, tuple[list[str], Path]] = {}
    for name, path in places.items():
        there = next(place for place in (path, *path.absolute().parents) if place.exists())
        devices.setdefault(there.stat().st_dev, ([], there))[0].append(name)
    rows = []
    for names, place in devices.values():
        room = shutil.disk_usage(place)
        percent = Decimal(100 * room.used) / max(room.used + room.free, 1)
        rows.append(Row("disk of " + ", ".join(names), round(percent, 1), f"{room.free / 1e9:.1f} GB free"))
    return rows


@contextmanager
def _hot(settings: Settings) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Queries on the hot side. Starts no server: one that is down is news."""
    dsn = server.address(settings, settings.postgres_dsn)
    if dsn is None:
        raise VendError("The embedded Postgres is stopped. Start it with `vend up`.")

    def ask(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with postgres.explained("The hot side cannot be checked", dsn):
            return connection.execute(statement.encode(), values).fetchall()

    with postgres.connect(dsn, autocommit=True) as connection:
        ask("select set_config('statement_timeout', %s, false)", [f"{STATEMENT_SECONDS}s"])
        ask("select set_config('default_transaction_read_only', 'on', false)")
        yield ask


@contextmanager
def patiently(opened: Callable[[], Any], end: float) -> Iterator[Any]:
    """Open it, again and again while another process holds the DuckDB file, until `end` of the monotonic clock."""
    while True:
        attempt = opened()
        try:
            value = attempt.__enter__()
            break
        except InUseError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.2)
    with ExitStack() as stack:
        stack.push(attempt)
        yield value

"""Evaluates alerts: what their queries and built-ins say now, on both sides."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from vend import catalog, contract, figures, ops, postgres, run_lock, server
from vend.alert_state import CLOCKS
from vend.alerts import Alert
from vend.errors import VendError
from vend.patience import patiently
from vend.settings import Settings

STATEMENT_SECONDS = 60
TABLE = "select 1 from information_schema.tables where lower(table_schema) || '.' || lower(table_name) = ?"
# Of a subject or a detail, in characters.
LONGEST = 200
RUNS = "ops.runs"
# What else than a build of the cold side makes tables of OPS; where it never ran, a check on it makes no sense.
MAKERS = {RUNS: "vend run", "ops.sync_runs": "vend sync"}


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
        if self.error is None and (unsure := [row for row in self.rows if row.value is None]):
            why = f" ({unsure[0].detail})" if unsure[0].detail else ""
            return f"Nothing is known of {', '.join(row.subject for row in unsure[:3])}{why}."
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
    if alert.builtin in PYTHON:
        return Result(alert, rows=tuple(PYTHON[alert.builtin](settings, warehouse, now)))
    assert alert.sql is not None
    values = {name: now + value if isinstance(value, timedelta) else value for name, value in alert.values.items()}
    values["now"] = now
    if alert.on == "warehouse":
        if alert.requires in MAKERS and not warehouse()(TABLE, [alert.requires]):
            return Result(alert, elsewhere=f"there was no `{MAKERS[alert.requires]}` yet")
        if alert.requires:
            _need(warehouse(), alert.requires)
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


def _need(ask: figures.Ask, table: str) -> None:
    """Raises VendError where a build of the cold side is yet to make the table."""
    if not ask(TABLE, [table]):
        raise VendError(f"There is no {table} yet; `vend build cold` makes it.")


def _aged(subject: str, at: datetime | None, now: datetime, what: str, never: str) -> Row:
    """Hours since `at`; infinite where that never was, unknown where it is yet to come."""
    if at is None:
        return Row(subject, Decimal("inf"), never)
    detail = f"{what} {at:%Y-%m-%d %H:%M} UTC"
    if at > now + CLOCKS:
        return Row(subject, None, f"{detail}, which is yet to come: a clock is wrong, or was")
    return Row(subject, round(Decimal(round((now - at).total_seconds())) / 3600, 2), detail)


def raw_age(settings: Settings, warehouse: Callable[[], figures.Ask], now: datetime) -> list[Row]:
    """Hours since each declared table of RAW was last loaded; infinite where it never was."""
    loaded = sorted(raw_loaded(settings, warehouse()).items())
    return [_aged(name, at, now, "last loaded", "never loaded") for name, at in loaded]


def raw_loaded(settings: Settings, ask: figures.Ask) -> dict[str, datetime | None]:
    """When each declared table of RAW was last loaded (naive UTC), by var raw_loaded_at; None where it never was."""
    document = yaml.safe_load((settings.project / "dbt_project.yml").read_text(encoding="utf-8"))
    query = document["vars"]["raw_loaded_at"]
    names = [table.name for table in contract.tables(settings)]
    # Braces of str.format, as dbt's source file has it.
    parts = [f"select '{name}' as table_name, ({query.format(table=name)}) as loaded_at" for name in names]
    found = ask(" union all ".join(parts))
    return {name: at.astimezone(UTC).replace(tzinfo=None) if at and at.tzinfo else at for name, at in found}


def reports_stale(settings: Settings, warehouse: Callable[[], figures.Ask], now: datetime) -> list[Row]:
    """Hours since the instant as of which each declared report is; infinite where it was never built. One as of an
    instant that is yet to come, in a rehearsal, is as old as its build."""
    ask = warehouse()
    _need(ask, "ops.dbt_nodes")
    built = {name: min(at, datetime.fromisoformat(as_of)) for name, at, as_of in ask(ops.statement("reports_built"))}
    names = [name for name in catalog.reports(settings) if name.startswith("rpt_")]
    return [_aged(name, built.get(name), now, "as of", "never built") for name in names]


def hung_run(settings: Settings, warehouse: Callable[[], figures.Ask], now: datetime) -> list[Row]:
    """Hours that each `vend run` has gone on, but for one that asks itself. That of this state folder is known by its
    lock, for it may have the DuckDB file; those of others by what ops.runs says."""
    going = run_lock.holder(settings)
    here = going if going and going.lives else None
    rows = []
    if here and here.pid != os.getpid():
        rows.append(_aged(f"run {here.run_id}", here.since, now, f"process {here.pid} here, begun", ""))
    try:
        ask = warehouse()
        others = ask(ops.statement("running_runs")) if ask(TABLE, [RUNS]) else []
    except VendError:
        if rows:
            return rows
        raise
    own = here.run_id if here else None
    return rows + [_aged(f"run {run_id}", at, now, "begun", "") for run_id, at in others if run_id != own]


def disk(settings: Settings, warehouse: Callable[[], figures.Ask], now: datetime) -> list[Row]:
    """Percent used of each file system of this machine that holds our state."""
    places = {"state folder": settings.home}
    if settings.warehouse == "duckdb":
        places["DuckDB file"] = settings.duckdb_path
    if settings.postgres_dsn is None or server.is_own(settings, settings.postgres_dsn):
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


PYTHON: dict[str | None, Callable[[Settings, Callable[[], figures.Ask], datetime], list[Row]]] = {
    "raw_age": raw_age,
    "reports_stale": reports_stale,
    "hung_run": hung_run,
    "disk": disk,
}


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

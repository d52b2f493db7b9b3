"""Refreshes the hot views through the database's own routines: once, again and again, or by pg_cron."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import errors

from vend import postgres
from vend.errors import UsageError, VendError

LONGEST_PAUSE = 60.0
"""Seconds between two attempts after failures, where the interval itself is not longer."""

RECONCILE_PATIENCE = timedelta(minutes=10)
"""How long a reconcile that was asked for waits for the refresh that runs."""

CAPTURE = """
    select name, hot.capture(name)
    from (select distinct unnest(watched) as name from hot.summary) as tables
    order by name
"""


@dataclass(frozen=True)
class Refreshed:
    """One relation of schema hot. seconds: how long it took. note: what a reconcile found."""

    relation: str
    status: str
    rows: int | None
    seconds: float
    error: str | None
    note: str | None = None


class BusyError(VendError):
    """Another refresh runs."""


def never() -> bool:
    return False


def refresh(dsn: str, *, reconcile: bool | None = False, stopped: Callable[[], bool] = never) -> list[Refreshed]:
    """Refresh every view, each committed by itself, and return what was logged.

    reconcile: compare the summaries with the source before; None: if that was not tried yet today (UTC).
    stopped: asked before each relation; the rest are left once it says so. Raises BusyError if another refresh runs,
    VendError if there are no views or the server fails.
    """
    with postgres.connect(dsn, autocommit=True) as connection:
        started = _one(connection, "select clock_timestamp()")
        try:
            connection.execute("set statement_timeout to 0")
            connection.execute("select hot.begin_refresh(%s)", [RECONCILE_PATIENCE if reconcile else timedelta()])
            if reconcile is None:
                reconcile = bool(_one(connection, "select hot.reconcile_is_due()"))
            names = _one(connection, "select array_agg(name order by name) from hot.summary") if reconcile else []
            for name in names or []:
                if stopped():
                    break
                connection.execute("begin isolation level repeatable read")
                connection.execute("select hot.reconcile_one(%s)", [name])
                connection.execute("commit")
            for name in _one(connection, "select hot.views_to_refresh()"):
                if stopped():
                    break
                connection.execute("select hot.refresh_one(%s)", [name])
            connection.execute("select hot.end_refresh()")
        except errors.LockNotAvailable:
            raise BusyError(
                "Another refresh of the hot views is running. It will bring them up to date; wait for it."
            ) from None
        except (errors.UndefinedFunction, errors.InvalidSchemaName):
            raise VendError("There are no hot views yet. Build them with `vend build hot`.") from None
        except psycopg.Error as error:
            raise VendError(f"The refresh failed: {postgres.reason(error)}") from None
        rows = connection.execute(
            "select relation, status, rows, extract(epoch from finished_at - started_at), error, note"
            " from hot.refresh_log where started_at >= %s order by started_at",
            [started],
        ).fetchall()
    return [Refreshed(name, status, n, float(took), error, note) for name, status, n, took, error, note in rows]


def clock(dsn: str) -> str | None:
    """That the clock of the hot views stands, in a sentence; None where it goes, or there are none yet."""
    with postgres.connect(dsn, autocommit=True) as connection:
        if _one(connection, "select to_regclass('hot.setting') is null"):
            return None
        at = _one(connection, "select max(as_of) from hot.setting")
    return standing(at) if at else None


def standing(at: datetime) -> str:
    return (
        f"The clock of the hot views stands at {at:%Y-%m-%d %H:%M} UTC, since `make demo` or a build with --as-of: "
        "nothing later counts there. `vend build hot` lets it go on."
    )


def captures(dsn: str) -> dict[str, str]:
    """How the changes of each operational table are known: triggers, updated_at or whole."""
    with postgres.connect(dsn, autocommit=True) as connection:
        return dict(connection.execute(CAPTURE).fetchall())


def every(
    seconds: float,
    once: Callable[[], list[Refreshed]],
    *,
    wait: Callable[[float], bool],
    say: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Call `once` at the start and at each multiple of `seconds` from it, until `wait` says stop.

    wait: sleeps so many seconds, returns whether to stop. A round that outlasts its interval costs the ticks it missed
    and never overlaps. A round that fails is tried again after 2, 4, 8 … seconds, up to the interval or a minute.
    One line per round goes to `say`. UsageError ends it; other VendErrors do not.
    """
    start = now()
    failures = 0
    while True:
        begun = now()
        try:
            line = summary(once(), now() - begun)
            failures = 0
        except UsageError:
            raise
        except BusyError as error:
            line = str(error)
        except VendError as error:
            failures += 1
            line = f"Error: {error}"
        due = start + ((now() - start) // seconds + 1) * seconds
        if failures:
            pause = min(2.0**failures, max(seconds, LONGEST_PAUSE))
            due = now() + pause
            line += f" Trying again in {pause:.0f} s."
        say(line)
        if wait(max(0.0, due - now())):
            return


def summary(results: list[Refreshed], seconds: float) -> str:
    """One round in one line."""
    failed = [f"{result.relation}: {result.error}" for result in results if result.status != "success"]
    done = f"{len(results) - len(failed)} of {len(results)} relations brought up to date in {seconds:.2f} s"
    notes = [f"{result.relation} {result.note}" for result in results if result.note and not found_nothing(result)]
    return "; ".join([done, *notes, *failed])


def found_nothing(result: Refreshed) -> bool:
    """Whether a reconcile found all as it should be."""
    return result.note is None or not any(digit in result.note for digit in "123456789")


def schedule(dsn: str, seconds: int = 300) -> str:
    """Have pg_cron refresh every so many seconds, and reconcile each night; the same again changes nothing.

    Returns a sentence. Raises UsageError where cron cannot say the interval, VendError without pg_cron or hot views.
    """
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes or 60 % minutes:
        raise UsageError(
            f"pg_cron cannot run every {seconds} s by the clock. Use whole minutes that divide an hour: 300."
        )
    timing = "* * * * *" if minutes == 1 else "0 * * * *" if minutes == 60 else f"*/{minutes} * * * *"
    with postgres.connect(dsn) as connection, postgres.explained("pg_cron was not told", dsn):
        if _one(connection, "select to_regprocedure('hot.refresh()') is null"):
            raise VendError("There are no hot views yet. Build them with `vend build hot`.")
        if _one(connection, "select not exists (select from pg_extension where extname = 'pg_cron')"):
            raise VendError(
                f"pg_cron is not installed in {postgres.where(dsn)}. Install it there (docs/hot.md says how), "
                f"or let `vend refresh --every {seconds}` run."
            )
        connection.execute("select cron.schedule('vend refresh', %s, 'call hot.refresh()')", [timing])
        connection.execute("select cron.schedule('vend reconcile', '17 2 * * *', 'call hot.reconcile()')")
    return f"pg_cron refreshes the hot views by {timing!r} and reconciles them at 02:17 each night."


def _one(connection: postgres.Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]

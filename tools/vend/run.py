"""What cron calls: sync, freshness, build, comparison, checks, and a row in ops.runs that tells how it went."""

from __future__ import annotations

import json
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Any

from vend import check, check_report, consistency, dbt, ops, refresh, run_lock, tethered
from vend import sync as loader
from vend.cli import build_side, hot_dsn, source_dsn, summary_line
from vend.errors import VendError
from vend.patience import patiently
from vend.progress import progress, say
from vend.settings import Settings

STEPS = ("sync", "freshness", "build", "consistency", "checks")
TESTS = ("test", "unit_test")
# unit tests bring rows of their own: they ask the code, not the day's data, and CI has run them
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
SHOWN = 5


@dataclass(frozen=True)
class Record:
    """A row of ops.runs. Times are naive UTC. step: the last one begun, or the one that failed. status: running,
    success, warning, error, or interrupted."""

    run_id: str
    started_at: datetime
    status: str = "running"
    step: str = STEPS[0]
    finished_at: datetime | None = None
    as_of: datetime | None = None
    sync_run_id: str | None = None
    rows_loaded: int | None = None
    relations_built: int | None = None
    tests_passed: int | None = None
    tests_warned: int | None = None
    tests_failed: int | None = None
    figures_compared: int | None = None
    figures_differing: int | None = None
    alerts_open: int | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.status in ("success", "warning")


class Stop(VendError):  # noqa: N818, an end and no fault of the program
    """Going on would publish figures that are wrong."""


def run(settings: Settings, *, sync: bool = True, as_of: datetime | None = None) -> Record:
    """All steps, up to the one that fails. sync: False where another loader fills RAW. as_of: see `vend build`; the
    default is the moment of the sync, so that every model counts the same events, retried ones too.

    The outcome is in the record, and in ops.runs, whatever it is. Raises VendError where another run is going on or
    the warehouse cannot be written.
    """
    started = loader.utc_now()
    record = Record(f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}", started)
    with ExitStack() as stack:
        try:
            stack.enter_context(run_lock.held(settings, record.run_id))
            with _ops(settings) as execute:
                execute("create_runs")
                ((latest,),) = execute("latest_run")
                record = replace(record, started_at=loader.after(latest))
                died = execute("running_runs")
                execute("abandoned_runs")
                execute("insert_run", run_id=record.run_id, step=record.step, started_at=record.started_at)
        except run_lock.BusyError:
            raise
        except VendError:
            with suppress(VendError):  # it can tell of a disk that is full, or a warehouse that cannot be written
                check.check(settings)
            raise
        journal = _Journal(settings, record)
        if died:  # or nobody would hear of it where each run dies and nothing else calls the checks
            journal.say(f"Run {died[-1][0]} ended without a word: killed, or the machine went down", "error")
            with suppress(VendError):
                check.check(settings)
        try:
            try:
                _go(settings, journal, sync, as_of)
            except VendError as error:
                journal.note(status="error", error=str(error))
            _checks(settings, journal)
        except BaseException as error:
            journal.note(status="interrupted", error=_told(error))
            with suppress(VendError):
                _close(settings, journal)
            raise
        _close(settings, journal)
    return journal.record


def _go(settings: Settings, journal: _Journal, sync: bool, as_of: datetime | None) -> None:
    if sync:
        with journal.step("sync"):
            loaded = loader.sync(settings, source_dsn(settings))
            rows = sum(table.rows_extracted or 0 for table in loaded.tables)
            # where the clock went back, the ledger's times go on from the last one
            at = min(loaded.started_at, loader.utc_now())
            journal.note(sync_run_id=loaded.run_id, rows_loaded=rows, as_of=at)
            if not loaded.ok:
                failed: dict[str, list[str]] = {}  # a server that went away has one error for many tables
                for table in loaded.tables:
                    if table.error:
                        failed.setdefault(table.error, []).append(table.table)
                told = " ".join(f"{', '.join(names)}: {error}" for error, names in failed.items())
                raise Stop(
                    "Not every table was loaded, and reports of tables of different ages would not add up; those of "
                    f"the last run stand. {told}"
                )
    at = as_of or journal.record.as_of or min(journal.record.started_at, loader.utc_now())
    journal.note(as_of=at)
    with journal.step("freshness"):
        ages = dbt.freshness(settings)
        if late := [table for table, status in ages.items() if status == "error"]:
            raise Stop(f"RAW is too old to build on: {', '.join(late)}. See to the loader; the last reports stand.")
        if late := [table for table, status in ages.items() if status == "warn"]:
            journal.warn(f"RAW is late: {', '.join(late)}.")
    with journal.step("build"):
        _build(settings, journal, at)
    with journal.step("consistency"):
        _compare(settings, journal, at)


def _build(settings: Settings, journal: _Journal, at: datetime) -> None:
    with progress("steps") as update:
        outcome = build_side(settings, "cold", at, dbt_args=NO_UNIT_TESTS, progress=update)
        if outcome.count("error"):
            # A lost connection or a full warehouse may be over by now; a failed test fails again.
            journal.say(f"{outcome.count('error')} nodes broke; dbt retry runs them and what hangs on them again")
            outcome = _together(outcome, dbt.retry(settings, "cold", as_of=at, progress=update))
    journal.note(
        relations_built=outcome.count("success", kinds=("model", "seed", "snapshot")),
        tests_passed=outcome.count("pass", kinds=TESTS),
        tests_warned=outcome.count("warn", kinds=TESTS),
        tests_failed=outcome.count("fail", "error", kinds=TESTS),
    )
    if not outcome.ok:
        shown = replace(outcome, failures=outcome.failures[:SHOWN])
        more = f"\n  and {len(outcome.failures) - SHOWN} more" if len(outcome.failures) > SHOWN else ""
        raise Stop(
            f"{summary_line(shown)}{more}\nWhat hangs on them was not built; those tables are as they were before."
        )
    if warned := outcome.count("warn", kinds=TESTS):
        journal.say(f"{warned} tests warned; ops.dbt_nodes and the log name them")


def _together(first: dbt.Outcome, second: dbt.Outcome) -> dbt.Outcome:
    """A build and its retry as one: the retry takes the place of what had failed or been skipped."""
    kept = {key: n for key, n in first.nodes.items() if key[1] not in ("error", "fail", "skipped", "runtime error")}
    nodes = second.nodes.copy()
    nodes.update(kept)
    return replace(second, seconds=first.seconds + second.seconds, nodes=nodes)


def _compare(settings: Settings, journal: _Journal, at: datetime) -> None:
    result = consistency.compare(settings, hot_dsn(settings), source_dsn(settings), at)
    journal.note(figures_compared=result.compared, figures_differing=len(result.differences))
    if result.skipped:
        journal.say(result.skipped)
    elif standing := refresh.clock(hot_dsn(settings)):
        journal.say(standing, "warning")
    if result.differences:
        first = result.differences[0]
        where = f"garage {first.garage_id}{f' on {first.day}' if first.day else ''}"
        journal.warn(
            f"Hot and cold differ in {len(result.differences)} of {result.compared} figures, first: {first.figure} of "
            f"{where} is {first.hot} hot and {first.cold} cold."
        )


def _checks(settings: Settings, journal: _Journal) -> None:
    """Also after a step that failed, for then somebody is to be told; that step stays the record's."""
    failed = journal.record.status == "error"
    try:
        with journal.step("checks"):
            report = check.check(settings)
            journal.note(alerts_open=report.open)
            for sentence in (*report.undelivered, *report.notes):
                journal.say(sentence, "warning")
            journal.say(check_report.as_text(report))
    except VendError as error:
        if not failed:
            journal.warn(f"The checks could not run: {error}")
        return
    raised = {status: [r.alert.name for r in report.results if r.status == status] for status in check.WORST}
    if failed:
        return
    if raised["critical"]:
        journal.note(status="error", error=f"Critical: {', '.join(raised['critical'])}. `vend check` says more.")
    elif report.exit_code:
        told = [f"{status}: {', '.join(names)}" for status, names in raised.items() if names and status != "ok"]
        journal.warn("; ".join([*told, *report.undelivered]).rstrip(".") + ".")


class _Journal:
    """The record as it grows, and a line for each step."""

    def __init__(self, settings: Settings, record: Record) -> None:
        self.settings = settings
        self.record = self.kept = record
        self.warnings: list[str] = []

    def note(self, **values: Any) -> None:
        self.record = replace(self.record, **values)

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)
        self.say(sentence, "warning")

    def say(self, text: str, level: str = "info") -> None:
        """A line on stderr: for a person on a terminal, JSON elsewhere."""
        indent = "  " if sys.stderr.isatty() else ""
        say(f"{indent}{text}", level, run_id=self.record.run_id, step=self.record.step)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = monotonic()
        if self.record.status == "running":
            self.note(step=name)
        if self.record != self.kept:  # for the checks, and if this run is killed from here on
            _write(self.settings, self)
        if sys.stderr.isatty():
            say(f"{STEPS.index(name) + 1}/{len(STEPS)}  {name}")
        else:
            self.say(f"{name} begins")
        try:
            yield
        except BaseException as error:
            self.say(_told(error), "error")
            raise
        self.say(f"done in {monotonic() - begun:.1f} s")


def _close(settings: Settings, journal: _Journal) -> None:
    record = journal.record
    if record.status == "running":
        journal.note(status="warning" if journal.warnings else "success", error=" ".join(journal.warnings) or None)
    journal.note(finished_at=max(loader.utc_now(), record.started_at))
    _write(settings, journal)


def _told(error: BaseException) -> str:
    """What ended a step, for a person."""
    if isinstance(error, VendError):
        return str(error)
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:  # as main() has signals
        return f"Ended by {signal.Signals(error.code - 128).name}."
    return f"Ended by {'Ctrl-C' if isinstance(error, KeyboardInterrupt) else type(error).__name__}."


def _ops(settings: Settings) -> AbstractContextManager[ops.Run]:
    """OPS, when whoever has the DuckDB file is done with it: a dbt of a run that was killed is about to end."""
    return patiently(lambda: ops.opened(settings), monotonic() + 2 * tethered.GRACE)


def _write(settings: Settings, journal: _Journal) -> None:
    values = asdict(journal.record)
    del values["started_at"]
    with _ops(settings) as execute:
        execute("finish_run", **values)
    journal.kept = journal.record


def as_text(record: Record) -> str:
    """What a person wants to know, in a few lines."""
    seconds = (record.finished_at - record.started_at).total_seconds() if record.finished_at else 0.0
    parts: list[tuple[str, int | None]] = [
        ("rows loaded", record.rows_loaded),
        ("relations built", record.relations_built),
        ("tests passed", record.tests_passed),
        ("warned", record.tests_warned),
        ("failed", record.tests_failed),
        ("figures compared hot and cold", record.figures_compared),
        ("differ", record.figures_differing),
        ("alerts open", record.alerts_open),
    ]
    told = ", ".join(f"{number:,} {name}" for name, number in parts if number is not None)
    lines = [f"Run {record.run_id}: {record.status} in {seconds:.0f} s, as of {record.as_of or '–'} UTC. {told}."]
    if record.error:
        where = f"{record.step}: " if record.status in ("error", "interrupted") else ""
        lines.append(f"{where}{record.error}")
    return "\n".join(lines)


def as_json(record: Record) -> str:
    """The record, with ok."""
    return json.dumps({**asdict(record), "ok": record.ok}, default=_plain, indent=2)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

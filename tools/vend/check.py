"""Evaluates the alerts of alerts.yml, remembers them, and tells those who are to know."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vend import alert_state, alerts, deliver, figures, ops, patience, run_lock
from vend.alert_state import Found, State
from vend.alerts import Alert
from vend.errors import VendError
from vend.evaluate import Result, evaluated
from vend.patience import patiently
from vend.settings import Settings
from vend.sync import utc_now

# How long a DuckDB file in use, or another check, is waited for, in seconds.
PATIENCE = patience.SECONDS
EXIT_CODES = {"ok": 0, "not here": 0, "warning": 1, "critical": 2, "unknown": 3}
WORST = ("critical", "unknown", "warning", "ok")
UNKNOWN = "The check could not run."


@dataclass(frozen=True)
class Report:
    """A whole check. open: alerts open now. sent: messages accepted. notes: what else a person should know."""

    at: datetime
    results: tuple[Result, ...]
    states: tuple[State, ...]
    sent: int
    undelivered: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def status(self) -> str:
        found = {result.status for result in self.results}
        return next(status for status in WORST if status in found or status == "ok")

    @property
    def exit_code(self) -> int:
        """As monitoring has it: 0 ok, 1 warning, 2 critical, 3 unknown. A message not accepted is as bad as unknown."""
        code = EXIT_CODES[self.status]
        return 3 if self.undelivered and code < 2 else code

    @property
    def open(self) -> int:
        return sum(state.status == "open" for state in self.states)


def check(
    settings: Settings,
    names: tuple[str, ...] = (),
    *,
    dry_run: bool = False,
    listed: list[Alert] | None = None,
    now: datetime | None = None,
) -> Report:
    """Evaluate the alerts named, or all, and tell whom they concern. dry_run: sends nothing and keeps no alert.
    listed: instead of alerts.yml's. now: naive UTC.

    Raises UsageError for a wrong alerts.yml, name or setting, VendError where another check does not end.
    """
    at = now or utc_now()
    known_alerts = alerts.load(settings.project / alerts.FILE) if listed is None else listed
    chosen = alerts.pick(known_alerts, names)
    webhook, mail = deliver.channels(settings)
    end = time.monotonic() + PATIENCE
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(_alone(settings, end))
        _note_killed_runs(settings, end)
        results = evaluated(settings, chosen, at, end)
        known = alert_state.load(settings, lambda: (_read if dry_run else _ops)(settings, end), at, create=not dry_run)
        states = alert_state.advance(known.states, _found(results), _settled(results, known_alerts, not names), at)
        results = [_with_pending(result, states) for result in results]
        by_name = {alert.name: alert for alert in known_alerts}

        def targets(state: State) -> list[str]:
            alert = by_name.get(state.alert)
            people = alert.notify if alert and mail else ()
            return [*people, *([deliver.WEBHOOK] if alert and webhook else [])]

        letters = alert_state.due(
            states, targets, lambda state: by_name[state.alert].repeat if state.alert in by_name else timedelta.max, at
        )
        places = {alert.name: place for place, alert in enumerate(known_alerts)}
        letters = {
            to: sorted(told, key=lambda each: (each[0] == "closed", places.get(each[1].alert, -1), not each[1].subject))
            for to, told in letters.items()
            if (webhook if to == deliver.WEBHOOK else mail)
        }
        notes = _notes(known.trouble, results, mail is not None or webhook is not None)
        if dry_run:
            notes += [f"Would tell {to} of {len(told)} alerts." for to, told in letters.items()]
            return Report(at, tuple(results), tuple(states), 0, (), tuple(notes))
        events = {
            to: [event(state, what, by_name.get(state.alert)) for what, state in told] for to, told in letters.items()
        }
        outcome = deliver.deliver(settings, events) if events else {}
        states = _accepted(states, letters, outcome, at)
        undelivered = []
        trouble, ops_trouble = alert_state.save(settings, lambda: _ops(settings, end), states, known, at)
    if trouble and ops_trouble:
        undelivered.append(f"What was told cannot be kept anywhere, so it will be told again: {trouble}")
    elif ops_trouble and not known.trouble:
        notes.append(f"What was told is kept in {settings.home} until ops.alerts can be written: {ops_trouble}")
    undelivered += deliver.described(outcome, letters)
    sent = sum(refusal is None for refusal in outcome.values())
    return Report(at, tuple(results), tuple(states), sent, tuple(undelivered), tuple(dict.fromkeys(notes)))


def _note_killed_runs(settings: Settings, end: float) -> None:
    """A `vend run` of this state folder that says running but nobody holds its lock was killed; ops.runs is told.

    Of another machine's runs nothing is known here.
    """
    last = run_lock.holder(settings)
    if last is None or last.lives:
        return
    with suppress(VendError), _read(settings, end) as ask:
        if last.run_id not in {run_id for run_id, _ in ask("running_runs")}:
            return
    with suppress(VendError), _ops(settings, end) as execute:
        execute("killed_run", run_id=last.run_id)


def _notes(trouble: str | None, results: Sequence[Result], reachable: bool) -> list[str]:
    notes = (
        [f"ops.alerts cannot be read, so what was told before is from the state folder: {trouble}"] if trouble else []
    )
    if not reachable and any(result.status not in ("ok", "not here") for result in results):
        notes.append("Nobody is told: neither VEND_SMTP_URL nor VEND_ALERT_WEBHOOK is set.")
    return notes


def _accepted(
    states: list[State], letters: dict[str, list[tuple[str, State]]], outcome: dict[str, str | None], at: datetime
) -> list[State]:
    by_id = {state.alert_id: state for state in states}
    for target, refusal in outcome.items():
        for what, state in letters[target] if refusal is None else []:
            by_id[state.alert_id] = alert_state.accepted(by_id[state.alert_id], target, what, at)
    return list(by_id.values())


def _found(results: Sequence[Result]) -> list[Found]:
    found = []
    for result in results:
        if result.unknown and not result.elsewhere:
            found.append(Found(result.alert.name, "", "unknown", None, UNKNOWN, timedelta(0)))
        for row in result.beyond:
            value = float(row.value) if row.value is not None and row.value.is_finite() else None
            alert = result.alert
            found.append(Found(alert.name, row.subject, alert.severity, value, row.detail, alert.hold))
    return found


def _settled(results: Sequence[Result], known: Sequence[Alert], whole: bool) -> Callable[[State], bool]:
    """Whether an alert that was not found is over: its check ran and knows of it, or there is no such alert."""
    by_name = {result.alert.name: result for result in results}
    names = {alert.name for alert in known}

    def settled(state: State) -> bool:
        result = by_name.get(state.alert)
        if result is None:
            return whole and state.alert not in names
        if result.elsewhere or state.subject == "":
            return True
        return result.error is None and all(
            row.subject != state.subject or row.value is not None for row in result.rows
        )

    return settled


def _with_pending(result: Result, states: Sequence[State]) -> Result:
    pending = {s.subject for s in states if s.alert == result.alert.name and s.status == "pending"}
    return replace(result, pending=frozenset(pending))


def event(state: State, what: str, alert: Alert | None) -> deliver.Event:
    """The message about a state; alert: None where it is no longer in alerts.yml."""
    count = state.sent and max(at for _, at in state.sent.values()).isoformat() if what == "repeated" else ""
    return deliver.Event(
        id=f"{state.alert_id}-{what}{f'-{count}' if count else ''}",
        event=what,
        alert=state.alert,
        subject=state.subject,
        severity=state.severity,
        value=state.value,
        unit=alert.unit if alert else "",
        comparison=alert.comparison if alert else "",
        threshold=float(alert.threshold) if alert else 0.0,
        detail=state.detail,
        since=iso(state.seen_at),
        until=iso(state.closed_at) if state.closed_at else None,
        description=alert.description if alert else "",
        runbook=alert.runbook if alert else "",
    )


@contextmanager
def _ops(settings: Settings, end: float) -> Iterator[ops.Run]:
    if settings.warehouse == "duckdb" and not settings.duckdb_path.exists():
        raise VendError(f"There is no warehouse at {settings.duckdb_path} yet. Load it with `vend sync`.")
    with patiently(lambda: ops.opened(settings), end) as execute:
        yield execute


@contextmanager
def _read(settings: Settings, end: float) -> Iterator[ops.Run]:
    with patiently(lambda: figures.opened(settings), end) as ask:
        yield lambda name, **values: ask(*ops.bound(ops.statement(name), values))


@contextmanager
def _alone(settings: Settings, end: float) -> Iterator[None]:
    """One check at a time, or the same message would go out twice."""
    try:
        file = (settings.make_home() / "check.lock").open("a+")
    except (VendError, OSError):
        if not settings.home.is_dir():
            raise
        yield  # that it cannot be written, or no more, is no reason to tell nobody of the rest
        return
    with file as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= end:
                    raise VendError(
                        "Another `vend check` is going on and does not end. See what holds it up."
                    ) from None
                time.sleep(0.2)
        yield


def iso(moment: datetime) -> str:
    """An instant (naive UTC) as messages have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"

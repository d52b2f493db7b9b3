"""What is known of alerts from one check to the next, and whom to tell of what. Kept in ops.alerts, and in a file of
the state folder for when the warehouse cannot be reached; of two rows of one alert the one checked later counts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from vend import ops
from vend.errors import VendError
from vend.settings import Settings

KEPT_DAYS = 400
Opened = Callable[[], AbstractContextManager[ops.Run]]
"""ops.opened, or what raises VendError where the warehouse is not to be had."""

# So far two clocks may be apart.
CLOCKS = timedelta(minutes=5)
# So long somebody who cannot be reached is tried to be told that an alert is over.
CLOSING = timedelta(days=7)


@dataclass(frozen=True)
class State:
    """A row of ops.alerts, which says what is what. Times are naive UTC. subject: empty for a check that could not run,
    whose severity is unknown. value: None where it is without bound. sent: target -> (event, when)."""

    alert_id: str
    alert: str
    subject: str
    severity: str
    status: str
    seen_at: datetime
    checked_at: datetime
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    value: float | None = None
    detail: str = ""
    sent: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a check has to say now of one subject. hold: how long it must last before anybody is told."""

    alert: str
    subject: str
    severity: str
    value: float | None
    detail: str
    hold: timedelta


def advance(
    states: Iterable[State], found: Sequence[Found], settled: Callable[[State], bool], now: datetime
) -> list[State]:
    """The states after a check. settled: whether a state that nothing was found for is over, for all that is known."""
    fresh = {(each.alert, each.subject): each for each in found}
    result = []
    for state in states:
        if state.status not in ("pending", "open"):
            over = state.closed_at is not None and now - state.closed_at > CLOSING
            result.append(replace(state, status="closed", checked_at=now) if over else state)
            continue
        if (each := fresh.pop((state.alert, state.subject), None)) is not None:
            kept = replace(state, checked_at=now, value=each.value, detail=each.detail, severity=each.severity)
            opens = state.status == "pending" and now - state.seen_at >= each.hold
            result.append(replace(kept, status="open", opened_at=now) if opens else kept)
        elif settled(state):
            told = state.status == "open" and state.sent
            result.append(replace(state, status="closing" if told else "closed", closed_at=now, checked_at=now))
        else:
            result.append(state)
    for each in fresh.values():
        opens = not each.hold
        result.append(
            State(
                secrets.token_hex(8),
                each.alert,
                each.subject,
                each.severity,
                "open" if opens else "pending",
                seen_at=now,
                checked_at=now,
                opened_at=now if opens else None,
                value=each.value,
                detail=each.detail,
            )
        )
    return result


def due(
    states: Iterable[State],
    targets: Callable[[State], Sequence[str]],
    repeat: Callable[[State], timedelta],
    now: datetime,
) -> dict[str, list[tuple[str, State]]]:
    """What each target is to be told: opened, repeated or closed. targets: who is to know of an open alert."""
    letters: dict[str, list[tuple[str, State]]] = {}
    for state in states:
        if state.status == "open":
            for target in targets(state):
                told = state.sent.get(target)
                if told is None:
                    letters.setdefault(target, []).append(("opened", state))
                # one told at a time that is yet to come, by a clock that was wrong, is not waited for
                elif not -CLOCKS <= now - told[1] < repeat(state):
                    letters.setdefault(target, []).append(("repeated", state))
        elif state.status == "closing":
            for target in unaware(state):
                letters.setdefault(target, []).append(("closed", state))
    return letters


def accepted(state: State, target: str, event: str, now: datetime) -> State:
    """The state once the target has taken the message."""
    told = replace(state, sent={**state.sent, target: (event, now)}, checked_at=now)
    return replace(told, status="closed") if told.status == "closing" and not unaware(told) else told


def unaware(state: State) -> list[str]:
    """Who was told of an alert, and not yet that it is over."""
    return [target for target, (event, _) in state.sent.items() if event != "closed"]


@dataclass(frozen=True)
class Known:
    """states: what is known. stored: what of it ops.alerts has, by id. trouble: why it could not be read."""

    states: list[State]
    stored: Mapping[str, State]
    trouble: str | None = None


def load(settings: Settings, opened: Opened, now: datetime, *, create: bool) -> Known:
    """What is known, from ops.alerts and from the file. create: make ops.alerts where it is missing."""
    known = {state.alert_id: state for state in _from_file(settings)}
    stored: dict[str, State] = {}
    trouble = None
    try:
        with opened() as execute:
            if create:
                execute("create_alerts")
            stored = {row[0]: _from_row(row) for row in execute("alerts", now=now)}
    except VendError as error:
        trouble = str(error)
    for state in stored.values():
        other = known.get(state.alert_id)
        if other is None or other.checked_at < state.checked_at:
            known[state.alert_id] = state
    return Known(sorted(known.values(), key=lambda state: (state.seen_at, state.alert_id)), stored, trouble)


def save(
    settings: Settings, opened: Opened, states: list[State], known: Known, now: datetime
) -> tuple[str | None, str | None]:
    """Keep the states in the file and in ops.alerts; why the file could not be written, and why ops.alerts."""
    # Until ops.alerts has them, the closed ones too: it may still say that they are open.
    trouble = _to_file(settings, states)
    try:
        with opened() as execute:
            execute("create_alerts")
            for state in states:
                if known.stored.get(state.alert_id) != state:
                    execute("insert_alert", alert_id=state.alert_id)
                    execute("update_alert", **asdict(state) | {"sent": _sent_text(state)})
            execute("old_alerts", now=now, days=KEPT_DAYS)
    except VendError as error:
        return trouble, str(error)
    return _to_file(settings, [state for state in states if state.status != "closed"]), None


def _sent_text(state: State) -> str:
    return json.dumps({target: [event, at.isoformat()] for target, (event, at) in state.sent.items()})


def _from_row(row: Sequence[Any]) -> State:
    names = ("alert_id", "alert", "subject", "severity", "status", "seen_at", "opened_at", "closed_at", "checked_at")
    values = dict(zip((*names, "value", "detail", "sent"), row, strict=True))
    sent = json.loads(values.pop("sent") or "{}")
    return State(**values, sent={target: (event, datetime.fromisoformat(at)) for target, (event, at) in sent.items()})


def _from_file(settings: Settings) -> list[State]:
    try:
        entries = json.loads((settings.home / "alerts.json").read_text(encoding="utf-8"))
        times = [each.name for each in fields(State) if each.name.endswith("_at")]
        return [
            State(
                **entry
                | {name: datetime.fromisoformat(entry[name]) if entry[name] else None for name in times}
                | {"sent": {to: (event, datetime.fromisoformat(at)) for to, (event, at) in entry["sent"].items()}}
            )
            for entry in entries
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []  # a file cut short: ops.alerts knows as well


def _to_file(settings: Settings, states: list[State]) -> str | None:
    """Why it could not be written, in a sentence."""
    path = settings.home / "alerts.json"
    data = json.dumps([asdict(state) for state in states], default=lambda at: at.isoformat()).encode()
    draft = path.with_suffix(".new")
    try:
        try:
            draft.write_bytes(data)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            # on a full disk there is still the room that the old one has
            if not path.exists() or len(data) > path.stat().st_blocks * 512:
                raise
            with path.open("r+b") as file:
                file.write(data)
                file.truncate()
    except OSError as error:
        return f"{path} cannot be written ({error.strerror}). Free some space or mend its permissions."
    return None

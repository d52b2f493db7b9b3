"""alerts.yml: what `vend check` looks at, read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from vend import documents, ops
from vend.errors import UsageError
from vend.settings import WAREHOUSES

FILE = "alerts.yml"
SEVERITIES = ("warning", "critical")
COMPARISONS = (">", ">=", "<", "<=", "==", "!=")
SIDES = ("warehouse", "postgres")
PYTHON = ("raw_age", "reports_stale", "hung_run", "disk")
"""Built-ins that are functions in vend.evaluate; the others are files in checks/."""
KEYS = {
    *("name", "description", "query", "builtin", "on", "only", "comparison", "threshold", "unit", "for", "severity"),
    *("notify", "runbook", "repeat", "values", "no_rows"),
}
NEEDED = ("name", "description", "comparison", "threshold", "severity", "runbook")
REPEAT = timedelta(hours=24)

_CHECKS = Path(__file__).parent / "checks"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")


@dataclass(frozen=True)
class Alert:
    """One entry of alerts.yml. sql: None for a built-in in Python. on: the side that it runs on. only: the warehouse it
    makes sense on. requires: the extension of Postgres, or the table of OPS, it needs. hold: how long the condition
    must last. values: numbers, texts, and spans before now."""

    name: str
    description: str
    comparison: str
    threshold: Decimal
    severity: str
    runbook: str
    sql: str | None
    builtin: str | None = None
    on: str = "warehouse"
    only: str | None = None
    requires: str | None = None
    unit: str = ""
    hold: timedelta = timedelta(0)
    repeat: timedelta = REPEAT
    notify: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    rows_needed: bool = False

    def beyond(self, value: Decimal) -> bool:
        """Whether the value is one to tell of."""
        difference = value.compare(self.threshold)
        return {
            ">": difference > 0,
            ">=": difference >= 0,
            "<": difference < 0,
            "<=": difference <= 0,
            "==": difference == 0,
            "!=": difference != 0,
        }[self.comparison]

    @property
    def slug(self) -> str:
        return slug(self.name)


def slug(name: str) -> str:
    """The name as one types it: etl-sync-delayed."""
    return re.sub(r"\W+", "-", name.lower()).strip("-")


def load(path: Path) -> list[Alert]:
    """The alerts of the file, in its order. Raises UsageError, in a sentence, where something is wrong."""
    document = documents.read(path)
    if not isinstance(document, dict) or not isinstance(document.get("alerts"), list) or not document["alerts"]:
        raise UsageError(f"{path.name} must hold a list named alerts, of one or more. docs/alerts.md shows one.")
    if unknown := sorted(map(str, document.keys() - {"alerts", "defaults"})):
        raise UsageError(f"{path.name} has an unknown key {unknown[0]!r}; it may have alerts and defaults.")
    defaults = document.get("defaults") or {}
    if not isinstance(defaults, dict) or defaults.keys() - {"repeat", "notify"}:
        raise UsageError(f"{path.name}: defaults may say repeat and notify, and nothing else.")
    found = [_alert(entry, defaults, place) for place, entry in enumerate(document["alerts"], 1)]
    slugs = [alert.slug for alert in found]
    if twice := next((alert for alert in found if slugs.count(alert.slug) > 1), None):
        raise UsageError(f"{path.name} has two alerts named {twice.name!r}. Name one of them otherwise.")
    return found


def pick(alerts: list[Alert], names: tuple[str, ...]) -> list[Alert]:
    """Those named, as they are called or in the short form: etl-sync-delayed. All where none is named."""
    known = {alert.name.lower(): alert for alert in alerts} | {alert.slug: alert for alert in alerts}
    if unknown := [name for name in names if name.lower() not in known]:
        slugs = ", ".join(alert.slug for alert in alerts)
        raise UsageError(f"There is no alert {unknown[0]!r} in {FILE}. There are: {slugs}.")
    wanted = {known[name.lower()].slug for name in names}
    return [alert for alert in alerts if not names or alert.slug in wanted]


def _alert(entry: Any, defaults: Mapping[str, Any], place: int) -> Alert:
    if not isinstance(entry, dict):
        raise UsageError(f"{FILE}: alert {place} is no mapping of keys to values.")
    where = f"{FILE}: {entry.get('name') or f'alert {place}'!s}"
    if unknown := sorted(map(str, entry.keys() - KEYS)):
        raise UsageError(f"{where} has an unknown key {unknown[0]!r}; known are {', '.join(sorted(KEYS))}.")
    if missing := [key for key in NEEDED if entry.get(key) in (None, "")]:
        raise UsageError(f"{where} lacks {', '.join(missing)}.")
    if wrong := [key for key in ("name", "description", "runbook", "unit") if not isinstance(entry.get(key, ""), str)]:
        raise UsageError(f"{where}: {wrong[0]} must be a text.")
    if ("query" in entry) == ("builtin" in entry):
        raise UsageError(f"{where} must have either a query or a builtin.")
    source = _query(entry, where) if "query" in entry else _builtin(entry, where)
    values = entry.get("values") or {}
    if not isinstance(values, dict):
        raise UsageError(f"{where}: values must be names and numbers or spans, as in {{floor: 1, since: -24h}}.")
    if source["sql"]:
        named = set(ops.NAME.findall(source["sql"])) - {"now"}
        if named != set(values):
            odd = min(named ^ set(values))
            told = "is in the query but not in values" if odd in named else "is in values but not in the query"
            raise UsageError(f"{where}: {odd!r} {told}.")
    return Alert(
        name=entry["name"],
        description=" ".join(entry["description"].split()),
        comparison=_one_of(entry, "comparison", COMPARISONS, where),
        threshold=_number(entry["threshold"], where),
        severity=_one_of(entry, "severity", SEVERITIES, where),
        runbook=entry["runbook"],
        unit=entry.get("unit", ""),
        hold=_span(entry.get("for", 0), "for", where),
        repeat=_span(entry.get("repeat", defaults.get("repeat", "24h")), "repeat", where),
        notify=_addresses(entry.get("notify", defaults.get("notify", [])), where),
        values={name: _value(value, f"values.{name}", where) for name, value in values.items()},
        rows_needed=_one_of(entry, "no_rows", ("ok", "unknown"), where, "ok") == "unknown",
        **source,
    )


def _query(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(entry["query"], str) or not entry["query"].strip():
        raise UsageError(f"{where}: query must be a select of three columns: subject, value, detail.")
    only = _one_of(entry, "only", WAREHOUSES, where) if "only" in entry else None
    return {"sql": entry["query"].strip(), "on": _one_of(entry, "on", SIDES, where, "warehouse"), "only": only}


def _builtin(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = sorted([*PYTHON, *(file.stem for file in _CHECKS.glob("*.sql"))])
    name = _one_of(entry, "builtin", tuple(known), where)
    if extra := [key for key in ("on", "only") if key in entry]:
        raise UsageError(f"{where}: {extra[0]} goes with a query; a builtin knows it by itself.")
    if name in PYTHON:
        return {"builtin": name, "sql": None}
    lines = (_CHECKS / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    header = dict(line[3:].split(": ", 1) for line in lines if re.match("-- (on|only|requires): ", line))
    return {"builtin": name, "sql": "\n".join(line for line in lines if not line.startswith("--")).strip(), **header}


def _one_of(entry: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str, default: str = "") -> str:
    value = entry.get(key, default)
    if value not in allowed:
        raise UsageError(f"{where}: {key} is {value!r}; it must be one of: {', '.join(allowed)}.")
    return str(value)


def _number(value: Any, where: str) -> Decimal:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise UsageError(f"{where}: threshold is {value!r}; it must be a number.")
    return number


def _span(value: Any, key: str, where: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
    if not match and value != 0:
        raise UsageError(f"{where}: {key} is {value!r}; write a span as 30s, 15m, 7h or 2d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)


def _value(value: Any, key: str, where: str) -> Any:
    if isinstance(value, str) and value.startswith("-"):
        return -_span(value[1:], key, where)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UsageError(f"{where}: {key} must be a number, a text, or a span before now as -24h.")
    return Decimal(str(value)) if isinstance(value, float) else value


def _addresses(value: Any, where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        raise UsageError(f"{where}: notify must be a mail address or a list of them.")
    if wrong := [each for each in listed if not isinstance(each, str) or not _ADDRESS.fullmatch(each)]:
        raise UsageError(f"{where}: notify has {wrong[0]!r}, which is no mail address.")
    return tuple(dict.fromkeys(listed))

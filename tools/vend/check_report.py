"""What a check found, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from vend import deliver
from vend.alert_state import State
from vend.check import WORST, Report, iso
from vend.evaluate import Result, Row


def as_text(report: Report) -> str:
    """A small table, and a line that sums up."""
    lines = []
    for result in report.results:
        told = _told(result, report.states)
        lines += [f"{result.status:<10}{result.alert.name:<32}{told[0]}", *(f"{'':<42}{line}" for line in told[1:])]
    counts = [(status, sum(result.status == status for result in report.results)) for status in (*WORST, "not here")]
    summary = ", ".join(f"{number} {status}" for status, number in counts if number)
    checks, opened, sent = (
        f"{number} {what}{'' if number == 1 else 's'}"
        for number, what in ((len(report.results), "check"), (report.open, "alert"), (report.sent, "message"))
    )
    lines.append(f"{checks}: {summary}. {opened} open, {sent} sent.")
    return "\n".join(lines)


def _told(result: Result, states: Sequence[State]) -> list[str]:
    alert = result.alert
    unit = f" {alert.unit}" if alert.unit else ""
    limit = f"{unit} (alert at {alert.comparison} {alert.threshold})"
    if result.elsewhere:
        return [result.elsewhere]
    since = {s.subject: s.seen_at for s in states if s.alert == alert.name and s.status in ("pending", "open")}
    lines = [result.unknown] if result.unknown else []
    for row in result.beyond[: deliver.SHOWN]:
        begun = f", since {iso(since[row.subject])}" if row.subject in since else ""
        waits = f", told of after {alert.hold}" if row.subject in result.pending else ""
        detail = f", {row.detail}" if row.detail else ""
        lines.append(f"{row.subject}: {_number(row.value)}{limit}{detail}{begun}{waits}")
    if len(result.beyond) > deliver.SHOWN:
        lines.append(f"and {len(result.beyond) - deliver.SHOWN} more")
    if lines:
        return lines
    known = [row for row in result.rows if row.value is not None]
    if not known:
        return ["nothing to compare"]
    worst = (min if alert.comparison.startswith("<") else max)(known, key=lambda row: row.value or Decimal(0))
    of = f", the worst of {len(known)}" if len(known) > 1 else ""
    return [f"{worst.subject}: {_number(worst.value)}{limit}{of}"]


def _number(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:,}" if value.is_finite() else "∞"


def as_json(report: Report) -> str:
    """The report as one object. An infinite value, of what never happened, is null like an unknown one, and beyond."""
    since = {(s.alert, s.subject): s for s in report.states if s.status in ("pending", "open")}

    def row(result: Result, each: Row) -> dict[str, Any]:
        state = since.get((result.alert.name, each.subject))
        finite = each.value is not None and each.value.is_finite()
        return {
            "subject": each.subject,
            "value": float(each.value) if finite and each.value is not None else None,
            "beyond": each in result.beyond,
            "pending": each.subject in result.pending,
            "detail": each.detail,
            "since": iso(state.seen_at) if state else None,
        }

    listed = [
        {
            "name": result.alert.name,
            "status": result.status,
            "severity": result.alert.severity,
            "comparison": result.alert.comparison,
            "threshold": float(result.alert.threshold),
            "unit": result.alert.unit,
            "runbook": result.alert.runbook,
            "error": result.unknown if not result.elsewhere else None,
            "elsewhere": result.elsewhere,
            "rows": [row(result, each) for each in result.rows],
        }
        for result in report.results
    ]
    whole = {
        "status": report.status,
        "exit_code": report.exit_code,
        "at": iso(report.at),
        "alerts": listed,
        "alerts_open": report.open,
        "messages_sent": report.sent,
        "undelivered": report.undelivered,
        "notes": report.notes,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)

"""A report as text: for a terminal, as CSV, as JSON. Every number is exact."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import click
from rich.cells import cell_len

from vend.catalog import Report
from vend.reader import Table
from vend.report import Answer

NOTHING = "—"
# What a spreadsheet would run as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def listed(reports: Sequence[Report], form: str) -> str:
    """The names of the reports and what each is."""
    table = Table(["name", "side", "summary"], [(report.name, report.side, report.summary) for report in reports])
    if form != "table":
        return as_csv(table) if form == "csv" else _json({"ok": True, "reports": table.dicts()})
    formatter = click.HelpFormatter(width=min(shutil.get_terminal_size((120, 24)).columns, 120))
    for side, title in (("cold", "Cold, as of the last build"), ("hot", "Hot, minutes old")):
        with formatter.section(title):
            formatter.write_dl([(report.name, report.summary) for report in reports if report.side == side])
    return formatter.getvalue().lstrip("\n")


def printed(answer: Answer, form: str) -> str:
    """The answer in one of the formats, ending in a newline."""
    if form == "csv":
        return as_csv(answer.table)
    if form == "json":
        rows = [dict(zip(answer.table.columns, map(_exact, row), strict=True)) for row in answer.table.rows]
        head = {"ok": True, "report": answer.report.name, "as_of": _exact(answer.as_of), "more": answer.more}
        return _json({**head, "rows": rows})
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return as_text(answer.table, width) + _footer(answer)


def as_text(table: Table, width: int | None = None) -> str:
    """Aligned columns; where they do not fit into the width, a block of lines for each row."""
    cells = [[shown(value) for value in row] for row in table.rows]
    widths = [max(map(cell_len, column)) for column in zip(table.columns, *cells, strict=True)]
    if width is not None and cells and sum(widths) + 2 * (len(widths) - 1) > width:
        name = max(map(cell_len, table.columns))
        blocks = (
            "".join(f"{_left(column, name)}  {cell}\n" for column, cell in zip(table.columns, row, strict=True))
            for row in cells
        )
        return "\n".join(blocks)
    numbers = [any(_is_number(row[at]) for row in table.rows) for at in range(len(table.columns))]
    lines = [table.columns, ["-" * size for size in widths], *cells]
    return "".join(_line(line, widths, numbers) for line in lines)


def as_csv(table: Table) -> str:
    """RFC 4180. NULL is an empty field, an empty text is ""; a text that a spreadsheet would run gets an apostrophe."""
    lines = [table.columns, *([_field(value) for value in row] for row in table.rows)]
    return "".join(",".join(line) + "\r\n" for line in lines)


def shown(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    # what would move the cursor, or turn the direction of writing
    return "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def _field(value: Any) -> str:
    if value is None:
        return ""
    text = str(_exact(value)) if not isinstance(value, bool) else str(value).lower()
    if isinstance(value, str):
        text = f"'{value}" if value.lstrip(" \u3000").startswith(FORMULA) else value
        if not text or any(sign in text for sign in '",\r\n') or text != text.strip():
            return '"' + text.replace('"', '""') + '"'
    return text


def _exact(value: Any) -> Any:
    """For JSON and CSV: an amount as a text, for a reader of JSON would make a float of it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def _footer(answer: Answer) -> str:
    count = len(answer.table.rows)
    rows = f"{count:,} row{'' if count == 1 else 's'}"
    told = f"the first {rows}; --limit 0 for all" if answer.more else rows
    if any(None in row for row in answer.table.rows):
        told += f"; {NOTHING} is NULL: unknown, or nothing to tell"
    if answer.as_of:
        told += f"; as of {answer.as_of:%Y-%m-%d %H:%M} UTC"
    return f"\n({told})\n"


def _line(cells: Iterable[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    parts = [
        _right(cell, size) if number else _left(cell, size)
        for cell, size, number in zip(cells, widths, numbers, strict=True)
    ]
    return "  ".join(parts).rstrip() + "\n"


def _left(text: str, size: int) -> str:
    return text + " " * (size - cell_len(text))


def _right(text: str, size: int) -> str:
    return " " * (size - cell_len(text)) + text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

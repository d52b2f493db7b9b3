"""The tables of RAW as the dbt source file declares them: the one place that names their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from vend.errors import VendError
from vend.settings import Settings

FILE = "models/cold/staging/_raw__sources.yml"
SYNCED = "_fivetran_synced"
DELETED = "_fivetran_deleted"

TYPES = ("varchar", "integer", "bigint", "boolean", "timestamp", "date", "json")
MAX_DIGITS = 38
# Digits that hold every value of the type.
_WHOLE = {"integer": 10, "bigint": 19}


@dataclass(frozen=True)
class Column:
    """type: varchar, integer, bigint, decimal(p,s), boolean, timestamp (naive, UTC, microseconds), date or json."""

    name: str
    type: str


@dataclass(frozen=True)
class Table:
    """columns: those of the source, in order, without the two the sync adds. cursor: None where no column
    tells when a row changed. guard: "xmin", or None where only the cursor tells; then overlap is how far back
    each run reads again."""

    name: str
    columns: tuple[Column, ...]
    key: str
    cursor: str | None
    guard: str | None = "xmin"
    overlap: timedelta | None = None

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def type_of(self, name: str) -> str:
        return next(column.type for column in self.columns if column.name == name)


def tables(settings: Settings) -> list[Table]:
    """The tables of RAW, in the file's order. Raises VendError where the file is missing or incomplete, or
    declares a table whose changes cannot be seen."""
    import yaml

    path = settings.project / FILE
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where PyYAML has it
        document = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506
        raw = next(source for source in document["sources"] if source["name"] == "raw")
        return [_table(entry) for entry in raw["tables"]]
    except OSError as error:
        raise VendError(f"{path} cannot be read ({error.strerror}). Restore it from the repository.") from None
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, ValueError) as error:
        raise VendError(f"{path} does not declare RAW as the sync needs it ({error!r}). Mend it.") from None


def _table(entry: dict[str, Any]) -> Table:
    name, meta = entry["name"], entry["config"]["meta"]
    columns = tuple(
        Column(column["name"], normal(column["data_type"]))
        for column in entry["columns"]
        if column["name"] not in (SYNCED, DELETED)
    )
    guard = None if meta.get("guard", "none") == "none" else meta["guard"]
    overlap = _span(meta["overlap"]) if "overlap" in meta else None
    table = Table(name, columns, meta["key"], meta.get("cursor"), guard, overlap)
    if unknown := [column.type for column in columns if not known(column.type)]:
        raise ValueError(f"{name} has a column of type {unknown[0]}")
    for column in (table.key, table.cursor):
        if column is not None and column not in table.names:
            raise ValueError(f"{name}.{column} is no column")
    if table.cursor is not None and table.type_of(table.cursor) != "timestamp":
        raise ValueError(f"the cursor {name}.{table.cursor} is no timestamp")
    if guard not in ("xmin", None):
        raise ValueError(f"the guard of {name} is {guard}; it may be xmin or none")
    if guard is None and (table.cursor is None or overlap is None):
        raise VendError(
            f"{FILE} declares {name} without a way to see which rows changed, and a sync would lose some. "
            "Give it `guard: xmin`, or a `cursor` together with an `overlap` such as 2 hours."
        )
    if guard is not None and overlap is not None:
        raise ValueError(f"{name} has an overlap, which is for tables with `guard: none`")
    return table


def _span(text: object) -> timedelta:
    """2 hours, 90 minutes, 1 day, 30 seconds"""
    match = re.fullmatch(r"(\d+) (second|minute|hour|day)s?", str(text).strip())
    if match is None:
        raise ValueError(f"overlap {text!r} is not like `2 hours`")
    return timedelta(**{f"{match[2]}s": int(match[1])})


def known(name: str) -> bool:
    """Whether it is a type of RAW."""
    digits = decimal(name)
    return name in TYPES or (digits is not None and 0 <= digits[1] <= digits[0] <= MAX_DIGITS)


def normal(name: str) -> str:
    """A type as this module writes it: lower case, no spaces."""
    return re.sub(r"\s+", "", name).lower()


def decimal(name: str) -> tuple[int, int] | None:
    """(digits, digits after the point) of a decimal type; None for another type."""
    match = re.fullmatch(r"decimal\((\d+),(\d+)\)", name)
    return (int(match[1]), int(match[2])) if match else None


def joined(one: str, other: str) -> str | None:
    """The narrowest type that holds every value of both exactly; None where RAW has none.

    Whole numbers widen to longer ones and to decimals, decimals to larger ones, a date to a timestamp.
    """
    if one == other:
        return one
    if {one, other} == {"date", "timestamp"}:
        return "timestamp"
    if {one, other} == {"integer", "bigint"}:
        return "bigint"
    sizes = [decimal(name) or ((_WHOLE[name], 0) if name in _WHOLE else None) for name in (one, other)]
    if sizes[0] is None or sizes[1] is None:
        return None
    scale = max(size[1] for size in sizes if size)
    digits = scale + max(size[0] - size[1] for size in sizes if size)
    return f"decimal({digits},{scale})" if digits <= MAX_DIGITS else None

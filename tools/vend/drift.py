"""Drift: what a table is to be in RAW, from what is declared, what the source has and what RAW has already.

More is taken along: columns beyond the declared ones, wider types. Less is refused, table by table, with what to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from vend.contract import FILE, MAX_DIGITS, Column, Table, decimal, joined, known
from vend.errors import VendError
from vend.extract import Origin, Relation

RESERVED = "_fivetran_"


@dataclass(frozen=True)
class Fit:
    """table: with the columns and types RAW is to have. origin: where each comes from. added, widened: what RAW has
    not yet, where it has the table; every row must be read for an added column."""

    table: Table
    origin: Origin
    added: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()


def fit(table: Table, relation: Relation, raw: Mapping[str, str] | None) -> Fit:
    """raw: the columns of RAW's table, None where it does not exist. Raises VendError for a column that is gone,
    narrower, of another kind, or that has no place in RAW."""
    there = {name.lower(): name_type for name, name_type in (raw or {}).items()}
    columns: list[Column] = []
    origin: dict[str, tuple[str, str] | None] = {}
    for column in table.columns:
        columns.append(_declared(table, column, relation, there))
        origin[column.name] = (column.name, relation.fields[column.name])
    for name, kind in relation.fields.items():
        if name in origin:
            continue
        column = _undeclared(table, name, kind, there)
        if column.name in origin:
            raise VendError(
                f'{table.name} has the columns "{column.name}" and "{name}", which are one name in RAW. '
                "Rename one of them in the source and rerun."
            )
        columns.append(column)
        origin[column.name] = (name, kind)
    for name, kind in there.items():
        if name not in origin and not name.startswith(RESERVED) and known(kind):
            columns.append(Column(name, kind))
            origin[name] = None
    added = tuple(column.name for column in columns if raw is not None and column.name not in there)
    widened = tuple(column.name for column in columns if column.name in there and there[column.name] != column.type)
    return Fit(replace(table, columns=tuple(columns)), origin, added, widened)


def _declared(table: Table, column: Column, relation: Relation, there: Mapping[str, str]) -> Column:
    where = f"{table.name}.{column.name}"
    kind = relation.fields.get(column.name)
    if kind is None:
        raise VendError(
            f"The source has no column {where}: it was dropped or renamed. Add it back to the source, or take it out "
            f"of {FILE} and of the models that use it, and rerun."
        )
    found, wanted = natural(kind), column.type
    if not (decimal(wanted) and kind == "numeric"):  # of any size: each value is checked as it is read
        if joined(wanted, found) != found:
            raise VendError(
                f"{where} is {kind} in the source, which does not hold every {wanted}, as {FILE} declares it. "
                f"Change it back in the source, or declare it as {found} and rerun."
            )
        wanted = found
    return Column(column.name, _in_raw(table, column.name, wanted, there))


def _undeclared(table: Table, name: str, kind: str, there: Mapping[str, str]) -> Column:
    plain = re.sub(r"\W", "_", name.lower())
    if plain.startswith(RESERVED):
        raise VendError(
            f"The source has a column {table.name}.{name}, and names that begin with {RESERVED} are the loader's own "
            "in RAW. Rename it in the source and rerun."
        )
    return Column(plain, _in_raw(table, plain, natural(kind), there))


def _in_raw(table: Table, name: str, wanted: str, there: Mapping[str, str]) -> str:
    """The type that holds what RAW has and what is wanted."""
    has = there.get(name)
    if has is None:
        return wanted
    both = joined(has, wanted)
    if both is None:
        raise VendError(
            f"{table.name}.{name} is {has.lower()} in RAW, which cannot become {wanted}. "
            f"Drop or rename that column or table of RAW and run `vend sync {table.name} --full-refresh`."
        )
    return both


def natural(kind: str) -> str:
    """The type of RAW for a Postgres type; varchar, holding its text, where there is no other."""
    if match := re.fullmatch(r"numeric\((\d+),(-?\d+)\)", kind):
        digits, scale = int(match[1]), int(match[2])
        digits, scale = max(digits - min(scale, 0), scale), max(scale, 0)
        return f"decimal({digits},{scale})" if digits <= MAX_DIGITS else "varchar"
    if kind.startswith("timestamp"):
        return "varchar" if kind.endswith("[]") else "timestamp"
    return {
        "smallint": "integer",
        "integer": "integer",
        "bigint": "bigint",
        "boolean": "boolean",
        "date": "date",
        "json": "json",
        "jsonb": "json",
    }.get(kind, "varchar")

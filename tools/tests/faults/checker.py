"""RAW against the source: every row and column of the nine tables, types included, and the ledger with it.

It shares no code with the sync. One side is what psycopg reads, the other what DuckDB reads; the types of the columns
have to be the right ones, and every value the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg

TABLES = (
    "users",
    "garages",
    "passes",
    "subscriptions",
    "payments",
    "parked",
    "garage_daily_occupancy",
    "pass_price_history",
    "garage_admins",
)
TYPES = {
    "smallint": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "json": "JSON",
    "jsonb": "JSON",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP",
}

COLUMNS = """
select a.attname::text, format_type(a.atttypid, a.atttypmod)
from pg_attribute as a
where a.attrelid = ('public.' || %s::text)::regclass and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
UNFINISHED = """
select table_name, run_id
from ops.sync_runs
where
    status not in ('success', 'error')
    or (status = 'error') <> (error is not null)
    or (
        status = 'success'
        and (
            finished_at is null or rows_extracted is null or raw_rows is distinct from source_rows
            or rows_inserted is null or rows_updated is null or rows_deleted is null
            or raw_checksum is distinct from source_checksum
        )
    )
"""
TWICE = "select table_name, run_id from ops.sync_runs where status = 'success' group by all having count(*) > 1"
STAMPS = """
select distinct _fivetran_synced
from raw.{table}
where _fivetran_synced is null or _fivetran_synced not in (
    select started_at from ops.sync_runs where table_name = '{table}' and status = 'success'
)
"""
LAST = "select raw_rows from ops.sync_runs where table_name = ? and status = 'success' order by started_at desc limit 1"


@dataclass(frozen=True)
class Side:
    """One table on one side. columns: name and DuckDB type. rows: by key; doubled: keys there more than once."""

    columns: dict[str, str]
    rows: dict[str, tuple[Any, ...]]
    doubled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    rows: int
    differences: list[str]


def source(connection: psycopg.Connection[Any], names: Sequence[str] = TABLES) -> dict[str, Side]:
    """The tables as other sessions see them now, with the types their columns have to have in RAW."""
    sides = {}
    for table in names:
        found = connection.execute(COLUMNS, [table]).fetchall()
        wanted = {name: _raw_type(kind) for name, kind in found}
        read = connection.execute(f"select {', '.join(_read(*column) for column in found)} from public.{table}")
        sides[table] = _side(wanted, read.fetchall())
    return sides


def _raw_type(kind: str) -> str:
    if size := re.fullmatch(r"numeric(\(\d+,\d+\))", kind):
        return f"DECIMAL{size[1]}"
    return TYPES.get(kind, "VARCHAR")


def _read(name: str, kind: str) -> str:
    if kind == "timestamp with time zone":
        return f"\"{name}\" at time zone 'UTC'"
    return f'"{name}"::text' if _raw_type(kind) in ("VARCHAR", "JSON") else f'"{name}"'


def raw(path: Path, names: Sequence[str] = TABLES) -> dict[str, Side]:
    """RAW's tables without the rows marked as deleted; a table that is not there has no columns."""
    with duckdb.connect(path, read_only=True) as connection:
        return {table: _live(connection, table) for table in names}


def _live(connection: duckdb.DuckDBPyConnection, table: str) -> Side:
    listed = "select column_name, data_type from duckdb_columns() where schema_name = 'raw' and table_name = ?"
    columns = dict(connection.execute(f"{listed} order by column_index", [table]).fetchall())
    if not columns:
        return Side({}, {})
    names = [name for name in columns if not name.startswith("_fivetran_")]
    listed = ", ".join(f'"{name}"' for name in names)
    live = f"select {listed} from raw.{table} where _fivetran_deleted is distinct from true"
    rows = connection.execute(live).fetchall()
    twice = connection.execute(f"select id from raw.{table} group by id having count(*) > 1").fetchall()
    return _side({name: columns[name] for name in names}, rows, tuple(str(key) for (key,) in twice))


def _side(columns: dict[str, str], rows: list[tuple[Any, ...]], doubled: tuple[str, ...] = ()) -> Side:
    key = list(columns).index("id")
    return Side(columns, {str(row[key]): row for row in rows}, doubled)


def compare(table: str, wanted: Side, found: Side) -> Iterator[str]:
    """What differs between the source's table and RAW's, as sentences."""
    if not found.columns:
        yield f"{table} is not in RAW"
        return
    for name, kind in wanted.columns.items():
        if found.columns.get(name) != kind:
            yield f"{table}.{name} is {found.columns.get(name)} in RAW, and should be {kind}"
    for key in found.doubled:
        yield f"{table} {key} is there more than once"
    if wanted.columns == found.columns and wanted.rows == found.rows:
        return
    places = [(name, list(found.columns).index(name)) for name in wanted.columns if name in found.columns]
    sources = [(list(wanted.columns).index(name), place) for name, place in places]
    beyond = [place for place, name in enumerate(found.columns) if name not in wanted.columns]
    for key in wanted.rows.keys() | found.rows.keys():
        row, copy = wanted.rows.get(key), found.rows.get(key)
        if row is None or copy is None:
            yield f"{table} {key} is {'missing in' if copy is None else 'only in'} RAW"
            continue
        for (name, _), (here, there) in zip(places, sources, strict=True):
            if row[here] != copy[there]:
                yield f"{table}.{name} of {key} is {copy[there]!r} in RAW, and should be {row[here]!r}"
        if any(copy[place] is not None for place in beyond):
            yield f"{table} {key} has a value in a column that the source has not"


def ledger(path: Path, names: Sequence[str] = TABLES) -> Iterator[str]:
    """What is wrong with ops.sync_runs, or with RAW's rows according to it."""
    with duckdb.connect(path, read_only=True) as connection:
        there = "select table_name from duckdb_tables() where schema_name = ?"
        if not connection.execute(f"{there} and table_name = 'sync_runs'", ["ops"]).fetchall():
            return
        for table, run in connection.execute(UNFINISHED).fetchall():
            yield f"the ledger row of {table} in run {run} is unfinished"
        for table, run in connection.execute(TWICE).fetchall():
            yield f"{table} is there twice in run {run}"
        tables = {table for (table,) in connection.execute(there, ["raw"]).fetchall()}
        for table in tables & set(names):
            for (stamp,) in connection.execute(STAMPS.format(table=table)).fetchall():
                yield f"{table} has rows of {stamp}, of which the ledger knows nothing"
            live = connection.execute(f"select count(*) from raw.{table} where not _fivetran_deleted").fetchall()[0]
            last = connection.execute(LAST, [table]).fetchone()
            if live != (last or (0,)):
                yield f"{table} has {live[0]} live rows, and its last ledger row says {last and last[0]}"


def settled(connection: psycopg.Connection[Any], path: Path, stage: Path, names: Sequence[str] = TABLES) -> Result:
    """After a sync that succeeded: RAW is the source, the ledger is whole, and no staged file is left."""
    wanted, found = source(connection, names), raw(path, names)
    wrong = [line for table in names for line in compare(table, wanted[table], found[table])]
    wrong += ledger(path, names)
    wrong += [f"{left} is left in the stage" for left in stage.glob("*")]
    return Result(sum(len(side.rows) for side in wanted.values()), wrong)


def untorn(path: Path, before: dict[str, Side], after: dict[str, Side]) -> Result:
    """After a sync that died: each table is as it was before or as it is in the source now, never in between."""
    found = raw(path, list(after))
    wrong = list(ledger(path, list(after)))
    for table, side in found.items():
        old = side == before[table] if table in before else not side.rows
        if not old and (first := next(compare(table, after[table], side), None)):
            wrong.append(f"{table} is neither as before nor as in the source: {first}")
    return Result(sum(len(side.rows) for side in found.values()), wrong)

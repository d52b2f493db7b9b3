"""Reading the source: what a run may read, which rows changed, and the way of those rows into Parquet.

Everything a run reads comes from one REPEATABLE READ snapshot, so the tables agree with each other. Rows go
from COPY through Arrow into Parquet a few megabytes at a time; none becomes a Python object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import errors, sql

from vend import postgres
from vend.contract import Column, Table
from vend.errors import VendError
from vend.postgres import Connection

SCHEMA = "public"
CHUNK_BYTES = 2 << 20
FILE_BYTES = 128 << 20
LOCK_SECONDS = 30
XIDS = 1 << 32

_CHECK = (Path(__file__).parent / "extract_check.sql").read_text(encoding="utf-8")
_SNAPSHOT = (Path(__file__).parent / "extract_snapshot.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Snapshot:
    """identity: cluster, timeline and database, None where not permitted to ask.
    xmin, xmax: 64-bit transaction ids. Every row written by one below xmin is decided and visible, or gone;
    every row visible was written by one below xmax."""

    identity: str | None
    xmin: int
    xmax: int


@dataclass(frozen=True)
class Batch:
    """Parquet files with the columns asked for, and how many rows they hold."""

    files: tuple[Path, ...]
    rows: int


@contextmanager
def source(dsn: str, tables: Sequence[Table], variable: str = "VEND_SOURCE_DSN") -> Iterator[Connection]:
    """A connection that may read these tables, all of their columns and all of their rows.

    variable: where the DSN is from, for messages. Raises VendError where a table is missing, forbidden or
    filtered by row security.
    """
    with postgres.connect(dsn, variable, autocommit=True) as connection:
        with postgres.explained("The source cannot be checked", dsn):
            connection.execute("set statement_timeout = 0")
            connection.execute("set idle_in_transaction_session_timeout = 0")
            connection.execute(f"set lock_timeout = '{LOCK_SECONDS}s'")
            # A policy that would hide rows raises an error rather than hiding them.
            connection.execute("set row_security = off")
            _check(connection, dsn, tables)
        yield connection


def _check(connection: Connection, dsn: str, tables: Sequence[Table]) -> None:
    names = [table.name for table in tables]
    found = {
        name: (set(columns), usable, filtered)
        for name, columns, usable, filtered in connection.execute(_CHECK, {"schema": SCHEMA, "tables": names})
    }
    if missing := [name for name in names if name not in found]:
        raise VendError(
            f"{postgres.where(dsn)} has no table {_list(missing)}. "
            "Check the DSN, or create the operational schema with `vend source init`."
        )
    absent = [f"{table.name}.{name}" for table in tables for name in table.names if name not in found[table.name][0]]
    if absent:
        raise VendError(
            f"{postgres.where(dsn)} has no column {_list(absent)}. "
            "Add it to the source, or take it out of models/cold/staging/_raw__sources.yml."
        )
    if forbidden := [name for name in names if not found[name][1]]:
        user = connection.info.user
        raise VendError(
            f"{user} may not read {_list(forbidden)} at {postgres.where(dsn)}. Run there: "
            f'grant usage on schema {SCHEMA} to "{user}"; '
            f'grant select on {", ".join(f"{SCHEMA}.{name}" for name in forbidden)} to "{user}";'
        )
    if filtered := [name for name in names if found[name][2]]:
        user = connection.info.user
        raise VendError(
            f"Row security hides rows of {_list(filtered)} from {user}, so a sync would lose them. "
            f'Run at {postgres.where(dsn)} as a superuser: alter role "{user}" bypassrls;'
        )


@contextmanager
def snapshot(connection: Connection, dsn: str) -> Iterator[Snapshot]:
    """The one read-only transaction of a run, with its snapshot taken."""
    with postgres.explained("The source cannot be read", dsn):
        connection.execute("begin transaction isolation level repeatable read, read only")
    try:
        with postgres.explained("The source cannot be read", dsn):
            allowed = connection.execute(
                "select has_function_privilege('pg_control_system()', 'execute')"
                " and has_function_privilege('pg_control_checkpoint()', 'execute')"
            ).fetchone()
            identity = None
            if allowed and allowed[0]:
                row = connection.execute(_SNAPSHOT).fetchone()
                identity = row[0] if row else None
            row = connection.execute(
                "select pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint"
                " from pg_current_snapshot() as s"
            ).fetchone()
        assert row is not None
        yield Snapshot(identity, row[0], row[1])
    finally:
        if not connection.closed:
            connection.rollback()


def changed(table: Table, now: Snapshot, watermark: datetime | None, horizon: int) -> sql.Composable:
    """The condition under which a row may have changed since the snapshot whose xmin was `horizon`.

    A row's xmin is the low half of its transaction's id, hence the arithmetic modulo 2^32: it finds every row
    written at or after the horizon, and now and then one written a multiple of 2^32 before.
    """
    guard = sql.SQL("(({xmax} - xmin::text::bigint) & {mask}) <= {span}").format(
        xmax=sql.Literal(now.xmax), mask=sql.Literal(XIDS - 1), span=sql.Literal(now.xmax - horizon)
    )
    if table.cursor is None or watermark is None:
        return guard
    return sql.SQL("({cursor} > {watermark}::timestamp or {guard})").format(
        cursor=sql.Identifier(table.cursor), watermark=sql.Literal(watermark.isoformat()), guard=guard
    )


def count(connection: Connection, table: Table, where: sql.Composable | None = None) -> int:
    """Rows of the table in the snapshot, or those of them that meet the condition."""
    row = connection.execute(sql.SQL("select count(*)") + _from(table, where)).fetchone()
    assert row is not None
    return int(row[0])


def size(connection: Connection, table: Table, where: sql.Composable | None = None) -> tuple[int, int]:
    """(rows, bytes as Postgres stores them) that an extract would read."""
    query = sql.SQL("select count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint")
    row = connection.execute(query + _from(table, where)).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def extract(
    connection: Connection,
    table: Table,
    folder: Path,
    *,
    where: sql.Composable | None = None,
    columns: Sequence[Column] | None = None,
    report: Callable[[int], None] = lambda rows: None,
) -> Batch:
    """Write the rows that meet the condition to zstd Parquet files in `folder`.

    report: called with the rows written so far. Raises VendError for a value RAW cannot hold.
    """
    columns = table.columns if columns is None else columns
    selected = sql.SQL(", ").join(_selected(column) for column in columns)
    statement = (
        sql.SQL("copy (select ") + selected + _from(table, where) + sql.SQL(") to stdout (format csv, encoding 'UTF8')")
    )
    folder.mkdir(parents=True)
    writer = _Writer(table.name, columns, folder)
    # A transaction inside one is a savepoint: a table that fails leaves the snapshot usable for the others.
    with connection.transaction(), connection.cursor() as cursor, writer, ThreadPoolExecutor(1) as worker:
        pending: Future[int] | None = None
        with cursor.copy(statement) as copy:
            for chunk in _chunks(copy):
                if pending is not None:
                    report(pending.result())
                pending = worker.submit(writer.write, chunk)
            if pending is not None:
                report(pending.result())
        rows = writer.rows
        if rows != cursor.rowcount:
            raise VendError(
                f"Postgres sent {cursor.rowcount} rows and {rows} were written. "
                "Rerun, and report it if it happens again."
            )
    return Batch(tuple(writer.files), rows)


def _chunks(copy: Any) -> Iterator[bytes]:
    """Whole rows, joined to a few megabytes: Postgres sends each row as one message."""
    parts: list[bytes] = []
    held = 0
    for message in copy:
        parts.append(message)
        held += len(message)
        if held >= CHUNK_BYTES:
            yield b"".join(parts)
            parts, held = [], 0
    if parts:
        yield b"".join(parts)


class _Writer:
    """Parquet files of one extract, a new one every FILE_BYTES."""

    def __init__(self, name: str, columns: Sequence[Column], folder: Path) -> None:
        import pyarrow

        self.name = name
        self.columns = columns
        self.folder = folder
        self.schema = pyarrow.schema([(column.name, _arrow_type(column.type)) for column in columns])
        self.files: list[Path] = []
        self.rows = 0
        self._sink: Any = None
        self._parquet: Any = None

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def write(self, chunk: bytes) -> int:
        """Add rows in Postgres' CSV; returns the rows written so far."""
        from pyarrow import parquet

        if self._parquet is None:
            path = self.folder / f"{len(self.files):05}.parquet"
            self._sink = path.open("wb")
            self._parquet = parquet.ParquetWriter(self._sink, self.schema, compression="zstd", use_dictionary=False)
            self.files.append(path)
        table = self._parse(chunk)
        self._parquet.write_table(table)
        self.rows += table.num_rows
        if self._sink.tell() >= FILE_BYTES:
            self._close()
        return self.rows

    def _parse(self, chunk: bytes) -> Any:
        import pyarrow
        from pyarrow import csv

        try:
            return csv.read_csv(
                pyarrow.BufferReader(chunk),
                read_options=csv.ReadOptions(column_names=self.schema.names, block_size=len(chunk) + 1),
                parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                convert_options=csv.ConvertOptions(
                    column_types=self.schema,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,  # '' is a text, an unquoted nothing is NULL
                    true_values=["t"],
                    false_values=["f"],
                ),
            )
        except pyarrow.ArrowInvalid as error:
            raise VendError(self._explained(str(error))) from None

    def _explained(self, message: str) -> str:
        match = re.search(r"In CSV column #(\d+): (.*)", message)
        if match is None:
            return f"A row could not be read ({message.splitlines()[0]}). Report it."
        column = self.columns[int(match[1])]
        if column.type in ("varchar", "json"):
            return f"{self.name}.{column.name} holds text that is not UTF-8. Mend it in the source and rerun."
        value = re.search(r"'([^']*)'", match[2])
        held = f"the value {value[1]}" if value else "a value"
        return (
            f"{self.name}.{column.name} holds {held}, which {column.type} in RAW cannot hold. "
            "Mend the row in the source and rerun."
        )

    def _close(self) -> None:
        if self._parquet is not None:
            try:
                self._parquet.close()
            finally:
                self._sink.close()
                self._parquet = self._sink = None


def _arrow_type(name: str) -> Any:
    import pyarrow

    if match := re.fullmatch(r"decimal\((\d+), *(\d+)\)", name):
        return pyarrow.decimal128(int(match[1]), int(match[2]))
    return {
        "varchar": pyarrow.string(),
        "json": pyarrow.string(),
        "integer": pyarrow.int32(),
        "bigint": pyarrow.int64(),
        "boolean": pyarrow.bool_(),
        "timestamp": pyarrow.timestamp("us"),
    }[name]


def _selected(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return name + sql.SQL("::timestamp") if column.type == "timestamp" else name


def _from(table: Table, where: sql.Composable | None) -> sql.Composed:
    clause = sql.SQL(" from {} as t").format(sql.Identifier(SCHEMA, table.name))
    return clause if where is None else clause + sql.SQL(" where ") + where


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def failure(error: BaseException, table: str, dsn: str) -> str | None:
    """A foreseeable failure of one table as a sentence; None for one that is not foreseeable."""
    if isinstance(error, VendError):
        return str(error)
    if isinstance(error, OSError):
        return (
            f"The rows could not be staged ({error.strerror or error}). RAW is as it was; "
            "free some space in VEND_HOME, or mend its permissions, and rerun."
        )
    if isinstance(error, errors.LockNotAvailable):
        return f"Another session of the source has held a lock on {table} for over {LOCK_SECONDS} s. Rerun later."
    if isinstance(error, errors.Error):
        try:
            with postgres.explained("The table cannot be read", dsn):
                raise error
        except VendError as explained:
            return str(explained)
    return None

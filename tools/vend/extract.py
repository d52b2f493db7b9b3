"""Reading the source: what a run may read, which rows changed, and the way of those rows into Parquet.

Everything a run reads comes from one REPEATABLE READ snapshot, so the tables agree with each other. Rows go
from COPY through Arrow into Parquet a few megabytes at a time; none becomes a Python object.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import errors, sql
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

from vend import postgres
from vend.contract import Column, Table, decimal
from vend.errors import VendError
from vend.postgres import Connection

SCHEMA = "public"
CHUNK_BYTES = 2 << 20
FILE_BYTES = 128 << 20
LOCK_SECONDS = 30
FLUSH_SECONDS = 60
XIDS = 1 << 32
MOMENT = "YYYY-MM-DD HH24:MI:SS.US"

_HERE = Path(__file__).parent
_CHECK = (_HERE / "extract_check.sql").read_text(encoding="utf-8")
_RELATIONS = (_HERE / "extract_relations.sql").read_text(encoding="utf-8")
_SNAPSHOT = (_HERE / "extract_snapshot.sql").read_text(encoding="utf-8")
# What decides how values read as text, in the transaction itself: a role may have its own, and a pooler may hand it to
# another session than the one that was set up.
_PLAIN = (
    "set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres';"
    " set local bytea_output = 'hex'; set local extra_float_digits = 1; set local row_security = off;"
    # Where vacuum is behind, an index-only scan looks each row up in the table: after 140,000 of ten million rows had
    # been corrected here and there, count(*) took 22 seconds instead of 1.4.
    " set local enable_indexonlyscan = off"
)
_FLUSHED = (_HERE / "extract_flushed.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Relation:
    """A table or view of the source. fields: each column's name and Postgres type, in order. parts: the tables
    whose rows it shows. shape: another one means that values may have changed without a row being written."""

    fields: Mapping[str, str]
    parts: tuple[str, ...]
    shape: str


@dataclass(frozen=True)
class Snapshot:
    """identity: cluster and timeline, where permitted to ask, database, and when the server was started.
    xmin, xmax: 64-bit transaction ids. Every row written by one below xmin is decided and visible, or gone;
    every row visible was written by one below xmax.
    name: by which a second connection may read from the same snapshot, None where the source gives none.
    wal: how far the source had written its log by then, None for a standby, which has only what is on disk.
    relations: what there is of the tables asked for. refused: why a table cannot be read, in a sentence."""

    identity: str
    xmin: int
    xmax: int
    name: str | None = None
    wal: str | None = None
    relations: Mapping[str, Relation] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Parquet files with the columns asked for, and how many rows they hold."""

    files: tuple[Path, ...]
    rows: int


Origin = Mapping[str, tuple[str, str] | None]
"""Name and Postgres type of the source's column by the name RAW gives it; None where the source has it no more.
A column that is not there is its own namesake."""


@dataclass(frozen=True)
class Proof:
    """What Postgres itself counts: rows of the table, those of them that changed, and the changed ones' checksum."""

    rows: int
    changed: int
    checksum: int


@contextmanager
def source(dsn: str, tables: Sequence[Table], variable: str = "VEND_SOURCE_DSN") -> Iterator[Connection]:
    """A connection that may read these tables, all of their columns and all of their rows.

    variable: where the DSN is from, for messages. Raises VendError where a table is missing, forbidden,
    filtered by row security, or of a kind whose changes cannot be seen.
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
    parameters = {"schema": SCHEMA, "tables": names}
    found = {row[0]: row[1:] for row in connection.execute(_CHECK, parameters)}
    if missing := [name for name in names if name not in found]:
        raise VendError(
            f"{postgres.where(dsn)} has no table {_list(missing)}. "
            "Check the DSN, or create the operational schema with `vend source init`."
        )
    for table in tables:
        kind, _, _, foreign = found[table.name]
        if kind in "mf" or foreign:
            what = "a materialized view" if kind == "m" else "a foreign table or has one among its partitions"
            raise VendError(
                f"{table.name} at {postgres.where(dsn)} is {what}, which no snapshot covers. "
                "Sync reads tables, partitioned tables and views: point it at the database that holds the rows."
            )
        if kind == "v" and table.guard is not None:
            raise VendError(
                f"{table.name} at {postgres.where(dsn)} is a view, and its rows have no xmin to tell which changed. "
                "Declare `guard: none` with a cursor and an overlap in models/cold/staging/_raw__sources.yml."
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
def snapshot(connection: Connection, dsn: str, tables: Sequence[Table] = ()) -> Iterator[Snapshot]:
    """The one read-only transaction of a run, with its snapshot taken."""
    with postgres.explained("The source cannot be read", dsn):
        connection.execute("begin transaction isolation level repeatable read, read only")
        connection.execute(_PLAIN)
    try:
        # Before the snapshot: to one taken earlier, a table that was rewritten or truncated since looks empty.
        refused = {table.name: why for table in tables if (why := _locked(connection, table, dsn))}
        with postgres.explained("The source cannot be read", dsn):
            now = _taken(connection, tables, refused)
        yield now
    finally:
        if not connection.closed:
            connection.rollback()


def _locked(connection: Connection, table: Table, dsn: str) -> str | None:
    """Keep the table from being rewritten until the end of the transaction; else why that failed."""
    try:
        with connection.transaction():
            connection.execute(sql.SQL("lock table {} in access share mode").format(sql.Identifier(SCHEMA, table.name)))
    except errors.Error as error:
        return failure(error, table.name, dsn)
    return None


def _taken(connection: Connection, tables: Sequence[Table], refused: Mapping[str, str]) -> Snapshot:
    row = connection.execute(
        "select pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,"
        " case when not pg_is_in_recovery() then pg_current_wal_insert_lsn()::text end,"
        " has_function_privilege('pg_control_system()', 'execute')"
        " and has_function_privilege('pg_control_checkpoint()', 'execute'),"
        # A copy of the data folder and one put back from a backup are the same to the line of history, but not to this.
        " concat((select oid from pg_catalog.pg_database where datname = current_database()), '/',"
        " (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint)"
        " from pg_current_snapshot() as s"
    ).fetchone()
    assert row is not None
    xmin, xmax, wal, allowed, place = row
    shared = connection.execute("select pg_export_snapshot()").fetchone()
    assert shared is not None
    told = connection.execute(_SNAPSHOT).fetchone() if allowed else None
    found = connection.execute(_RELATIONS, {"schema": SCHEMA, "tables": [table.name for table in tables]})
    relations = {
        name: Relation(dict(zip(names, types, strict=True)), tuple(parts), shape)
        for name, names, types, parts, shape in found
    }
    return Snapshot(f"{told[0] if told else '?'}/{place}", xmin, xmax, shared[0], wal, relations, refused)


@contextmanager
def beside(dsn: str, now: Snapshot, variable: str) -> Iterator[Connection | None]:
    """A second connection on the run's snapshot, to count and hash while the first one copies; None where there is
    none to be had."""
    try:
        second = postgres.connect(dsn, variable, autocommit=True)
    except VendError:  # no connection left, perhaps; the first one can do it all
        yield None
        return
    with closing(second):
        try:
            second.execute("set statement_timeout = 0")
            second.execute("set idle_in_transaction_session_timeout = 0")
            # Behind a migration that waits for the first connection it would wait for ever.
            second.execute("set lock_timeout = '1s'")
            second.execute("set max_parallel_workers_per_gather = 0")
            second.execute("set row_security = off")
            if now.wal is not None and not _flushed(second, now.wal):
                # The log's tail may be of nobody who waits for the disk; an empty transaction has it written out.
                second.execute("select pg_current_xact_id()")
            second.execute("begin transaction isolation level repeatable read, read only")
            second.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(now.name)))
            second.execute(_PLAIN)
        except errors.Error:
            yield None
            return
        yield second  # closing it ends its transaction


def durable(connection: Connection, now: Snapshot) -> None:
    """Return once everything the snapshot shows is on the source's disk.

    With synchronous_commit = off a crash may take transactions back that were read here, and their ids are given out
    again; a ledger row that knows them would hide what comes after. Raises VendError if it takes too long.
    """
    deadline = time.monotonic() + FLUSH_SECONDS
    while now.wal is not None:
        if _flushed(connection, now.wal):
            return
        if time.monotonic() > deadline:
            raise VendError(
                f"The source has not written its log to disk for {FLUSH_SECONDS} s, so a crash there could still "
                "undo what was read. RAW is as it was; look at the source's disk and wal_writer_delay, and rerun."
            )
        time.sleep(0.02)


def _flushed(connection: Connection, wal: str) -> bool:
    return connection.execute(_FLUSHED, {"wal": wal}).fetchone() == (True,)


def changed(
    table: Table, now: Snapshot, watermark: datetime | None, horizon: int | None, fresh: Sequence[str] = ()
) -> sql.Composable:
    """The condition under which a row may have changed since the snapshot whose xmin was `horizon`.

    A row's xmin is the low half of its transaction's id, hence the arithmetic modulo 2^32: it finds every row
    written at or after the horizon, and now and then one written a multiple of 2^32 before.
    fresh: partitions attached since; their rows may be older than the horizon.
    """
    moment = sql.Literal(watermark.isoformat()) if watermark else None
    if table.guard is None:
        assert table.cursor is not None
        assert table.overlap is not None
        cursor = sql.Identifier(table.cursor)
        return sql.SQL(
            "({cursor} >= {moment}::timestamp - {overlap} * interval '1 second' or {cursor} is null)"
        ).format(cursor=cursor, moment=moment, overlap=sql.Literal(table.overlap.total_seconds()))
    assert horizon is not None
    tests = [
        sql.SQL("(({xmax} - xmin::text::bigint) & {mask}) <= {span}").format(
            xmax=sql.Literal(now.xmax), mask=sql.Literal(XIDS - 1), span=sql.Literal(now.xmax - horizon)
        )
    ]
    if table.cursor is not None and moment is not None:
        tests.append(sql.SQL("{} > {}::timestamp").format(sql.Identifier(table.cursor), moment))
    if fresh:
        tests.append(sql.SQL("t.tableoid = any({}::oid[])").format(sql.Literal(list(fresh))))
    return sql.SQL("(") + sql.SQL(" or ").join(tests) + sql.SQL(")")


def prove(connection: Connection, table: Table, origin: Origin, where: sql.Composable | None = None) -> Proof:
    """Count and hash in Postgres, independently of the rows that COPY sent."""
    key = text(Column(table.key, table.type_of(table.key)), origin)
    moment = text(Column(table.cursor, "timestamp"), origin) if table.cursor else sql.SQL("null")
    hash_of = hashed(connection, key + sql.SQL(" || '|' || coalesce(") + moment + sql.SQL(", '')"))
    # The condition costs more than the scan, and is worked out once a row here.
    everything = (
        sql.SQL("count(*)") if where is None else sql.SQL("(select count(*)") + _from(table, None) + sql.SQL(")")
    )
    query = sql.SQL("select {everything}, count(*), sum({hash})").format(everything=everything, hash=hash_of)
    with connection.transaction():
        row = connection.execute(query + _from(table, where)).fetchone()
    assert row is not None
    return Proof(row[0], row[1], int(row[2] or 0))


def hashed(connection: Connection, value: sql.Composable) -> sql.Composable:
    """The low 60 bits of a text's md5, as a bigint."""
    # Postgres reads hexadecimal numbers since 16, in a quarter of the time.
    form = "('0x' || {})::bigint" if connection.info.server_version >= 160000 else "('x' || {})::bit(60)::bigint"
    return sql.SQL(form.format("right(md5(convert_to({}, 'UTF8')), 15)")).format(value)


def count(connection: Connection, table: Table, where: sql.Composable | None = None) -> int:
    """Rows of the table in the snapshot, or those of them that meet the condition."""
    row = connection.execute(sql.SQL("select count(*)") + _from(table, where)).fetchone()
    assert row is not None
    return int(row[0])


def select(
    connection: Connection,
    table: Table,
    query: sql.Composable,
    where: sql.Composable | None = None,
    group: str | None = None,
) -> list[tuple[Any, ...]]:
    """What a query without its `from` gives for the table. group: what to group by."""
    text_of = query + _from(table, where) + sql.SQL(f" group by {group}" if group else "")
    with connection.transaction():
        return connection.execute(text_of).fetchall()


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
    origin: Origin | None = None,
    compression: str = "zstd",
    report: Callable[[int], None] = lambda rows: None,
) -> Batch:
    """Write the rows that meet the condition to Parquet files in `folder`.

    report: called with the rows written so far. Raises VendError for a value RAW cannot hold.
    """
    columns = table.columns if columns is None else columns
    selected = sql.SQL(", ").join(value(column, origin or {}) for column in columns)
    statement = (
        sql.SQL("copy (select ") + selected + _from(table, where) + sql.SQL(") to stdout (format csv, encoding 'UTF8')")
    )
    folder.mkdir(parents=True)
    writer = _Writer(table.name, columns, folder, compression)
    # A transaction inside one is a savepoint: a table that fails leaves the snapshot usable for the others.
    with connection.transaction(), connection.cursor() as cursor, writer, ThreadPoolExecutor(1) as worker:
        pending: Future[int] = worker.submit(writer.prepare)
        with cursor.copy(statement):
            chunks = _Chunks(connection)
            for chunk in chunks:
                report(pending.result())
                pending = worker.submit(writer.write, chunk)
            report(pending.result())
        rows = writer.rows
        if rows != chunks.sent:
            raise VendError(
                f"Postgres sent {chunks.sent} rows and {rows} were written. Rerun, and report it if it happens again."
            )
    return Batch(tuple(writer.files), rows)


class _Chunks:
    """The rows of the COPY in progress, whole ones joined to a few megabytes. sent: how many Postgres says there were,
    known at the end. Raises psycopg's error for what ended it before.

    Postgres sends each row as a message of its own, and psycopg's loop makes two generators and a wait for each, which
    costs more than to parse it; hence its libpq is asked directly.
    """

    def __init__(self, connection: Connection) -> None:
        self.sent: int | None = None
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        take = self._connection.pgconn.get_copy_data
        parts: list[memoryview] = []
        held = 0
        while (message := take(1))[0] >= 0:
            size, row = message
            if not size:
                self._connection.wait(self._more())
                continue
            parts.append(row)
            held += size
            if held >= CHUNK_BYTES:
                yield b"".join(parts)
                parts, held = [], 0
        if parts:
            yield b"".join(parts)
        self.sent = self._connection.wait(self._ended())

    def _more(self) -> PQGen[None]:
        while not (yield Wait.R):
            pass
        self._connection.pgconn.consume_input()

    def _ended(self) -> PQGen[int | None]:
        server = self._connection.pgconn
        results = []
        while True:
            while server.is_busy():
                yield from self._more()
            if (result := server.get_result()) is None:
                break
            results.append(result)
        for result in results:
            if result.status != ExecStatus.COMMAND_OK:
                raise errors.error_from_result(result, encoding=self._connection.info.encoding)
        return results[0].command_tuples if results else None


class _Writer:
    """Parquet files of one extract, a new one every FILE_BYTES."""

    def __init__(self, name: str, columns: Sequence[Column], folder: Path, compression: str) -> None:
        self.name = name
        self.columns = columns
        self.folder = folder
        self.compression = compression
        self.schema: Any = None
        self.files: list[Path] = []
        self.rows = 0
        self._sink: Any = None
        self._parquet: Any = None

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def prepare(self) -> int:
        """What takes a while and needs no rows; returns 0."""
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet

        self.schema = pyarrow.schema([(column.name, _arrow_type(column.type)) for column in self.columns])
        return 0

    def write(self, chunk: bytes) -> int:
        """Add rows in Postgres' CSV; returns the rows written so far."""
        from pyarrow import parquet

        if self._parquet is None:
            path = self.folder / f"{len(self.files):05}.parquet"
            self._sink = path.open("wb")
            self._parquet = parquet.ParquetWriter(
                self._sink, self.schema, compression=self.compression, use_dictionary=False, write_statistics=False
            )
            self.files.append(path)
        table = self._parse(chunk)
        self._parquet.write_table(table)
        self.rows += table.num_rows
        if self._sink.tell() >= FILE_BYTES:
            self._close()
        return self.rows

    def _parse(self, chunk: bytes) -> Any:
        import pyarrow

        try:
            return _read(chunk, self.schema)
        except pyarrow.ArrowInvalid as error:
            raise VendError(self._explained(str(error), chunk)) from None

    def _explained(self, message: str, chunk: bytes) -> str:
        match = re.search(r"In CSV column #(\d+): (.*)", message)
        if match is None:
            return f"A row could not be read ({message.splitlines()[0]}). Report it."
        column = self.columns[int(match[1])]
        if column.type in ("varchar", "json"):
            return f"{self.name}.{column.name} holds text that is not UTF-8. Mend it in the source and rerun."
        return (
            f"{self.name}.{column.name} holds {self._culprit(column, chunk)}, which {column.type} in RAW cannot hold. "
            "Mend the row in the source and rerun."
        )

    def _culprit(self, column: Column, chunk: bytes) -> str:
        """The first value of the column that cannot be read, and the first column of its row, mostly its key."""
        import pyarrow

        texts = _read(chunk, pyarrow.schema([(name, pyarrow.binary()) for name in self.schema.names]))
        kind = pyarrow.schema([(column.name, _arrow_type(column.type))])
        for first, value in zip(texts[self.columns[0].name], texts[column.name], strict=True):
            try:
                _read((value.as_py() or b"") + b"\n", kind)
            except pyarrow.ArrowInvalid:
                shown, row = (str(scalar.as_py(), "utf-8", "replace")[:80] for scalar in (value, first))
                return f"the value {shown} (where {self.columns[0].name} is {row})"
        return "a value"

    def _close(self) -> None:
        if self._parquet is not None:
            try:
                self._parquet.close()
            finally:
                self._sink.close()
                self._parquet = self._sink = None


def _read(chunk: bytes, schema: Any) -> Any:
    """Rows in Postgres' CSV as an Arrow table. Raises ArrowInvalid for a value that does not fit the schema."""
    import pyarrow
    from pyarrow import csv

    return csv.read_csv(
        pyarrow.BufferReader(chunk),
        read_options=csv.ReadOptions(column_names=schema.names, block_size=len(chunk) + 1),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # '' is a text, an unquoted nothing is NULL
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _arrow_type(name: str) -> Any:
    import pyarrow

    if digits := decimal(name):
        return pyarrow.decimal128(*digits)
    return {
        "varchar": pyarrow.string(),
        "json": pyarrow.string(),
        "integer": pyarrow.int32(),
        "bigint": pyarrow.int64(),
        "boolean": pyarrow.bool_(),
        "timestamp": pyarrow.timestamp("us"),
        "date": pyarrow.date32(),
    }[name]


def value(column: Column, origin: Origin) -> sql.Composable:
    """What COPY sends for a column: itself, or text that loses nothing where RAW has no type for it."""
    found = origin.get(column.name, (column.name, ""))
    if found is None:
        return sql.SQL("null")
    name = sql.Identifier(found[0])
    if column.type == "timestamp":
        return name + sql.SQL("::timestamp")
    if column.type not in ("varchar", "json"):
        return name
    if found[1].startswith("character("):  # a cast would take the blanks off its end
        return sql.SQL("textin(bpcharout({}))").format(name)
    if found[1] in ("uuid", "text") or found[1].startswith("character varying"):  # its text as it is
        return name
    return name + sql.SQL("::text")


def text(column: Column, origin: Origin) -> sql.Composable:
    """A column as every engine writes it, for checksums."""
    plain = value(column, origin)
    if column.type == "timestamp":
        return sql.SQL("to_char({}, {})").format(plain, sql.Literal(MOMENT))
    if column.type == "date":
        return sql.SQL("to_char({}, 'YYYY-MM-DD')").format(plain)
    if digits := decimal(column.type):
        return sql.SQL("({}::numeric({}, {}))::text").format(plain, *map(sql.Literal, digits))
    return sql.SQL("({})::text").format(plain)


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
    if isinstance(error, errors.SerializationFailure) and "recovery" in str(error):
        return (
            f"The standby ended the read of {table}, for it had to replay a change of its primary. "
            "Set hot_standby_feedback = on or a longer max_standby_streaming_delay there, and rerun."
        )
    if isinstance(error, errors.Error):
        try:
            with postgres.explained("The table cannot be read", dsn):
                raise error
        except VendError as explained:
            return str(explained)
    return None

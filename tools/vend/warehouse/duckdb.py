"""RAW and the ledger in a DuckDB file."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vend.contract import DELETED, SYNCED, Column, Table, joined, known, normal
from vend.errors import InUseError, VendError
from vend.extract import Batch
from vend.warehouse import Entry, Mismatch

if TYPE_CHECKING:
    import duckdb

MEMORY = "100MB"
THREADS = 2
# A merge keeps what it overwrites in memory until it commits, which a big one cannot afford.
MERGE_ROWS = 100_000
REBUILD_ROWS = 1_000_000
DRAFT = "__new"
# Keys of this many rows fit a join in MEMORY.
JOIN_ROWS = 500_000
# Another loader may leave the mark empty.
LIVE = f"{DELETED} is not true"

_SQL = Path(__file__).parent
_MERGE = (_SQL / "merge.sql").read_text(encoding="utf-8")
_VANISHED = (_SQL / "vanished.sql").read_text(encoding="utf-8")
_LEDGER = (_SQL / "sync_runs.sql").read_text(encoding="utf-8")
_ENTRY = ", ".join(field.name for field in fields(Entry))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock. Raises VendError where another sync or build holds it, naming its process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("a+")
    except OSError as error:
        raise VendError(
            f"The DuckDB file {path} cannot be written ({error.strerror}). "
            "Set VEND_DUCKDB_PATH to a place you own, or mend its permissions."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "just started"
            raise VendError(
                f"Another sync or build of {path} is running ({holder}). Wait for it to end, or stop it and rerun."
            ) from None
        try:
            lock.truncate(0)
            # not buffered: what does not fit now would fail once more when the file is closed
            os.write(lock.fileno(), f"pid {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode())
        except OSError as error:
            raise VendError(sentence(error, path)) from None
        yield


@contextmanager
def opened(path: Path, scratch: Path, *, read_only: bool = False) -> Iterator[DuckDB]:
    """The file, created with its ledger unless read_only. scratch: a folder DuckDB may spill to."""
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "preserve_insertion_order": False,
        "temp_directory": str(scratch),
    }
    with explained(path):
        connection = duckdb.connect(path, read_only=read_only, config=config)
    try:
        if not read_only:
            with explained(path):
                connection.execute("create schema if not exists raw")
                connection.execute("create schema if not exists ops")
                connection.execute(_LEDGER)
        yield DuckDB(path, connection)
    finally:
        connection.close()


@contextmanager
def plain(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file, created if need be, for a few statements. Raises VendError, in a sentence."""
    import duckdb

    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(path) as connection:
            yield connection


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a DuckDB error in the block into a VendError."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        kind = InUseError if "Could not set lock" in str(error) else VendError
        raise kind(sentence(error, path)) from None


def sentence(error: Exception, path: Path) -> str:
    """What a DuckDB error means, and what to do."""
    text = str(error)
    if "Could not set lock" in text:
        pid = re.search(r"PID (\d+)", text)
        holder = f"process {pid[1]}" if pid else "another process"
        return f"The DuckDB file {path} is in use by {holder}. Wait for that to end, or close it there, and rerun."
    if "different configuration" in text:
        return f"The DuckDB file {path} is open in this process already. Close it and rerun."
    if "not a valid DuckDB database" in text:
        return f"{path} is not a DuckDB file. Point VEND_DUCKDB_PATH elsewhere, or move it away."
    if "version number" in text:
        return f"The DuckDB file {path} was made by another version of DuckDB. Use that one, or move it away."
    if "No space left" in text or "not enough space" in text.lower():
        return f"The disk of {path} is full. RAW is as it was; free some space and rerun."
    if "Permission denied" in text or "Read-only file system" in text:
        return f"The DuckDB file {path} cannot be opened (permission denied). Mend its permissions."
    first = text.splitlines()[0] if text else type(error).__name__
    return f"DuckDB failed on {path}: {first.rstrip('.')}."


class DuckDB:
    """A Warehouse in one file. path: for messages."""

    digests_json = True

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self._path = path
        self._connection = connection

    def _all(self, statement: str, parameters: object = None) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters).fetchall()

    def _exists(self, schema: str, name: str) -> bool:
        query = "select 1 from duckdb_tables() where schema_name = ? and table_name = ?"
        return bool(self._all(f"{query} and database_name = current_database()", [schema, name]))

    def previous(self) -> dict[str, Entry]:
        with explained(self._path):
            if not self._exists("ops", "sync_runs"):
                return {}
            rows = self._all(
                f"select {_ENTRY} from ops.sync_runs where status = 'success'"
                " qualify row_number() over (partition by table_name order by started_at desc) = 1"
            )
        return {row[1]: Entry(*row) for row in rows}

    def latest(self) -> datetime | None:
        with explained(self._path):
            if not self._exists("ops", "sync_runs"):
                return None
            row = self._all("select max(greatest(started_at, finished_at)) from ops.sync_runs")[0]
        latest: datetime | None = row[0]
        return latest

    def live_rows(self, table: Table) -> int | None:
        with explained(self._path):
            if not self._exists("raw", table.name):
                return None
            return self._live(table)

    def _live(self, table: Table) -> int:
        return int(self._all(f"select count(*) from {_raw(table)} where {LIVE}")[0][0])

    def _rows(self, table: Table) -> int:
        return int(self._all(f"select count(*) from {_raw(table)}")[0][0])

    def columns(self, table: Table) -> dict[str, str] | None:
        with explained(self._path):
            found = self._columns(table)
        return {name: kind for name, kind in found.items() if name not in (SYNCED, DELETED)} if found else None

    def _columns(self, table: Table) -> dict[str, str]:
        query = "select column_name, data_type from duckdb_columns() where schema_name = 'raw' and table_name = ?"
        rows = self._all(f"{query} and database_name = current_database() order by column_index", [table.name])
        return {name.lower(): normal(kind) if known(normal(kind)) else kind.lower() for name, kind in rows}

    def record(self, entry: Entry) -> None:
        with explained(self._path):
            self._record(entry)

    def _record(self, entry: Entry) -> None:
        marks = ", ".join("?" for _ in fields(Entry))
        self._connection.execute(f"insert into ops.sync_runs ({_ENTRY}) values ({marks})", astuple(entry))

    def load(self, table: Table, batch: Batch, entry: Entry, keys: Callable[[], Batch]) -> Entry:
        with explained(self._path):
            self._create(table)
            self._check(table, batch)
        with explained(self._path), self._transaction():
            self._fit(table)
            entry = self._write(table, batch, entry, keys)
            self._record(entry)
        return entry

    def repair(self, table: Table, batch: Batch, gone: Sequence[str], entry: Entry) -> Entry:
        with explained(self._path), self._transaction():
            self._check(table, batch)
            inserted, updated = self._merge(table, batch, entry.started_at, True) if batch.rows else (0, 0)
            deleted = self._all(
                f"update {_raw(table)} set {SYNCED} = {_literal(entry.started_at)}, {DELETED} = true"
                f" where {LIVE} and {_key(table)}::varchar in (select unnest(?::varchar[]))",
                [list(gone)],
            )[0][0]
            entry = replace(
                entry,
                finished_at=max(datetime.now(UTC).replace(tzinfo=None), entry.started_at),
                rows_inserted=inserted,
                rows_updated=updated,
                rows_deleted=int(deleted),
                raw_rows=self._live(table),
            )
            self._record(entry)
        return entry

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        import duckdb

        self._connection.execute("begin")
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            with suppress(duckdb.Error):  # ended by the error itself
                self._connection.execute("rollback")
            raise

    def _create(self, table: Table) -> None:
        columns = ", ".join(f"{_quoted(column.name)} {column.type}" for column in _wanted(table))
        self._connection.execute(f"create table if not exists {_raw(table)} ({columns})")

    def _fit(self, table: Table) -> None:
        """Give the table the columns and types it lacks. Raises VendError for one it cannot change."""
        there = self._columns(table)
        for column in _wanted(table):
            has, name = there.get(column.name), _quoted(column.name)
            if has is None:
                self._connection.execute(f"alter table {_raw(table)} add column {name} {column.type}")
            elif has != column.type:
                if joined(has, column.type) != column.type:
                    raise VendError(
                        f"{table.name}.{column.name} is {has} in RAW and cannot become {column.type}. "
                        f"Drop or rename raw.{table.name} and run `vend sync {table.name}`; it is loaded anew."
                    )
                self._connection.execute(f"alter table {_raw(table)} alter {name} type {column.type}")

    def _check(self, table: Table, batch: Batch) -> None:
        """The batch is complete and each of its keys is there once."""
        if not batch.rows:
            return
        key, files = _key(table), _parquet(batch)
        # Hashes are distinct only where the keys are, and cost half as much to tell apart.
        counts = f"count(*), count({key}), count(distinct hash({key}))"
        rows, present, distinct = self._all(f"select {counts} from {files}")[0]
        if distinct != rows:
            distinct = self._all(f"select count(distinct {key}) from {files}")[0][0]
        if rows != batch.rows:
            raise VendError(f"{batch.rows} rows were read and {rows} staged. Rerun.")
        if present != rows or distinct != rows:
            what = "without a" if present != rows else "with the same"
            raise VendError(
                f"{table.name} has rows {what} {table.key}. "
                "Give the source table a primary key on it, mend the rows and rerun."
            )

    def _write(self, table: Table, batch: Batch, entry: Entry, keys: Callable[[], Batch]) -> Entry:
        watermark = entry.watermark
        inserted = updated = deleted = 0
        if batch.rows:
            if entry.mode == "full" or batch.rows > REBUILD_ROWS:
                inserted, updated = self._rebuild(table, batch, entry.started_at)
            else:
                inserted, updated = self._merge(table, batch, entry.started_at, batch.rows > MERGE_ROWS)
            if table.cursor is not None:
                seen = self._all(f"select max({_quoted(table.cursor)}) from {_parquet(batch)}")[0][0]
                watermark = max((at for at in (watermark, seen) if at is not None), default=None)
        live = self._live(table)
        if live != entry.source_rows:
            deleted = self._mark(table, keys(), entry.started_at)
            live = self._live(table)
        if live != entry.source_rows:
            raise Mismatch(f"{table.name} would have {live} rows in RAW, and the source has {entry.source_rows}.")
        checksum = self._checksum(table, entry.started_at) if batch.rows else 0
        if entry.source_checksum not in (None, checksum):
            raise Mismatch(
                f"The rows of {table.name} that were written come to the checksum {checksum} in RAW, "
                f"and to {entry.source_checksum} in the source."
            )
        return replace(
            entry,
            finished_at=max(datetime.now(UTC).replace(tzinfo=None), entry.started_at),
            watermark=watermark,
            rows_inserted=inserted,
            rows_updated=updated,
            rows_deleted=deleted,
            raw_rows=live,
            raw_checksum=checksum,
        )

    def _checksum(self, table: Table, stamp: datetime) -> int:
        """Of the rows written in this run, as Postgres computes it for those read."""
        moment = _text(Column(table.cursor, "timestamp")) if table.cursor else "null"
        key = _text(Column(table.key, table.type_of(table.key)))
        value = _hashed(f"{key} || '|' || coalesce({moment}, '')")
        where = f"{SYNCED} = {_literal(stamp)} and {LIVE}"
        return int(self._all(f"select coalesce(sum({value}), 0) from {_raw(table)} where {where}")[0][0])

    def _merge(self, table: Table, batch: Batch, stamp: datetime, anew: bool) -> tuple[int, int]:
        """(rows inserted, rows updated). anew: delete and insert, which also mends a key that is there twice."""
        target, files, key = _raw(table), _parquet(batch), _key(table)
        names = [_quoted(name) for name in table.names]
        columns = ", ".join(names)
        insert = f"insert into {target} ({columns}, {SYNCED}, {DELETED}) select {columns}, {_literal(stamp)}, false"
        with self._named(table, batch):
            if not self._all(f"select 1 from {target} limit 1"):
                self._connection.execute(f"{insert} from {files}")
                return batch.rows, 0
            if anew:
                updated = 0
                for part in _parts(key, batch.rows):
                    known_rows = f"{part} and {key} in (select {key} from {files} where {part})"
                    updated += int(self._all(f"delete from {target} where {known_rows}")[0][0])
                self._connection.execute(f"{insert} from {files}")
                return max(batch.rows - updated, 0), updated
            before = self._rows(table)
            self._connection.execute(
                _MERGE.format(
                    target=target,
                    batch=files,
                    key=key,
                    updates="\n    ".join(f"{name} = s.{name}," for name in names if name != key),
                    columns=columns,
                    values=", ".join(f"s.{name}" for name in names),
                    stamp=_literal(stamp),
                )
            )
            inserted = self._rows(table) - before
        return inserted, batch.rows - inserted

    def _rebuild(self, table: Table, batch: Batch, stamp: datetime) -> tuple[int, int]:
        """(rows inserted, rows updated). A new table of the batch and of the rows whose key is not in it takes the
        place of the old one, for what a transaction deletes it keeps in memory."""
        old, files, key = _raw(table), _parquet(batch), _key(table)
        draft = f"raw.{_quoted(table.name + DRAFT)}"
        columns = ", ".join(_quoted(name) for name in table.names)
        before = self._rows(table)
        self._connection.execute(f"create or replace table {draft} as from {old} limit 0")
        with self._named(table, batch):
            self._connection.execute(
                f"insert into {draft} ({columns}, {SYNCED}, {DELETED})"
                f" select {columns}, {_literal(stamp)}, false from {files}"
            )
        kept = 0
        for part in _parts(key, batch.rows) if before else []:
            alone = f"{part} and {key} not in (select {key} from {files} where {part})"
            kept += int(self._all(f"insert into {draft} from {old} where {alone}")[0][0])
        self._connection.execute(f"drop table {old}")
        self._connection.execute(f"alter table {draft} rename to {_quoted(table.name)}")
        return max(batch.rows - before + kept, 0), before - kept

    @contextmanager
    def _named(self, table: Table, batch: Batch) -> Iterator[None]:
        """Say which value it was that RAW could not take."""
        import duckdb

        try:
            yield
        except duckdb.ConversionException as error:
            with duckdb.connect() as apart:  # the transaction of the load is over
                for column in table.columns:
                    name = _quoted(column.name)
                    wrong = f"select {name} from {_parquet(batch)} where not json_valid({name}) limit 1"
                    if column.type == "json" and (found := apart.execute(wrong).fetchone()):
                        raise VendError(
                            f"{table.name}.{column.name} holds the value {found[0][:80]}, which json in RAW cannot "
                            "hold. Mend the row in the source and rerun."
                        ) from None
            raise error

    def _mark(self, table: Table, keys: Batch, stamp: datetime) -> int:
        """Mark the rows whose key is not among those of the source; returns how many."""
        key = _key(table)
        source = _parquet(keys) if keys.rows else f"(select null as {key} where false)"
        marked = 0
        for part in _parts(key, keys.rows):
            statement = _VANISHED.format(target=_raw(table), stamp=_literal(stamp), key=key, keys=source, part=part)
            marked += int(self._all(statement)[0][0])
        return marked

    def digests(self, table: Table, length: int, prefixes: Sequence[str] | None) -> dict[str, tuple[int, int]]:
        key, digest = _text(Column(table.key, table.type_of(table.key))), _digest(table)
        with explained(self._path):
            rows = self._all(
                f"select left({key}, {length}), count(*), sum({digest}) from {_raw(table)}"
                f" where {LIVE} and {_within(key, prefixes)} group by 1",
                [list(prefixes)] if prefixes is not None else None,
            )
        return {prefix: (count, int(total)) for prefix, count, total in rows}

    def rows(self, table: Table, prefixes: Sequence[str]) -> dict[str, int]:
        key, digest = _text(Column(table.key, table.type_of(table.key))), _digest(table)
        with explained(self._path):
            query = f"select {key}, {digest} from {_raw(table)} where {LIVE} and {_within(key, prefixes)}"
            return dict(self._all(query, [list(prefixes)]))


def _wanted(table: Table) -> list[Column]:
    """Every column the table is to have."""
    return [*table.columns, Column(SYNCED, "timestamp"), Column(DELETED, "boolean")]


def _raw(table: Table) -> str:
    return f"raw.{_quoted(table.name)}"


def _key(table: Table) -> str:
    return _quoted(table.key)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _within(key: str, prefixes: Sequence[str] | None) -> str:
    if prefixes is None:
        return "true"
    return f"left({key}, {len(prefixes[0]) if prefixes else 0}) in (select unnest(?::varchar[]))"


def _hashed(value: str) -> str:
    """The low 60 bits of a text's md5, as a bigint."""
    return f"('0x' || right(md5({value}), 15))::bigint"


def _text(column: Column) -> str:
    """A column as every engine writes it, for checksums."""
    name = _quoted(column.name)
    if column.type == "timestamp":
        return f"strftime({name}, '%Y-%m-%d %H:%M:%S.%f')"
    return f"{name}::varchar"


def _digest(table: Table) -> str:
    return _hashed(" || '|' || ".join(f"coalesce({_told_apart(column)}, '\\N')" for column in table.columns))


def _told_apart(column: Column) -> str:
    """Its text, with backslash and bar marked, so that no text looks like two columns or like NULL."""
    plain = _text(column)
    if column.type not in ("varchar", "json"):
        return plain
    return f"replace(replace({plain}, chr(92), chr(92) || chr(92)), '|', chr(92) || '|')"


def _parts(key: str, rows: int) -> list[str]:
    """Conditions that split rows by key into parts small enough to join."""
    count = 1 + rows // JOIN_ROWS
    return [f"hash({key}) % {count} = {part}" for part in range(count)] if count > 1 else ["true"]


def _parquet(batch: Batch) -> str:
    files = ", ".join("'" + str(file).replace("'", "''") + "'" for file in batch.files)
    return f"read_parquet([{files}])"


def _literal(at: datetime) -> str:
    return f"timestamp '{at.isoformat(sep=' ')}'"

"""RAW and the ledger in a DuckDB file."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vend.contract import DELETED, SYNCED, Table
from vend.errors import VendError
from vend.extract import Batch
from vend.warehouse import Entry

if TYPE_CHECKING:
    import duckdb

MEMORY = "100MB"
THREADS = 2
# A merge keeps what it overwrites in memory until it commits, which a big one cannot afford.
MERGE_ROWS = 100_000
# Keys of this many rows fit a join in MEMORY.
JOIN_ROWS = 500_000

_SQL = Path(__file__).parent
_MERGE = (_SQL / "merge.sql").read_text(encoding="utf-8")
_VANISHED = (_SQL / "vanished.sql").read_text(encoding="utf-8")
_LEDGER = (_SQL / "sync_runs.sql").read_text(encoding="utf-8")
_ENTRY = ", ".join(field.name for field in fields(Entry))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock. Raises VendError where another sync holds it, naming its process."""
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
                f"Another sync of {path} is running ({holder}). Wait for it to end, or stop it and rerun."
            ) from None
        try:
            lock.truncate(0)
            lock.write(f"pid {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
            lock.flush()
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
def explained(path: Path) -> Iterator[None]:
    """Turn a DuckDB error in the block into a VendError."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise VendError(sentence(error, path)) from None


def sentence(error: Exception, path: Path) -> str:
    """What a DuckDB error means, and what to do."""
    text = str(error)
    if "Could not set lock" in text:
        pid = re.search(r"PID (\d+)", text)
        holder = f"process {pid[1]}" if pid else "another process"
        return f"The DuckDB file {path} is in use by {holder}. Close it there and rerun."
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
            latest: datetime | None = self._all("select max(greatest(started_at, finished_at)) from ops.sync_runs")[0][
                0
            ]
        return latest

    def live_rows(self, table: Table) -> int | None:
        with explained(self._path):
            if not self._exists("raw", table.name):
                return None
            return self._live(table)

    def _live(self, table: Table) -> int:
        return int(self._all(f"select count(*) from raw.{table.name} where not {DELETED}")[0][0])

    def record(self, entry: Entry) -> None:
        with explained(self._path):
            self._record(entry)

    def _record(self, entry: Entry) -> None:
        marks = ", ".join("?" for _ in fields(Entry))
        self._connection.execute(f"insert into ops.sync_runs ({_ENTRY}) values ({marks})", astuple(entry))

    def load(self, table: Table, batch: Batch, entry: Entry, keys: Callable[[], Batch]) -> Entry:
        with explained(self._path):
            columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
            self._connection.execute(
                f"create table if not exists raw.{table.name} ({columns}, {SYNCED} timestamp, {DELETED} boolean)"
            )
            self._check(table, batch)
            self._connection.execute("begin")
            try:
                entry = self._write(table, batch, entry, keys)
                self._record(entry)
                self._connection.execute("commit")
            except BaseException:
                self._rollback()
                raise
        return entry

    def _rollback(self) -> None:
        import duckdb

        try:
            self._connection.execute("rollback")
        except duckdb.Error:  # ended by the error itself
            return

    def _check(self, table: Table, batch: Batch) -> None:
        """The batch is complete and each of its keys is there once."""
        if not batch.rows:
            return
        rows, present, distinct = self._all(
            f"select count(*), count({table.key}), count(distinct {table.key}) from {_parquet(batch)}"
        )[0]
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
            inserted, updated = self._merge(table, batch, entry.started_at)
            if table.cursor is not None:
                seen = self._all(f"select max({table.cursor}) from {_parquet(batch)}")[0][0]
                watermark = max((at for at in (watermark, seen) if at is not None), default=None)
        live = self._live(table)
        if live != entry.source_rows:
            deleted = self._mark(table, keys(), entry.started_at)
            live = self._live(table)
        if live != entry.source_rows:
            raise VendError(
                f"{table.name} would have {live} rows in RAW, and the source has {entry.source_rows}. "
                f"Nothing was changed; run `vend sync {table.name} --full-refresh`."
            )
        return replace(
            entry,
            finished_at=max(datetime.now(UTC).replace(tzinfo=None), entry.started_at),
            watermark=watermark,
            rows_inserted=inserted,
            rows_updated=updated,
            rows_deleted=deleted,
            raw_rows=live,
        )

    def _merge(self, table: Table, batch: Batch, stamp: datetime) -> tuple[int, int]:
        """(rows inserted, rows updated)"""
        target, files, key = f"raw.{table.name}", _parquet(batch), table.key
        columns = ", ".join(table.names)
        insert = f"insert into {target} ({columns}, {SYNCED}, {DELETED}) select {columns}, {_literal(stamp)}, false"
        if not self._all(f"select 1 from {target} limit 1"):
            self._connection.execute(f"{insert} from {files}")
            return batch.rows, 0
        if batch.rows > MERGE_ROWS:
            updated = 0
            for part in _parts(key, batch.rows):
                known = f"{part} and {key} in (select {key} from {files} where {part})"
                updated += int(self._all(f"delete from {target} where {known}")[0][0])
            self._connection.execute(f"{insert} from {files}")
            return batch.rows - updated, updated
        known = f"select count(*) from {target} where {key} in (select {key} from {files})"
        updated = int(self._all(known)[0][0])
        self._connection.execute(
            _MERGE.format(
                target=target,
                batch=files,
                key=key,
                updates=", ".join(f"{name} = s.{name}" for name in table.names if name != key),
                columns=columns,
                values=", ".join(f"s.{name}" for name in table.names),
                stamp=_literal(stamp),
            )
        )
        return batch.rows - updated, updated

    def _mark(self, table: Table, keys: Batch, stamp: datetime) -> int:
        """Mark the rows whose key is not among those of the source; returns how many."""
        source = _parquet(keys) if keys.rows else f"(select null as {table.key} where false)"
        marked = 0
        for part in _parts(table.key, keys.rows):
            statement = _VANISHED.format(
                target=f"raw.{table.name}", stamp=_literal(stamp), key=table.key, keys=source, part=part
            )
            marked += int(self._all(statement)[0][0])
        return marked


def _parts(key: str, rows: int) -> list[str]:
    """Conditions that split rows by key into parts small enough to join."""
    count = 1 + rows // JOIN_ROWS
    return [f"hash({key}) % {count} = {part}" for part in range(count)] if count > 1 else ["true"]


def _parquet(batch: Batch) -> str:
    files = ", ".join("'" + str(file).replace("'", "''") + "'" for file in batch.files)
    return f"read_parquet([{files}])"


def _literal(at: datetime) -> str:
    return f"timestamp '{at.isoformat(sep=' ')}'"

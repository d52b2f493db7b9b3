"""RAW and the ledger on Snowflake.

Snowflake commits an open transaction before any DDL, and PUT belongs to none. So whatever needs either comes
first: files to the run's folder on the stage, COPY into a transient table of the run, checks. Then one
transaction renews the lease, merges, counts and writes the ledger row. docs/snowflake.md says why each step is as
it is, and what was never executed on Snowflake itself.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from vend.contract import Column, Table
from vend.errors import VendError
from vend.extract import Batch
from vend.settings import Settings
from vend.warehouse import Entry, Mismatch
from vend.warehouse.snowflake_session import Session, explained

# A run that died blocks the next one for this long; one that lives renews its lease in good time.
LEASE_SECONDS = 300
BEAT_SECONDS = 60
# COPY takes the names of at most 1000 files.
COPY_FILES = 1000
GONE_KEYS = 10_000
# What VARCHAR without a length holds.
TEXT_LENGTH = 16_777_216
DIGITS = 38

_ENTRY = [field.name for field in fields(Entry)]


@contextmanager
def opened(settings: Settings) -> Iterator[Snowflake]:
    """The database for writing, its schemas and tables made where missing. Raises VendError where another sync runs."""
    session = Session(settings)
    session.connect()
    try:
        with explained(session):
            _prepare(session)
        with _leased(settings, session) as owner:
            warehouse = Snowflake(session, owner)
            with explained(session):
                warehouse.sweep()
            yield warehouse
    finally:
        session.close()


@contextmanager
def glimpsed(settings: Settings) -> Iterator[Snowflake | None]:
    """The database for reading, None where no sync has written to it yet. Creates nothing and takes no lease."""
    session = Session(settings)
    session.connect()
    try:
        with explained(session):
            there = session.run("has_ledger")[0][0]
        yield Snowflake(session, "") if there else None
    finally:
        session.close()


def _prepare(session: Session) -> None:
    # CREATE SCHEMA asks for its privilege even where the schema exists, and a loader need not have it.
    there = {name for (name,) in session.run("schemas")}
    for schema in ("raw", "ops"):
        if schema not in there:
            session.run("create_schema", schema=schema)
    for name in ("create_ledger", "create_lease", "create_stage", "lease_row"):
        session.run(name)


@contextmanager
def _leased(settings: Settings, session: Session) -> Iterator[str]:
    """Hold the lease, renewed by a thread with a connection of its own; gives the owner's name."""
    from snowflake.connector.errors import Error

    owner = f"{socket.gethostname()}, pid {os.getpid()}, {secrets.token_hex(3)}"
    with explained(session):
        if session.run("lease_take", {"owner": owner}, seconds=LEASE_SECONDS)[0][0] != 1:
            raise VendError(_held(session))
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(Session(settings), owner, done), daemon=True)
    beat.start()
    try:
        yield owner
    finally:
        done.set()
        with suppress(Error, VendError):  # it runs out by itself
            session.run("lease_release", {"owner": owner})
        beat.join(timeout=5)


def _held(session: Session) -> str:
    for holder, since, until in session.run("lease_holder"):
        if holder is not None:
            return (
                f"Another sync into {session.database} is running ({holder}, since {since:%Y-%m-%d %H:%M:%S} UTC). "
                f"Wait for it to end, or stop it and rerun after {until:%H:%M:%S} UTC."
            )
    return f"Another sync into {session.database} has just ended. Rerun."


def _beat(session: Session, owner: str, done: threading.Event) -> None:
    """Renew the lease until done. A beat that fails is made up by the next; a lease that is lost is noticed where
    it counts, inside the merge's transaction."""
    from snowflake.connector.errors import Error

    while not done.wait(BEAT_SECONDS):
        with suppress(Error, VendError):
            session.run("lease_renew", {"owner": owner}, seconds=LEASE_SECONDS)
    session.close()


class Snowflake:
    """A Warehouse in one database. owner: of the lease; empty for one that only reads."""

    # VARIANT does not keep the text of JSON, so it cannot be compared with the source's.
    digests_json = False

    def __init__(self, session: Session, owner: str) -> None:
        self._session = session
        self._owner = owner

    def previous(self) -> dict[str, Entry]:
        with explained(self._session):
            rows = self._session.run("previous", columns=", ".join(_ENTRY))
        return {row[1]: Entry(*map(_plain, row)) for row in rows}

    def latest(self) -> datetime | None:
        with explained(self._session):
            latest: datetime | None = self._session.run("latest")[0][0]
        return latest

    def live_rows(self, table: Table) -> int | None:
        with explained(self._session):
            return self._live(table) if self._columns(table) else None

    def columns(self, table: Table) -> dict[str, str] | None:
        """RAW's own columns, name to contract type; a type that the contract has no name for as Snowflake's text."""
        with explained(self._session):
            found = self._columns(table)
        own = {name: _contract_type(kind) for name, kind in found.items() if not name.startswith("_fivetran_")}
        return own or None

    def record(self, entry: Entry) -> None:
        with explained(self._session):
            self._record(entry)

    def load(self, table: Table, batch: Batch, entry: Entry, keys: Callable[[], Batch]) -> Entry:
        with explained(self._session), _Staging(self._session, table, entry) as staging:
            self._fit(table)
            arriving = self._staged(table, batch, staging)
            entry = replace(
                entry, watermark=max((at for at in (entry.watermark, staging.latest) if at is not None), default=None)
            )
            # Known before the transaction, for keys can only be staged before it.
            gone = self._live(table) + arriving != entry.source_rows
            vanished = staging.keys(keys(), batch) if gone else None

            def mark() -> int:
                if vanished is None:
                    return 0
                values = {"stamp": entry.started_at}
                return _count(self._session.run("vanished", values, table=table.name, key=_key(table), name=vanished))

            return self._transaction(lambda: self._written(table, batch, staging, entry, mark))

    def repair(self, table: Table, batch: Batch, gone: Sequence[str], entry: Entry) -> Entry:
        """Merge the batch and mark the rows whose keys are in `gone` as deleted, with the ledger row."""
        with explained(self._session), _Staging(self._session, table, entry) as staging:
            self._fit(table)
            self._staged(table, batch, staging)

            def mark() -> int:
                marked = 0
                for start in range(0, len(gone), GONE_KEYS):
                    values = {"stamp": entry.started_at, "keys": json.dumps(gone[start : start + GONE_KEYS])}
                    marked += _count(self._session.run("gone", values, table=table.name, key=_key(table)))
                return marked

            return self._transaction(lambda: self._written(table, batch, staging, entry, mark))

    def _staged(self, table: Table, batch: Batch, staging: _Staging) -> int:
        """Stage the batch; returns how many of its rows are not live in RAW yet."""
        if not batch.rows:
            return 0
        self._renew()
        staging.stage("rows", batch, table.columns)
        return _count(self._session.run("arriving", table=table.name, name=staging.name("rows"), key=_key(table)))

    def _written(self, table: Table, batch: Batch, staging: _Staging, entry: Entry, mark: Callable[[], int]) -> Entry:
        """Merge, mark what is gone and compare with the source, all inside the transaction. mark: returns how many.

        Raises Mismatch where RAW would not hold what the source holds.
        """
        inserted, updated = self._merge(table, staging, entry.started_at) if batch.rows else (0, 0)
        deleted = mark()
        live = self._live(table)
        checksum = self._checksum(table, entry.started_at) if batch.rows else 0
        if entry.source_rows is not None and live != entry.source_rows:
            raise Mismatch(
                f"{table.name} would have {live} rows in RAW, and the source has {entry.source_rows}. "
                f"Nothing was changed; run `vend sync {table.name} --full-refresh`."
            )
        if entry.source_checksum is not None and checksum != entry.source_checksum:
            raise Mismatch(
                f"The rows of {table.name} in RAW would not be those of the source (checksum {checksum} instead "
                f"of {entry.source_checksum}). Nothing was changed; run `vend sync {table.name} --full-refresh`."
            )
        return replace(
            entry,
            finished_at=max(datetime.now(UTC).replace(tzinfo=None), entry.started_at),
            rows_inserted=inserted,
            rows_updated=updated,
            rows_deleted=deleted,
            raw_rows=live,
            raw_checksum=checksum,
        )

    def digests(self, table: Table, length: int, prefixes: Sequence[str] | None) -> dict[str, tuple[int, int]]:
        """The first `length` characters of the key -> (live rows, sum of their digests)."""
        found: dict[str, tuple[int, int]] = {}
        for row in self._digested("digests", table, prefixes, length=length):
            found[row[0]] = (int(row[1]), int(row[2]))
        return found

    def rows(self, table: Table, prefixes: Sequence[str] | None) -> dict[str, int]:
        """Key -> digest of the live rows."""
        return {row[0]: int(row[1]) for row in self._digested("rows", table, prefixes)}

    def _digested(
        self, name: str, table: Table, prefixes: Sequence[str] | None, **identifiers: object
    ) -> Iterator[tuple[Any, ...]]:
        texts = [_text(column) for column in table.columns if column.type != "json"]
        identifiers |= {"table": table.name, "key": _key(table), "text": " || '|' || ".join(texts)}
        with explained(self._session):
            if prefixes is None:
                yield from self._session.run(name, among="", **identifiers)
                return
            for length, group in groupby(sorted(prefixes, key=len), key=len):
                among = "\n    " + _among(_key(table), length)
                yield from self._session.run(name, {"prefixes": json.dumps(list(group))}, among=among, **identifiers)

    def sweep(self) -> None:
        """End the transactions and remove the tables and files of runs that died. Only for the lease's owner."""
        self._end_orphans()
        for (name,) in self._session.run("leftover_tables"):
            self._session.run("drop_table", name=name)
        self._session.run("remove", path="")

    def _columns(self, table: Table) -> dict[str, tuple[Any, ...]]:
        rows = self._session.run("columns", {"schema": "RAW", "name": table.name.upper()})
        return {name: tuple(kind) for name, *kind in rows}

    def _live(self, table: Table) -> int:
        return _count(self._session.run("live", table=table.name))

    def _fit(self, table: Table) -> None:
        """Create RAW's table, or add and widen its columns, so that it holds the table's."""
        found = self._columns(table)
        if not found:
            self._session.run("create_table", table=table.name, columns=_declared(table.columns))
            return
        for column in table.columns:
            if (kind := found.get(column.name.lower())) is None:
                self._session.run(
                    "add_column", table=table.name, column=_quoted(column.name), type=_native(column.type)
                )
            elif wider := _wider(table, column, kind):
                self._session.run("widen_column", table=table.name, column=_quoted(column.name), type=wider)

    def _merge(self, table: Table, staging: _Staging, stamp: datetime) -> tuple[int, int]:
        """(rows inserted, rows updated)"""
        columns = [_quoted(name) for name in table.names]
        [(inserted, updated)] = self._session.run(
            "merge",
            {"stamp": stamp},
            table=table.name,
            name=staging.name("rows"),
            key=_key(table),
            columns=", ".join(columns),
            updates=",\n    ".join(f"{name} = s.{name}" for name in columns if name != _key(table)),
            values=", ".join(f"s.{name}" for name in columns),
        )
        return int(inserted), int(updated)

    def _checksum(self, table: Table, stamp: datetime) -> int:
        """The sum over the live rows with this stamp."""
        text = f"{_key(table)} || '|'"
        if table.cursor is not None:
            text += f" || coalesce({_timestamp(_quoted(table.cursor))}, '')"
        return _count(self._session.run("checksum", {"stamp": stamp}, table=table.name, text=text))

    def _record(self, entry: Entry) -> None:
        values = ", ".join(f":{name}" for name in _ENTRY)
        self._session.run("record", asdict(entry), columns=", ".join(_ENTRY), values=values)

    def _renew(self) -> None:
        """The fence: a sync that lost its lease stops here, inside the transaction before it has merged a row."""
        if self._session.run("lease_renew", {"owner": self._owner}, seconds=LEASE_SECONDS)[0][0] != 1:
            raise VendError(
                f"Another sync into {self._session.database} took over, for this one had not been heard of for "
                f"{LEASE_SECONDS} s. RAW is as it was; rerun when that one has ended."
            )

    def _transaction(self, work: Callable[[], Entry]) -> Entry:
        """Do the work and write the ledger row it returns, both or neither."""
        name = self._named(secrets.token_hex(6))
        try:
            self._session.run("begin", name=name)
            self._renew()
            entry = work()
            self._record(entry)
        except BaseException:
            self._roll_back(name)
            raise
        self._commit(entry, name)
        return entry

    def _roll_back(self, name: str) -> None:
        from snowflake.connector.errors import Error

        try:
            self._session.run("rollback")
        except (Error, OSError):  # the connection is gone; Snowflake keeps its transaction open for minutes or hours
            with suppress(Error, VendError):
                self._session.connect()
                self._end_orphans(name)

    def _commit(self, entry: Entry, name: str) -> None:
        """Commit. Where the reply is lost, the ledger tells whether it happened."""
        from snowflake.connector.errors import Error

        try:
            self._session.run("commit")
            return
        except (Error, OSError):
            self._session.close()
        try:
            self._session.connect()
            self._end_orphans(name)  # so that what the ledger says now is final
            if self._recorded(entry):
                return
        except (Error, VendError) as error:
            raise VendError(
                f"The connection was lost while {entry.table_name} was committed, and whether it was is not known yet "
                f"({error}). Rerun: the next sync goes on from what ops.sync_runs says of run {entry.run_id}."
            ) from None
        raise VendError(
            f"The connection was lost while {entry.table_name} was committed, and it was not. RAW is as it was; rerun."
        )

    def _recorded(self, entry: Entry) -> bool:
        found = self._session.run("recorded", {"run_id": entry.run_id, "table_name": entry.table_name})
        return bool(found[0][0])

    def _named(self, suffix: str = "") -> str:
        """A name for a transaction, by which a later session finds it."""
        return f"vend_sync_{zlib.crc32(self._session.database.upper().encode()):08x}_{suffix}"

    def _end_orphans(self, name: str | None = None) -> None:
        """End what connections that were lost left open: the transaction of that name, or any of a sync into here."""
        from snowflake.connector.errors import Error

        for row in self._session.named("transactions"):
            found = str(row["name"]).lower()
            if found == name or (name is None and found.startswith(self._named())):
                try:
                    self._session.run("abort_transaction", transaction=int(row["id"]))
                except Error as error:
                    raise VendError(
                        f"Transaction {row['id']} of a sync that lost its connection still holds RAW, and cannot be "
                        f"ended ({error.msg}). Have an administrator run: "
                        f"select system$abort_transaction({row['id']}); or rerun later."
                    ) from None


class _Staging:
    """The files and transient tables of one table in one run, removed at the end."""

    def __init__(self, session: Session, table: Table, entry: Entry) -> None:
        self._session = session
        self._table = table
        self._run = re.sub("[^a-z0-9]", "_", entry.run_id.lower())
        self._made: list[str] = []
        self.latest: datetime | None = None  # value of the cursor among the rows staged

    def __enter__(self) -> _Staging:
        return self

    def __exit__(self, *exc: object) -> None:
        from snowflake.connector.errors import Error

        with suppress(Error, VendError):  # the next sync sweeps what is left
            for kind in self._made:
                self._session.run("remove", path=f"{self._path(kind)}/")
                self._session.run("drop_table", name=self.name(kind))

    def name(self, kind: str) -> str:
        return f"vend_sync_{kind}_{self._run}_{self._table.name}"

    def _path(self, kind: str) -> str:
        return f"{self._run}/{self._table.name}/{kind}"

    def keys(self, keys: Batch, batch: Batch) -> str:
        """The table with the source's keys: that of the batch, where the batch is the whole source."""
        if keys is batch and batch.rows:
            return self.name("rows")
        self.stage("keys", keys, [column for column in self._table.columns if column.name == self._table.key])
        return self.name("keys")

    def stage(self, kind: str, batch: Batch, columns: Sequence[Column]) -> None:
        """Put the files, copy them into the run's table and check that its keys are whole."""
        self._made.append(kind)
        table, name, path = self._table, self.name(kind), self._path(kind)
        self._session.run("create_rows", name=name, columns=_declared(columns))
        for file in batch.files:
            for row in self._session.run("put", file=_file(file), path=path):
                if row[6] != "UPLOADED":
                    raise VendError(f"{file.name} was not put on Snowflake's stage ({row[6]}: {row[7]}). Rerun.")
        for start in range(0, len(batch.files), COPY_FILES):
            self._session.run(
                "copy",
                name=name,
                path=path,
                columns=", ".join(_quoted(column.name) for column in columns),
                selected=",\n        ".join(_selected(column) for column in columns),
                files=", ".join(f"'{file.name}'" for file in batch.files[start : start + COPY_FILES]),
            )
        watermark = f"max({_quoted(table.cursor)})" if kind == "rows" and table.cursor else "null"
        [(rows, present, distinct, latest)] = self._session.run(
            "check_rows", name=name, key=_key(table), watermark=watermark
        )
        if rows != batch.rows:
            raise VendError(f"{batch.rows} rows were read and {rows} staged. Rerun.")
        if present != rows or distinct != rows:
            what = "without a" if present != rows else "with the same"
            raise VendError(
                f"{table.name} has rows {what} {table.key}. "
                "Give the source table a primary key on it, mend the rows and rerun."
            )
        self.latest = latest or self.latest


def _count(rows: list[tuple[Any, ...]]) -> int:
    """The figure that a statement tells first: rows counted or changed, or a sum."""
    return int(rows[0][0])


def _plain(value: Any) -> Any:
    """A NUMBER(38, 0) may come as a Decimal."""
    return int(value) if isinstance(value, Decimal) else value


def _quoted(name: str) -> str:
    """A column's name as unquoted SQL would find it, but safe where it is a reserved word."""
    return '"' + name.upper().replace('"', '""') + '"'


def _key(table: Table) -> str:
    return _quoted(table.key)


def _digits(name: str) -> tuple[int, int] | None:
    """(precision, scale) of a contract's number type."""
    if match := re.fullmatch(r"decimal\((\d+), *(\d+)\)", name):
        return int(match[1]), int(match[2])
    return {"integer": (10, 0), "bigint": (19, 0)}.get(name)


def _native(name: str) -> str:
    """Snowflake's type for one of the contract's."""
    if digits := _digits(name):
        return f"number({digits[0]}, {digits[1]})"
    return {
        "varchar": "varchar",
        "boolean": "boolean",
        "timestamp": "timestamp_ntz",
        "date": "date",
        "json": "variant",
    }[name]


def _contract_type(kind: tuple[Any, ...]) -> str:
    """The contract's type for one of Snowflake's. kind: data type and its sizes, as information_schema tells them."""
    name, precision, scale, *_ = kind
    if name == "NUMBER":
        known = {(10, 0): "integer", (19, 0): "bigint"}
        return known.get((int(precision), int(scale)), f"decimal({precision},{scale})")
    known_names = {
        "TEXT": "varchar",
        "BOOLEAN": "boolean",
        "TIMESTAMP_NTZ": "timestamp",
        "DATE": "date",
        "VARIANT": "json",
    }
    return known_names.get(name, str(name).lower())


def _wider(table: Table, column: Column, kind: tuple[Any, ...]) -> str | None:
    """The type RAW's column must be altered to, None where it holds the values as it is.

    Snowflake widens a number's precision and a text's length in place, nothing else. Raises VendError for the rest.
    """
    name, precision, scale, length = kind
    wanted = _digits(column.type)
    if wanted is not None and name == "NUMBER":
        whole = wanted[0] - wanted[1]
        if scale >= wanted[1] and precision - scale >= whole:
            return None
        if scale >= wanted[1] and whole + scale <= DIGITS:
            return f"number({whole + scale}, {scale})"
    elif _contract_type(kind) == column.type:
        if column.type == "varchar" and length is not None and length < TEXT_LENGTH:
            return "varchar"
        return None
    have = f"number({precision}, {scale})" if name == "NUMBER" else str(name).lower()
    aside = f"{column.name}_before"
    raise VendError(
        f"{table.name}.{column.name} is {have} in RAW, which cannot be changed to {column.type} in place. Run on "
        f"Snowflake: alter table raw.{table.name} rename column {column.name} to {aside}; "
        f"then `vend sync {table.name} --full-refresh`."
    )


def _declared(columns: Sequence[Column]) -> str:
    return ",\n    ".join(f"{_quoted(column.name)} {_native(column.type)}" for column in columns)


def _selected(column: Column) -> str:
    """The column as read from Parquet, whose names are case-sensitive and whose JSON is text."""
    source = '$1:"' + column.name.replace('"', '""') + '"'
    return f"parse_json({source}::varchar)" if column.type == "json" else f"{source}::{_native(column.type)}"


def _timestamp(expression: str) -> str:
    return f"to_char({expression}, 'YYYY-MM-DD HH24:MI:SS.FF6')"


def _text(column: Column) -> str:
    """The column as the text that a row's digest is made of."""
    name = _quoted(column.name)
    if column.type == "timestamp":
        name = _timestamp(name)
    elif column.type == "date":
        name = f"to_char({name}, 'YYYY-MM-DD')"
    elif column.type == "varchar":
        # no text may look like two columns or like NULL
        name = f"replace(replace({name}, chr(92), chr(92) || chr(92)), '|', chr(92) || '|')"
    else:
        name = f"{name}::{_native(column.type)}::varchar"
    return f"coalesce({name}, '\\\\N')"


def _among(key: str, length: int) -> str:
    from vend.warehouse.snowflake_session import statement

    return statement("among", key=key, length=length)


def _file(path: Path) -> str:
    """A path for PUT, inside quotes."""
    return "file://" + path.resolve().as_posix().replace("\\", "\\\\").replace("'", "\\'")

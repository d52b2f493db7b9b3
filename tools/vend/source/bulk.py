"""Arrays into Postgres: Arrow writes the CSV, COPY reads it, and no row becomes a Python object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from psycopg import errors, sql
from pyarrow import compute, csv

from vend import postgres
from vend.source import schema

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Text = npt.NDArray[np.uint8]
"""Strings of one length: (rows, length) ASCII bytes."""

BATCH = 65_536
HEX = np.frombuffer(b"".join(b"%02x" % value for value in range(256)), np.uint8).reshape(256, 2)
DASHES = (8, 13, 18, 23)
DIGITS = np.array([place for place in range(36) if place not in DASHES])


class Target(NamedTuple):
    """Where rows go. frozen: the tables were emptied in this transaction, so rows need no vacuum later."""

    connection: postgres.Connection
    frozen: bool


def uuids(rng: np.random.Generator, count: int) -> Text:
    """Random UUIDs of version 4 as text, (count, 36)."""
    raw = rng.integers(0, 256, (count, 16), np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = np.full((count, 36), ord("-"), np.uint8)
    text[:, DIGITS] = HEX[raw].reshape(count, 32)
    return text


def as_text(values: Sequence[str]) -> Text:
    """Strings of one length and of ASCII letters, as a matrix to pick rows from."""
    return np.frombuffer("".join(values).encode(), np.uint8).reshape(len(values), -1)


def strings(text: Text, valid: Bools | None = None) -> pa.Array:
    rows, length = text.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * length
    data = pa.py_buffer(np.ascontiguousarray(text))
    return pa.Array.from_buffers(pa.large_string(), rows, [_bitmap(valid), pa.py_buffer(offsets), data])


def prefixed(prefix: str, ids: Text, valid: Bools | None = None) -> pa.Array:
    """A Stripe-like id: the prefix and 24 digits of each UUID."""
    head = np.broadcast_to(np.frombuffer(prefix.encode(), np.uint8), (len(ids), len(prefix)))
    return strings(np.concatenate([head, ids[:, DIGITS[:24]]], axis=1), valid)


def words(choices: Sequence[str | None], codes: npt.NDArray[Any]) -> pa.Array:
    """choices[code] for each code."""
    return compute.take(pa.array(choices, pa.string()), pa.array(codes))


def times(microseconds: Ints, valid: Bools | None = None) -> pa.Array:
    """Timestamps from microseconds since 1970."""
    data = pa.py_buffer(np.ascontiguousarray(microseconds, np.int64))
    return pa.Array.from_buffers(pa.timestamp("us"), len(microseconds), [_bitmap(valid), data])


def money(cents: Ints, valid: Bools | None = None) -> pa.Array:
    """numeric(10,2) from cents."""
    wide = np.empty((len(cents), 2), np.int64)
    wide[:, 0] = cents
    wide[:, 1] = cents >> 63
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [_bitmap(valid), pa.py_buffer(wide)])


def _bitmap(valid: Bools | None) -> pa.Buffer | None:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def copy_columns(target: Target, table: str, columns: Mapping[str, pa.Array]) -> int:
    """COPY columns of one length; the number of rows."""
    batch = pa.table(dict(columns))
    options = csv.WriteOptions(include_header=False)
    with target.connection.cursor().copy(_copy(target, table, columns, "csv")) as copy:
        for part in batch.to_batches(max_chunksize=BATCH):
            sink = pa.BufferOutputStream()
            csv.write_csv(part, sink, options)
            copy.write(memoryview(sink.getvalue()))
    return int(batch.num_rows)


def copy_rows(target: Target, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """COPY a few rows, all with the same keys; the number of rows."""
    rows = list(rows)
    if not rows:
        return 0
    with target.connection.cursor().copy(_copy(target, table, rows[0], "text")) as copy:
        for row in rows:
            copy.write_row(list(row.values()))
    return len(rows)


def _copy(target: Target, table: str, columns: Iterable[str], format_: str) -> sql.Composed:
    return sql.SQL("copy {} ({}) from stdin (format {}, freeze {})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(format_),
        sql.SQL(str(target.frozen)),
    )


def emptied(connection: postgres.Connection) -> Target:
    """The nine tables, which hold no rows, made ready to be filled.

    They are truncated, for only then may rows be loaded frozen; where a foreign key from outside forbids it,
    or a table is partitioned, rows are loaded as any others are.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, schema.TABLES))
    partitioned = connection.execute(
        "select from pg_class where relnamespace = 'public'::regnamespace and relkind = 'p' and relname = any(%s)",
        [list(schema.TABLES)],
    ).fetchone()
    truncated = _done(connection, sql.SQL("truncate {}").format(names), errors.FeatureNotSupported)
    return Target(connection, frozen=truncated and partitioned is None)


@contextmanager
def without_indexes(connection: postgres.Connection) -> Iterator[None]:
    """Take the foreign keys, keys and indexes off the nine tables, and put them back after the block.

    One that something else depends on stays: the load is slower then, and right all the same.
    """
    dropped = []
    for drop, create in connection.execute(
        schema.sql("indexes.sql").encode(), {"tables": list(schema.TABLES)}
    ).fetchall():
        if _done(connection, sql.SQL(drop), errors.DependentObjectsStillExist):
            dropped.append(create)
    yield
    for create in reversed(dropped):
        connection.execute(create)


def _done(connection: postgres.Connection, statement: sql.SQL | sql.Composed, refusal: type[psycopg.Error]) -> bool:
    """Whether the server did it; False, with nothing changed, where it answers with that refusal."""
    connection.execute("savepoint attempt")
    try:
        connection.execute(statement)
    except refusal:
        connection.execute("rollback to savepoint attempt")
        return False
    connection.execute("release savepoint attempt")
    return True

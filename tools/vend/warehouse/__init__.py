"""What the sync asks of a warehouse, and the ledger row in which both meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from vend.contract import Table
from vend.errors import VendError
from vend.extract import Batch
from vend.settings import Settings


@dataclass(frozen=True)
class Entry:
    """A row of ops.sync_runs: one table in one run. Times are naive UTC; started_at is the run's, and the
    _fivetran_synced of every row it writes."""

    run_id: str
    table_name: str
    mode: str
    status: str
    started_at: datetime
    finished_at: datetime | None = None
    watermark: datetime | None = None
    xid_horizon: int | None = None
    rows_extracted: int | None = None
    rows_inserted: int | None = None
    rows_updated: int | None = None
    rows_deleted: int | None = None
    source_rows: int | None = None
    raw_rows: int | None = None
    source_checksum: int | None = None
    raw_checksum: int | None = None
    error: str | None = None
    system_identifier: str | None = None


class Mismatch(VendError):  # noqa: N818, a difference and no fault
    """RAW would not be what the source counted or hashed. Nothing was changed."""


class Warehouse(Protocol):
    """Where RAW and the ledger live. Every method raises VendError, in a sentence.

    digests_json: whether a json column comes back as it was sent, and so counts in a row's digest.
    """

    digests_json: bool

    def previous(self) -> dict[str, Entry]:
        """The last successful ledger row of each table."""

    def latest(self) -> datetime | None:
        """The latest time in the ledger."""

    def live_rows(self, table: Table) -> int | None:
        """Rows of RAW not marked as deleted; None where the table does not exist."""

    def columns(self, table: Table) -> dict[str, str] | None:
        """RAW's columns and their types as vend.contract writes them, without the two that the sync adds; a type it
        does not know as the engine writes it. None where the table does not exist."""

    def load(self, table: Table, batch: Batch, entry: Entry, keys: Callable[[], Batch]) -> Entry:
        """Make RAW fit the table, merge the batch and write the ledger row, in one transaction, or change nothing.

        entry: complete but for the outcome; returned with it. keys: called where rows have vanished from the
        source; gives the key of every row of the table in the snapshot. Raises Mismatch where RAW would not have
        entry.source_rows live rows, or where the rows written do not come to entry.source_checksum.
        """

    def record(self, entry: Entry) -> None:
        """Write the ledger row of a table that failed."""

    def repair(self, table: Table, batch: Batch, gone: Sequence[str], entry: Entry) -> Entry:
        """Merge the batch, mark the keys in `gone` as deleted and write the ledger row, in one transaction."""

    def digests(self, table: Table, length: int, prefixes: Sequence[str] | None) -> dict[str, tuple[int, int]]:
        """(live rows, sum of their digests) by the first `length` characters of the key, for the keys that begin
        with one of the prefixes, which are equally long; None for all."""

    def rows(self, table: Table, prefixes: Sequence[str]) -> dict[str, int]:
        """The digest of each live row whose key begins with one of the prefixes, which are equally long, by key."""


@contextmanager
def opened(settings: Settings, scratch: Path) -> Iterator[Warehouse]:
    """The warehouse for writing, locked against other runs. scratch: a folder for its temporary files."""
    if settings.warehouse == "snowflake":
        from vend.warehouse import snowflake

        with snowflake.opened(settings) as remote:
            yield remote
        return
    from vend.warehouse import duckdb

    with duckdb.locked(settings.duckdb_path), duckdb.opened(settings.duckdb_path, scratch) as warehouse:
        yield warehouse


@contextmanager
def glimpsed(settings: Settings, scratch: Path) -> Iterator[Warehouse | None]:
    """The warehouse for reading, None where there is none yet. Creates nothing and takes no lock."""
    if settings.warehouse == "snowflake":
        from vend.warehouse import snowflake

        with snowflake.glimpsed(settings) as remote:
            yield remote
        return
    from vend.warehouse import duckdb

    if not settings.duckdb_path.exists():
        yield None
        return
    with duckdb.opened(settings.duckdb_path, scratch, read_only=True) as warehouse:
        yield warehouse

"""What the sync asks of a warehouse, and the ledger row in which both meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from vend.contract import Table
from vend.errors import VendError
from vend.extract import Batch
from vend.settings import Settings


class Mismatch(VendError):  # noqa: N818
    """What a load left in RAW is not what the source holds, so it was undone."""


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


class Warehouse(Protocol):
    """Where RAW and the ledger live. Every method raises VendError, in a sentence."""

    def previous(self) -> dict[str, Entry]:
        """The last successful ledger row of each table."""

    def latest(self) -> datetime | None:
        """The latest time in the ledger."""

    def live_rows(self, table: Table) -> int | None:
        """Rows of RAW not marked as deleted; None where the table does not exist."""

    def load(self, table: Table, batch: Batch, entry: Entry, keys: Callable[[], Batch]) -> Entry:
        """Merge the batch and write the ledger row, in one transaction, or change nothing.

        entry: complete but for the outcome; returned with it. keys: called where rows have vanished from the
        source; gives the key of every row of the table in the snapshot.
        """

    def record(self, entry: Entry) -> None:
        """Write the ledger row of a table that failed."""


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

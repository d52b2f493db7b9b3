"""The sync: what changed in Postgres since the last run goes to RAW, each table in a transaction of its own.

The last successful row of ops.sync_runs is the only state. It holds the snapshot the table was read from, so a
run that dies at any moment is simply not there, and the next one starts from the run before it.
"""

from __future__ import annotations

import json
import secrets
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from psycopg import sql

from vend import contract, extract, warehouse
from vend.contract import Table
from vend.errors import UsageError, VendError
from vend.extract import Batch, Snapshot
from vend.postgres import Connection
from vend.progress import Progress, say
from vend.settings import Settings
from vend.warehouse import Entry, Warehouse


@dataclass(frozen=True)
class TableResult:
    """mode: full or incremental. status: success, error, or planned in a dry run, where rows_extracted and
    bytes (as Postgres stores them) say what a run would read. raw_rows: not marked as deleted."""

    table: str
    mode: str
    status: str
    rows_extracted: int | None = None
    rows_inserted: int | None = None
    rows_updated: int | None = None
    rows_deleted: int | None = None
    source_rows: int | None = None
    raw_rows: int | None = None
    seconds: float = 0.0
    error: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Run:
    """Times are naive UTC. run_id: as in ops.sync_runs; of a dry run, nowhere else."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    tables: list[TableResult]

    @property
    def ok(self) -> bool:
        return all(table.status != "error" for table in self.tables)


def sync(
    settings: Settings,
    source_dsn: str,
    *,
    tables: Sequence[str] = (),
    full_refresh: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Bring RAW up to the source as of now. tables: names, none for all. full_refresh: read every row.
    dry_run: change nothing, tell what would be read.

    A table that fails is in the result with its error and leaves the others alone. Raises UsageError for an
    unknown table, VendError where nothing can be read or written.
    """
    chosen = _chosen(contract.tables(settings), tables)
    show: Progress = progress or (lambda task, done, total=None: None)
    variable = "VEND_SOURCE_DSN" if settings.source_dsn else "VEND_POSTGRES_DSN"
    with extract.source(source_dsn, chosen, variable) as connection:
        if dry_run:
            return _plan(settings, connection, source_dsn, chosen, full_refresh)
        stage = _stage(settings)
        with warehouse.opened(settings, stage / "spill") as target, _staged(settings, stage):
            started = _after(target.latest())
            run_id = f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
            previous = target.previous()
            results = []
            with extract.snapshot(connection, source_dsn) as now:
                if any(entry.system_identifier != now.identity for entry in previous.values()):
                    say(
                        "The source is another server or database than that of the last sync. Every row is read again, "
                        "and rows that it does not have are marked as deleted in RAW."
                    )
                for table in chosen:
                    since = None if full_refresh else _since(table, previous.get(table.name), now, target)
                    entry = Entry(
                        run_id=run_id,
                        table_name=table.name,
                        mode="incremental" if since else "full",
                        status="success",
                        started_at=started,
                        watermark=since.watermark if since else None,
                        xid_horizon=now.xmin,
                        system_identifier=now.identity,
                    )
                    source = _Source(connection, source_dsn, table, now, since, stage / table.name)
                    results.append(_table(source, target, entry, show))
    return Run(run_id, started, _now(), results)


@dataclass(frozen=True)
class _Source:
    """One table of the source in the run's snapshot. since: the run to start from, None to read all."""

    connection: Connection
    dsn: str
    table: Table
    now: Snapshot
    since: Entry | None
    folder: Path

    @property
    def condition(self) -> sql.Composable | None:
        if self.since is None or self.since.xid_horizon is None:
            return None
        return extract.changed(self.table, self.now, self.since.watermark, self.since.xid_horizon)

    def keys(self) -> Batch:
        key = [column for column in self.table.columns if column.name == self.table.key]
        return extract.extract(self.connection, self.table, self.folder / "keys", columns=key)


def _table(source: _Source, target: Warehouse, entry: Entry, progress: Progress) -> TableResult:
    """Extract and load one table; its failure becomes a ledger row and a result."""
    clock, table = monotonic(), source.table
    try:
        progress(table.name, 0)
        batch = extract.extract(
            source.connection,
            table,
            source.folder / "rows",
            where=source.condition,
            report=lambda rows: progress(table.name, rows),
        )
        whole = source.condition is None
        rows = batch.rows if whole else extract.count(source.connection, table)
        entry = replace(entry, rows_extracted=batch.rows, source_rows=rows)
        entry = target.load(table, batch, entry, keys=lambda: batch if whole else source.keys())
        progress(table.name, batch.rows, batch.rows)
    except Exception as error:
        sentence = extract.failure(error, table.name, source.dsn)
        if sentence is None:
            raise
        entry = replace(
            entry, status="error", error=sentence, finished_at=max(_now(), entry.started_at), watermark=None
        )
        try:
            target.record(entry)
        except VendError:  # the warehouse itself is in trouble, and the first error says why
            raise VendError(sentence) from None
    finally:
        shutil.rmtree(source.folder, ignore_errors=True)
    return TableResult(
        table=table.name,
        mode=entry.mode,
        status=entry.status,
        rows_extracted=entry.rows_extracted,
        rows_inserted=entry.rows_inserted,
        rows_updated=entry.rows_updated,
        rows_deleted=entry.rows_deleted,
        source_rows=entry.source_rows,
        raw_rows=entry.raw_rows,
        seconds=round(monotonic() - clock, 3),
        error=entry.error,
    )


def _since(table: Table, last: Entry | None, now: Snapshot, target: Warehouse | None) -> Entry | None:
    """The run to continue from, None where only a full load is safe."""
    if last is None or last.xid_horizon is None or target is None:
        return None
    same_source = last.system_identifier == now.identity
    # A horizon ahead of the source means it was restored; one too far behind, that xids have wrapped around.
    comparable = now.xmin - last.xid_horizon >= 0 and now.xmax - last.xid_horizon < extract.XIDS // 2
    untouched = target.live_rows(table) == last.raw_rows
    return last if same_source and comparable and untouched else None


def _plan(settings: Settings, connection: Connection, dsn: str, chosen: Sequence[Table], full_refresh: bool) -> Run:
    started = _now()
    results = []
    with (
        warehouse.glimpsed(settings, _stage(settings) / "spill") as target,
        extract.snapshot(connection, dsn) as now,
    ):
        previous = target.previous() if target else {}
        for table in chosen:
            since = None if full_refresh else _since(table, previous.get(table.name), now, target)
            source = _Source(connection, dsn, table, now, since, Path())
            rows, size = extract.size(connection, table, source.condition)
            mode = "incremental" if since else "full"
            results.append(TableResult(table.name, mode, "planned", rows_extracted=rows, bytes=size))
    return Run("dry-run", started, _now(), results)


def _chosen(known: Sequence[Table], names: Sequence[str]) -> list[Table]:
    listed = [table.name for table in known]
    if unknown := [name for name in names if name not in listed]:
        raise UsageError(f"There is no table {', '.join(unknown)} in RAW; there are: {', '.join(listed)}.")
    return [table for table in known if not names or table.name in names]


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _after(latest: datetime | None) -> datetime:
    """Now, or just after the ledger's last time where the clock went back."""
    return _now() if latest is None else max(_now(), latest + timedelta(microseconds=1))


def _stage(settings: Settings) -> Path:
    """A folder for one run's files. Its name tells the warehouse, whose lock decides who may clean it up."""
    warehouse_tag = f"{zlib.crc32(str(settings.duckdb_path).encode()):08x}"
    return settings.home / "stage" / f"{warehouse_tag}-{secrets.token_hex(6)}"


@contextmanager
def _staged(settings: Settings, stage: Path) -> Iterator[None]:
    """The folder, made and removed; those that killed runs left are removed first."""
    settings.make_home()
    prefix = stage.name.partition("-")[0]
    try:
        stage.parent.mkdir(exist_ok=True)
        for leftover in stage.parent.glob(f"{prefix}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        stage.mkdir()
    except OSError as error:
        raise VendError(
            f"The stage folder {stage.parent} cannot be written ({error.strerror}). Mend that and rerun."
        ) from None
    try:
        yield
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def as_json(run: Run) -> str:
    """One object: run_id, started_at, finished_at, ok and tables, each with the fields of TableResult."""
    document = {
        "run_id": run.run_id,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat(),
        "ok": run.ok,
        "tables": [asdict(table) for table in run.tables],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_text(run: Run) -> str:
    """A table of at most 100 columns, the errors under it, and what it comes to."""
    if all(table.status == "planned" for table in run.tables):
        return _planned(run)
    lines = [
        f"{'table':<24}{'mode':<12}{'read':>11}{'new':>11}{'changed':>10}{'gone':>9}{'in RAW':>12}{'s':>8}",
    ]
    for table in run.tables:
        head = f"{table.table:<24}{table.mode:<12}"
        if table.status == "error":
            lines.append(f"{head}{'failed':>11}")
            continue
        lines.append(
            f"{head}{_figure(table.rows_extracted, 11)}{_figure(table.rows_inserted, 11)}"
            f"{_figure(table.rows_updated, 10)}{_figure(table.rows_deleted, 9)}{_figure(table.raw_rows, 12)}"
            f"{table.seconds:>8.1f}"
        )
    failed = [table for table in run.tables if table.status == "error"]
    lines += ["", *(f"{table.table}: {table.error}" for table in failed)] if failed else []
    seconds = (run.finished_at - run.started_at).total_seconds()
    read = sum(table.rows_extracted or 0 for table in run.tables if table.status == "success")
    good = len(run.tables) - len(failed)
    lines += ["", f"Run {run.run_id}: {good} of {len(run.tables)} tables, {read:,} rows in {seconds:.1f} s."]
    return "\n".join(lines)


def _planned(run: Run) -> str:
    lines = [f"{'table':<24}{'mode':<12}{'rows':>12}{'MB':>10}"]
    lines += [
        f"{table.table:<24}{table.mode:<12}{_figure(table.rows_extracted, 12)}{(table.bytes or 0) / 1e6:>10.1f}"
        for table in run.tables
    ]
    rows = sum(table.rows_extracted or 0 for table in run.tables)
    size = sum(table.bytes or 0 for table in run.tables)
    return "\n".join([*lines, "", f"A sync would read {rows:,} rows, {size / 1e6:,.1f} MB. Nothing was changed."])


def _figure(value: int | None, width: int) -> str:
    return f"{value:>{width},}" if value is not None else f"{'–':>{width}}"

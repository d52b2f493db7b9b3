"""The sync: what changed in Postgres since the last run goes to RAW, each table in a transaction of its own.

The last successful row of ops.sync_runs is the only state. It holds the snapshot the table was read from, so a
run that dies at any moment is simply not there, and the next one starts from the run before it.
"""

from __future__ import annotations

import json
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import psycopg
from psycopg import sql

from vend import contract, drift, extract, warehouse
from vend.contract import Table
from vend.drift import Fit
from vend.errors import UsageError, VendError
from vend.extract import Batch, Proof, Relation, Snapshot
from vend.postgres import Connection
from vend.progress import Progress, State, say
from vend.settings import Settings
from vend.warehouse import Entry, Mismatch, Warehouse

DRY_RUN = "dry-run"


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
    state: State | None = None,
) -> Run:
    """Bring RAW up to the source as of now. tables: names, none for all. full_refresh: read every row.
    dry_run: change nothing, tell what would be read. progress and state: called while it runs.

    A table that fails is in the result with its error and leaves the others alone. Raises UsageError for an
    unknown table, VendError where nothing can be read or written.
    """
    chosen = pick(contract.tables(settings), tables)
    show = _Show(progress or (lambda task, done, total=None: None), state or (lambda task, text, final=False: None))
    with extract.source(source_dsn, chosen, variable(settings)) as connection:
        if dry_run:
            return _plan(settings, connection, source_dsn, chosen, full_refresh)
        stage = stage_folder(settings)
        with warehouse.opened(settings, stage / "spill") as target, staged(settings, stage):
            started = after(target.latest())
            run_id = f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
            previous = target.previous()
            with (
                extract.snapshot(connection, source_dsn, chosen) as now,
                extract.beside(source_dsn, now, variable(settings)) as second,
            ):
                if any(_identity(entry)[0] != now.identity for entry in previous.values()):
                    say(
                        "The source is another server or database than that of the last sync, or was restarted since. "
                        "Every row is read again, and rows that it does not have are marked as deleted in RAW."
                    )
                results = []
                local = settings.warehouse == "duckdb"
                for table in chosen:
                    entry = Entry(
                        run_id=run_id,
                        table_name=table.name,
                        mode="full",
                        status="success",
                        started_at=started,
                        xid_horizon=now.xmin,
                    )
                    source = Source(connection, source_dsn, table, now, stage / table.name, second, local)
                    since = None if full_refresh else previous.get(table.name)
                    results.append(_table(source, target, entry, since, show))
    return Run(run_id, started, utc_now(), results)


@dataclass(frozen=True)
class _Show:
    """What a person sees of a run: rows and states of its tables."""

    rows: Progress
    state: State


@dataclass(frozen=True)
class Source:
    """One table of the source in the run's snapshot, and a folder for its files. second: see extract.beside.
    local: whether the warehouse reads the files where they are."""

    connection: Connection
    dsn: str
    table: Table
    now: Snapshot
    folder: Path
    second: Connection | None = None
    local: bool = False

    @property
    def relation(self) -> Relation:
        """Raises VendError where the table cannot be read."""
        name = self.table.name
        if name in self.now.refused:
            raise VendError(self.now.refused[name])
        if name not in self.now.relations:
            raise VendError(f"The source has no table {name} any more. Rerun.")
        return self.now.relations[name]

    @property
    def identity(self) -> str:
        """What the ledger remembers of the source: server, shape of the table, parts its rows are in."""
        return "/".join([self.now.identity, self.relation.shape, ",".join(self.relation.parts)])

    def fit(self, target: Warehouse | None) -> Fit:
        return drift.fit(self.table, self.relation, target.columns(self.table) if target else None)

    def keys(self, fitted: Fit) -> Batch:
        key = [column for column in fitted.table.columns if column.name == self.table.key]
        return extract.extract(self.connection, self.table, self.folder / "keys", columns=key, origin=fitted.origin)


@dataclass(frozen=True)
class Plan:
    """How a table is to be read. since: the run to start from, None to read all. where: which rows."""

    fitted: Fit
    since: Entry | None
    where: sql.Composable | None


def plan(source: Source, target: Warehouse | None, last: Entry | None) -> Plan:
    """Continue from the last run where that is safe, else read all. Raises VendError for drift."""
    fitted = source.fit(target)
    untouched = last is not None and target is not None and target.live_rows(source.table) == last.raw_rows
    since = last if untouched and not fitted.added else None
    where = pending(source, since)
    return Plan(fitted, since if where is not None else None, where)


def pending(source: Source, last: Entry | None) -> sql.Composable | None:
    """Which rows may have changed since that run; None where that cannot be told."""
    if last is None or last.xid_horizon is None:
        return None
    table, now = source.table, source.now
    server, shape, parts = _identity(last)
    known = set(parts.split(","))
    if (server, shape) != (now.identity, source.relation.shape) or not known & set(source.relation.parts):
        return None
    if table.guard is None:
        # A row dated ahead of its time is no reason to miss those that come before it.
        watermark = min(last.watermark, last.started_at) if last.watermark else None
        return extract.changed(table, now, watermark, None) if watermark else None
    # A horizon ahead of the source means it was restored; one too far behind, that xids have wrapped around.
    if now.xmin < last.xid_horizon or now.xmax - last.xid_horizon >= extract.XIDS // 2:
        return None
    fresh = [part for part in source.relation.parts if part not in known]
    return extract.changed(table, now, last.watermark, last.xid_horizon, fresh)


def _identity(entry: Entry) -> tuple[str, str, str]:
    """(server, shape, parts) of a ledger row, as Source.identity wrote them."""
    text, _, parts = (entry.system_identifier or "").rpartition("/")
    server, _, shape = text.rpartition("/")
    return server, shape, parts


def _table(source: Source, target: Warehouse, entry: Entry, since: Entry | None, show: _Show) -> TableResult:
    """Extract and load one table; its failure becomes a ledger row and a result."""
    clock, table = monotonic(), source.table
    try:
        show.rows(table.name, 0)
        entry = replace(entry, system_identifier=source.identity)
        try:
            entry = _load(source, target, entry, plan(source, target, since), show)
        except Mismatch as difference:
            say(f"{difference} Nothing was changed; every row of {table.name} is read again.")
            shutil.rmtree(source.folder, ignore_errors=True)
            entry = _load(source, target, entry, plan(source, target, None), show)
    except Exception as error:
        sentence = extract.failure(error, table.name, source.dsn)
        if sentence is None:
            raise
        if isinstance(error, Mismatch):
            sentence = (
                f"{sentence} RAW is as it was. Rerun; if that does not help, `vend reconcile {table.name}` shows which "
                f"rows differ, or drop raw.{table.name} and rerun."
            )
        entry = replace(
            entry, status="error", error=sentence, finished_at=max(utc_now(), entry.started_at), watermark=None
        )
        try:
            target.record(entry)
        except VendError:  # the warehouse itself is in trouble, and the first error says why
            raise VendError(sentence) from None
    finally:
        shutil.rmtree(source.folder, ignore_errors=True)
    result = TableResult(
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
    show.state(table.name, _line(result), final=True)
    return result


def _load(source: Source, target: Warehouse, entry: Entry, how: Plan, show: _Show) -> Entry:
    """Read, prove and merge one table as planned. Raises Mismatch where RAW would not be the source."""
    name, fitted = source.table.name, how.fitted
    entry = replace(
        entry, mode="incremental" if how.since else "full", watermark=how.since.watermark if how.since else None
    )
    if fitted.added or fitted.widened:
        say(_news(fitted))
    show.state(name, "reading")
    with _proving(source, how) as proven:
        batch = extract.extract(
            source.connection,
            fitted.table,
            source.folder / "rows",
            where=how.where,
            origin=fitted.origin,
            # On this machine the files need not be small, only quickly written and read.
            compression="none" if source.local else "zstd",
            report=lambda rows: show.rows(name, rows),
        )
        show.state(name, "proving")
        proof = proven()
    if proof.changed != batch.rows:
        raise VendError(f"Postgres counts {proof.changed} rows and sent {batch.rows}. Rerun, and report it.")
    extract.durable(source.connection, source.now)
    entry = replace(entry, rows_extracted=batch.rows, source_rows=proof.rows, source_checksum=proof.checksum)
    show.state(name, "loading")
    entry = target.load(fitted.table, batch, entry, keys=lambda: batch if how.where is None else source.keys(fitted))
    show.rows(name, batch.rows, batch.rows)
    return entry


@contextmanager
def _proving(source: Source, how: Plan) -> Iterator[Callable[[], Proof]]:
    """Call it for the proof of the rows, which are counted and hashed while they are copied."""

    def prove(connection: Connection) -> Proof:
        return extract.prove(connection, how.fitted.table, how.fitted.origin, how.where)

    second = source.second
    if second is None:
        yield lambda: prove(source.connection)
        return
    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(prove, second)

        def proven() -> Proof:
            try:
                return ahead.result()
            except psycopg.Error:
                return prove(source.connection)

        try:
            yield proven
        except BaseException:
            if not ahead.done():
                second.cancel_safe()
            raise


def _news(fitted: Fit) -> str:
    """What the source has and RAW has not yet, in a line."""
    kinds = [f"{name} ({fitted.table.type_of(name)})" for name in fitted.widened]
    added = f"the source has {', '.join(fitted.added)}, added to RAW for every row" if fitted.added else ""
    widened = f"{', '.join(kinds)} is wider in the source, and so in RAW now" if kinds else ""
    return f"{fitted.table.name}: {'; '.join(part for part in (added, widened) if part)}."


def _plan(settings: Settings, connection: Connection, dsn: str, chosen: Sequence[Table], full_refresh: bool) -> Run:
    started = utc_now()
    results = []
    with (
        warehouse.glimpsed(settings, stage_folder(settings) / "spill") as target,
        extract.snapshot(connection, dsn, chosen) as now,
    ):
        previous = target.previous() if target else {}
        for table in chosen:
            source = Source(connection, dsn, table, now, Path())
            try:
                how = plan(source, target, None if full_refresh else previous.get(table.name))
                rows, size = extract.size(connection, table, how.where)
            except Exception as error:
                sentence = extract.failure(error, table.name, dsn)
                if sentence is None:
                    raise
                results.append(TableResult(table.name, "full", "error", error=sentence))
                continue
            mode = "incremental" if how.since else "full"
            results.append(TableResult(table.name, mode, "planned", rows_extracted=rows, bytes=size))
    return Run(DRY_RUN, started, utc_now(), results)


def pick(known: Sequence[Table], names: Sequence[str]) -> list[Table]:
    """The tables named, all if none is. Raises UsageError for one that is not declared."""
    listed = [table.name for table in known]
    if unknown := [name for name in names if name not in listed]:
        raise UsageError(f"There is no table {', '.join(unknown)} in RAW; there are: {', '.join(listed)}.")
    return [table for table in known if not names or table.name in names]


def variable(settings: Settings) -> str:
    """Where the source's DSN is from, for messages."""
    return "VEND_SOURCE_DSN" if settings.source_dsn else "VEND_POSTGRES_DSN"


def utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def after(latest: datetime | None) -> datetime:
    """Now, or just after the ledger's last time where the clock went back."""
    return utc_now() if latest is None else max(utc_now(), latest + timedelta(microseconds=1))


def stage_folder(settings: Settings) -> Path:
    """A folder for one run's files. Its name tells the warehouse, whose lock decides who may clean it up."""
    warehouse_tag = f"{zlib.crc32(f'{settings.warehouse} {settings.duckdb_path} {settings.snowflake}'.encode()):08x}"
    return settings.home / "stage" / f"{warehouse_tag}-{secrets.token_hex(6)}"


@contextmanager
def staged(settings: Settings, stage: Path) -> Iterator[None]:
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
    if run.run_id == DRY_RUN:
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
        if table.status != "error"
    ]
    lines += [f"{table.table}: {table.error}" for table in run.tables if table.status == "error"]
    rows = sum(table.rows_extracted or 0 for table in run.tables)
    size = sum(table.bytes or 0 for table in run.tables)
    return "\n".join([*lines, "", f"A sync would read {rows:,} rows, {size / 1e6:,.1f} MB. Nothing was changed."])


def _line(result: TableResult) -> str:
    """A table's outcome for a log."""
    if result.status == "error":
        return f"failed: {result.error}"
    figures = {
        "read": result.rows_extracted,
        "new": result.rows_inserted,
        "changed": result.rows_updated,
        "gone": result.rows_deleted,
        "in RAW": result.raw_rows,
    }
    shown = ", ".join(f"{figure or 0:,} {name}" for name, figure in figures.items())
    return f"{result.mode}, {shown}, {result.seconds:.1f} s"


def _figure(value: int | None, width: int) -> str:
    return f"{value:>{width},}" if value is not None else f"{'–':>{width}}"

"""Reconcile: every row of RAW against the source, by hashes, down to the rows and columns that differ.

Both sides add up the rows' digests by the first characters of the key. Where the sums differ the rows are compared
one by one. One snapshot of the source; nothing is written unless a repair is asked for.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from psycopg import sql

from vend import contract, extract, warehouse
from vend.contract import Column, Table
from vend.drift import Fit
from vend.errors import VendError
from vend.progress import State
from vend.settings import Settings
from vend.sync import Source, after, pending, pick, stage_folder, staged, variable
from vend.warehouse import Entry, Warehouse

PENDING_ROWS = 10_000
"""More rows that wait for a sync than this: sync first, for nearly every range of keys would differ."""
NAMED_ROWS = 100_000
"""More rows that differ than this are not named; reading the table again is cheaper."""
SLICE_ROWS = 100_000
"""Rows that are compared one by one at a time."""
GROUP_ROWS = 256
LONGEST_PREFIX = 64
NAMED_COLUMNS = 1000
"""Rows of which the columns that differ are named."""
SHOWN = 20
"""Differences of a table that a person is shown."""


@dataclass(frozen=True)
class Difference:
    """A row that differs. what: missing (RAW lacks it), gone (the source lacks it) or different; then columns."""

    key: str
    what: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableResult:
    """status: equal, differs, repaired or error. source_rows and raw_rows: live rows of both. pending: rows that
    may have changed in the source since the last sync, which were left out."""

    table: str
    status: str
    source_rows: int | None = None
    raw_rows: int | None = None
    pending: int | None = None
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Result:
    """ok: every table is equal, or was made so."""

    tables: list[TableResult] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(table.status in ("equal", "repaired") for table in self.tables)


def reconcile(
    settings: Settings,
    source_dsn: str,
    *,
    tables: Sequence[str] = (),
    repair: bool = False,
    state: State | None = None,
) -> Result:
    """Compare RAW with the source as of now. tables: names, none for all. repair: fetch the rows that differ and mark
    those that are gone; else nothing is written.

    Raises UsageError for an unknown table, VendError where nothing can be read.
    """
    chosen = pick(contract.tables(settings), tables)
    tell: State = state or (lambda task, text, final=False: None)
    stage = stage_folder(settings)
    with (
        extract.source(source_dsn, chosen, variable(settings)) as connection,
        _target(settings, stage, repair) as target,
        extract.snapshot(connection, source_dsn, chosen) as now,
        extract.beside(source_dsn, now, variable(settings)),
    ):
        started = after(target.latest())
        run_id = f"{started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        previous = target.previous()
        results = []
        for table in chosen:
            source = Source(connection, source_dsn, table, now, stage / table.name)
            last = previous.get(table.name)
            tell(table.name, "hashing")
            result = _table(
                source, target, last, replace(last, run_id=run_id, started_at=started) if last and repair else None
            )
            tell(table.name, _line(result), final=True)
            results.append(result)
    return Result(results)


@contextmanager
def _target(settings: Settings, stage: Path, repair: bool) -> Iterator[Warehouse]:
    if repair:
        with warehouse.opened(settings, stage / "spill") as target, staged(settings, stage):
            yield target
        return
    with warehouse.glimpsed(settings, stage / "spill") as found:
        if found is None:
            raise VendError("There is no RAW yet to compare with. Run `vend sync`.")
        yield found


def _table(source: Source, target: Warehouse, last: Entry | None, entry: Entry | None) -> TableResult:
    """Compare one table, and repair it where `entry`, the ledger row to write, is given."""
    clock, name = monotonic(), source.table.name
    try:
        result = _compared(source, target, last)
        if entry is not None and result.differences:
            _repair(source, target, entry, result.differences)
            if left := _compared(source, target, last).differences:
                raise VendError(
                    f"{len(left):,} rows of {name} still differ after the repair, {left[0].key} among them. "
                    f"Run `vend sync {name} --full-refresh`."
                )
            result = replace(result, status="repaired")
    except Exception as error:
        sentence = extract.failure(error, name, source.dsn)
        if sentence is None:
            raise
        result = TableResult(name, "error", error=sentence)
    finally:
        shutil.rmtree(source.folder, ignore_errors=True)
    return replace(result, seconds=round(monotonic() - clock, 3))


def _compared(source: Source, target: Warehouse, last: Entry | None) -> TableResult:
    name = source.table.name
    fitted = source.fit(target)
    waiting = pending(source, last)
    if waiting is None or fitted.added or fitted.widened:
        raise VendError(
            f"RAW's {name} is not of this source as it is now, so what differs cannot be told from what is new. "
            f"Run `vend sync {name}` first."
        )
    sides = _Sides(source, target, _hashable(fitted, target), fitted, waiting)
    rows, pending_rows = sides.size()
    if pending_rows > PENDING_ROWS:
        raise VendError(f"{pending_rows:,} rows of {name} changed since the last sync. Run `vend sync {name}` first.")
    found: list[Difference] = []
    for prefixes, held in sides.suspects(_length(rows)):
        found += sides.differences(prefixes, held)
        if len(found) > NAMED_ROWS:
            raise VendError(
                f"More than {NAMED_ROWS:,} rows of {name} differ, too many to mend one by one. "
                f"Run `vend sync {name} --full-refresh`."
            )
    named = tuple(sides.named(sorted(found, key=lambda difference: difference.key)))
    return TableResult(
        table=name,
        status="differs" if named else "equal",
        source_rows=rows,
        raw_rows=target.live_rows(source.table),
        pending=pending_rows,
        differences=named,
    )


def _hashable(fitted: Fit, target: Warehouse) -> Table:
    """The columns that both sides can be asked for."""
    columns = tuple(
        column
        for column in fitted.table.columns
        if fitted.origin[column.name] is not None and (target.digests_json or column.type != "json")
    )
    return replace(fitted.table, columns=columns)


def _length(rows: int) -> int:
    """Characters of a hexadecimal key that split the rows into groups of GROUP_ROWS or so."""
    length = 1
    while 16**length * GROUP_ROWS < rows and length < 4:
        length += 1
    return length


@dataclass(frozen=True)
class _Sides:
    """A table in the source's snapshot and in RAW. table: with the columns compared. waiting: which rows changed
    since the last sync."""

    source: Source
    target: Warehouse
    table: Table
    fitted: Fit
    waiting: sql.Composable

    def size(self) -> tuple[int, int]:
        """(rows of the source, those of them that wait for a sync)"""
        query = sql.SQL("select count(*), count(*) filter (where {})").format(self.waiting)
        rows, waiting = self._select(query)[0]
        return rows, waiting

    def suspects(self, length: int) -> Iterator[tuple[list[str], int]]:
        """(prefixes of keys, equally long, under which the two sides differ; how many rows RAW has there), in portions
        of SLICE_ROWS or so."""
        prefixes = None
        while True:
            here, there = self._in_source(length, prefixes), self.target.digests(self.table, length, prefixes)
            if None in there:
                name = self.table.name
                raise VendError(f"RAW has rows of {name} without a key. Run `vend sync {name} --full-refresh`.")
            unlike = sorted(prefix for prefix in here.keys() | there.keys() if here.get(prefix) != there.get(prefix))
            rows = {prefix: (here.get(prefix, (0, 0))[0], there.get(prefix, (0, 0))[0]) for prefix in unlike}
            deeper = [prefix for prefix in unlike if max(rows[prefix]) > SLICE_ROWS and length < LONGEST_PREFIX]
            portion: list[str] = []
            for prefix in [prefix for prefix in unlike if prefix not in deeper]:
                if portion and sum(max(rows[held]) for held in portion) + max(rows[prefix]) > SLICE_ROWS:
                    yield portion, sum(rows[held][1] for held in portion)
                    portion = []
                portion.append(prefix)
            if portion:
                yield portion, sum(rows[held][1] for held in portion)
            if not deeper:
                return
            prefixes, length = deeper, length + 2

    def _in_source(self, length: int, prefixes: Sequence[str] | None) -> dict[str, tuple[int, int]]:
        query = sql.SQL("select left({key}, {length}), count(*), sum({digest})").format(
            key=self._key, length=sql.Literal(length), digest=self._digest(self.table.columns)
        )
        rows = self._select(query, self._within(prefixes), "1")
        return {prefix: (count, int(total)) for prefix, count, total in rows}

    def differences(self, prefixes: Sequence[str], held: int) -> Iterator[Difference]:
        """The rows under the prefixes that differ and do not wait for a sync. held: how many RAW has there."""
        query = sql.SQL("select {}, {}, {}").format(self._key, self._digest(self.table.columns), self.waiting)
        there = self.target.rows(self.table, prefixes)
        if len(there) != held:
            name = self.table.name
            raise VendError(f"RAW has rows of {name} with the same key. Run `vend sync {name} --full-refresh`.")
        for key, digest, waiting in self._select(query, self._within(prefixes)):
            has = there.pop(key, None)
            if has != digest and not waiting:
                yield Difference(key, "missing" if has is None else "different")
        yield from (Difference(key, "gone") for key in there)

    def named(self, found: Sequence[Difference]) -> Iterator[Difference]:
        """The same, with the columns in which rows differ, for the first NAMED_COLUMNS of them."""
        keys = [difference.key for difference in found if difference.what == "different"][:NAMED_COLUMNS]
        columns: dict[str, list[str]] = {key: [] for key in keys}
        for length in {len(key) for key in keys}:
            same = [key for key in keys if len(key) == length]
            for column in self.table.columns:
                pair = tuple(c for c in self.table.columns if c.name in (self.table.key, column.name))
                there = self.target.rows(replace(self.table, columns=pair), same)
                query = sql.SQL("select {}, {}").format(self._key, self._digest(pair))
                for key, digest in self._select(query, self._within(same)):
                    if key in columns and there.get(key) != digest:
                        columns[key].append(column.name)
        for difference in found:
            yield replace(difference, columns=tuple(columns.get(difference.key, ())))

    @property
    def _key(self) -> sql.Composable:
        return extract.text(Column(self.table.key, self.table.type_of(self.table.key)), self.fitted.origin)

    def _digest(self, columns: Sequence[Column]) -> sql.Composable:
        texts = [sql.SQL("coalesce({}, '\\N')").format(self._told_apart(column)) for column in columns]
        return extract.hashed(self.source.connection, sql.SQL(" || '|' || ").join(texts))

    def _told_apart(self, column: Column) -> sql.Composable:
        """Its text, with backslash and bar marked, so that no text looks like two columns or like NULL."""
        plain = extract.text(column, self.fitted.origin)
        if column.type not in ("varchar", "json"):
            return plain
        return sql.SQL("replace(replace({}, chr(92), chr(92) || chr(92)), '|', chr(92) || '|')").format(plain)

    def _within(self, prefixes: Sequence[str] | None) -> sql.Composable | None:
        if prefixes is None:
            return None
        return sql.SQL("left({}, {}) = any({})").format(
            self._key, sql.Literal(len(prefixes[0])), sql.Literal(list(prefixes))
        )

    def _select(
        self, query: sql.Composable, where: sql.Composable | None = None, group: str | None = None
    ) -> list[tuple[Any, ...]]:
        return extract.select(self.source.connection, self.table, query, where, group)


def _repair(source: Source, target: Warehouse, entry: Entry, found: Sequence[Difference]) -> None:
    """Fetch the rows that are missing or different, mark those that are gone. The ledger row goes on from the last
    sync's snapshot, for other rows were not read."""
    fitted = source.fit(target)
    key = extract.text(Column(source.table.key, fitted.table.type_of(source.table.key)), fitted.origin)
    wanted = [difference.key for difference in found if difference.what != "gone"]
    batch = extract.extract(
        source.connection,
        fitted.table,
        source.folder / "rows",
        where=sql.SQL("{} in (select unnest({}::text[]))").format(key, sql.Literal(wanted)),
        origin=fitted.origin,
    )
    extract.durable(source.connection, source.now)
    entry = replace(
        entry,
        mode="repair",
        rows_extracted=batch.rows,
        source_rows=None,
        source_checksum=None,
        raw_checksum=None,
    )
    target.repair(fitted.table, batch, [row.key for row in found if row.what == "gone"], entry)


def as_json(result: Result) -> str:
    """One object: ok and tables, each with the fields of TableResult."""
    return json.dumps({"ok": result.ok, "tables": [asdict(table) for table in result.tables]}, indent=2)


def as_text(result: Result) -> str:
    """A table, and under it the rows that differ, at most SHOWN of each table."""
    lines = [f"{'table':<24}{'in source':>12}{'in RAW':>12}{'pending':>10}{'differ':>10}  {'':<9}{'s':>6}"]
    for table in result.tables:
        figures = "".join(
            f"{figure:>{width},}" if figure is not None else f"{'–':>{width}}"
            for figure, width in ((table.source_rows, 12), (table.raw_rows, 12), (table.pending, 10))
        )
        lines.append(f"{table.table:<24}{figures}{len(table.differences):>10,}  {table.status:<9}{table.seconds:>6.1f}")
    for table in result.tables:
        if table.error:
            lines += ["", f"{table.table}: {table.error}"]
        if table.differences:
            lines += ["", f"{table.table}:", *(f"  {_shown(row)}" for row in table.differences[:SHOWN])]
            more = len(table.differences) - SHOWN
            lines += [f"  … and {more:,} more; --format json names them all"] if more > 0 else []
    return "\n".join([*lines, "", _verdict(result)])


def _shown(row: Difference) -> str:
    return {
        "missing": f"{row.key} is not in RAW",
        "gone": f"{row.key} is in RAW and not in the source",
        "different": f"{row.key} differs in {', '.join(row.columns) or 'some column'}",
    }[row.what]


def _verdict(result: Result) -> str:
    """What it comes to, and what to do."""
    lines = []
    if waiting := sum(table.pending or 0 for table in result.tables):
        lines.append(
            f"{waiting:,} rows may have changed in the source since the last sync and were left out: run `vend sync` "
            "first. If they stay, an old transaction is open or prepared in the source."
        )
    if differing := [table.table for table in result.tables if table.status == "differs"]:
        lines.append(
            "RAW differs from the source. A row that is only in RAW may have been deleted since the last sync: "
            f"`vend sync {' '.join(differing)}` marks it. What stays: `vend reconcile --repair {' '.join(differing)}`."
        )
    if result.ok:
        repaired = any(table.status == "repaired" for table in result.tables)
        equal = "Every other row of RAW equals the source's." if waiting else "RAW equals the source."
        lines.append("RAW is repaired." if repaired else equal)
    return "\n".join(lines) or "Not every table could be compared."


def _line(result: TableResult) -> str:
    """A table's outcome for a log."""
    if result.error:
        return f"failed: {result.error}"
    return f"{result.status}, {result.source_rows or 0:,} rows, {len(result.differences):,} differ, {result.seconds} s"

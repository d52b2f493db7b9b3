"""Random lives of a source, by hypothesis, against a dict of what was committed."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from faults import checker, rows
from faults.conftest import ALL, COUNTS, Site
from faults.rows import Maker

KIND = "sequences of a state machine against a dict"
SEQUENCES = 1000 if ALL else 15
# One with a cursor, one with money, one with neither.
NAMES = ("users", "payments", "parked")

tables = st.sampled_from(NAMES)
numbers = st.integers(0, 5)
seeds = st.integers(0, 1 << 16)

Key = tuple[str, int]


class Life(RuleBasedStateMachine):
    """committed: rows by table and number. pending: what the open transaction has done to them, None: deleted."""

    site: Site
    begun: Path
    makers: Maker
    homes = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        home = self.begun.with_name(f"life{next(self.homes)}")
        shutil.copytree(self.begun, home)
        self.place = self.site.with_home(home)
        self.committed: dict[Key, rows.Row] = {}
        self.pending: dict[Key, rows.Row | None] = {}
        self.session = psycopg.connect(self.site.dsn)

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        """The rows of the life before go, and some are there at once."""
        with self.site.connection.transaction():
            for table in NAMES:
                self.site.connection.execute(f"delete from {table}")  # type: ignore[call-overload]
                for number in range(3):
                    self.committed[table, number] = self.row(table, number, seed + number)
                    rows.insert(self.site.connection, table, self.committed[table, number])

    def row(self, table: str, number: int, seed: int) -> rows.Row:
        self.makers.dice.seed(seed)
        return self.makers.row(table, number)

    @rule(table=tables, number=numbers, seed=seeds, slow=st.booleans())
    def write(self, table: str, number: int, seed: int, slow: bool) -> None:
        """Insert, or update some of its columns; slow: in the transaction that stays open."""
        there = self.pending.get((table, number), self.committed.get((table, number)))
        if not slow and (table, number) in self.pending:
            return
        row = self.row(table, number, seed)
        session = self.session if slow else self.site.connection
        if there is None:
            rows.insert(session, table, row)
        else:
            row = {name: value for place, (name, value) in enumerate(row.items()) if seed >> place & 1} | {
                "id": row["id"]
            }
            if len(row) > 1:
                rows.update(session, table, row)
        (self.pending if slow else self.committed)[table, number] = (there or {}) | row

    @rule(table=tables, number=numbers, slow=st.booleans())
    def delete(self, table: str, number: int, slow: bool) -> None:
        if slow:
            rows.delete(self.session, table, number)
            self.pending[table, number] = None
        elif (table, number) not in self.pending:
            rows.delete(self.site.connection, table, number)
            self.committed.pop((table, number), None)

    @precondition(lambda self: self.pending)
    @rule(kept=st.booleans())
    def end(self, kept: bool) -> None:
        """The open transaction commits or rolls back."""
        if kept:
            self.session.commit()
            self.committed |= self.pending  # type: ignore[arg-type]
            self.committed = {key: row for key, row in self.committed.items() if row is not None}
        else:
            self.session.rollback()
        self.pending = {}

    @rule(full=st.sampled_from((False, False, False, True)))
    def sync(self, full: bool) -> None:
        self.place.sync(tables=NAMES, full_refresh=full)
        self.compare()

    def compare(self) -> None:
        self.place.check(names=NAMES)
        found = checker.raw(self.place.file, NAMES)
        for table in NAMES:
            wanted = {row["id"]: row for (name, _), row in self.committed.items() if name == table}
            columns = list(found[table].columns)
            assert found[table].rows.keys() == wanted.keys()
            for key, row in wanted.items():
                assert found[table].rows[key] == tuple(row[name] for name in columns)

    def teardown(self) -> None:
        self.session.rollback()
        self.session.close()
        try:
            self.place.sync(tables=NAMES)
            self.compare()
            COUNTS[KIND].cases += 1
        finally:
            shutil.rmtree(self.place.settings.home)


@pytest.mark.kind(KIND)
def test_any_life(site: Site) -> None:
    site.sync()
    Life.site, Life.begun, Life.makers = site, site.settings.home, Maker(site.connection)
    run_state_machine_as_test(
        Life,
        settings=limits(
            max_examples=SEQUENCES,
            stateful_step_count=12,
            deadline=None,
            database=None,
            derandomize=not ALL,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert COUNTS[KIND].cases >= SEQUENCES

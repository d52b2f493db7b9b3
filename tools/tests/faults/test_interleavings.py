"""Transactions of every length beside the syncs, wrong clocks, and one key's life in every order."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from faults import rows
from faults.checker import TABLES
from faults.conftest import ALL, HERE, Site
from faults.rows import Connection, Maker

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# How far a writer's clock is off; None: it forgets to touch updated_at.
CLOCKS = (-DAY, -HOUR, timedelta(0), HOUR, DAY, None)
KEYS = 24
SEEDS_HERE = 60 if ALL else 4
SEEDS_ELSEWHERE = 12


def stamped(row: rows.Row, clock: timedelta | None) -> rows.Row:
    """The row as a writer with that clock would write it now."""
    if "updated_at" not in row:
        return row
    if clock is None:
        return {name: value for name, value in row.items() if name != "updated_at"}
    return row | {"updated_at": datetime.now(UTC).replace(tzinfo=None) + clock}


class Writers:
    """Three sessions with open transactions, and those they have prepared. A row that one of them has written is
    its own until it commits, so none waits for another."""

    def __init__(self, site: Site, maker: Maker, stack: ExitStack, can_prepare: bool) -> None:
        self.site, self.maker, self.dice = site, maker, maker.dice
        self.sessions = [stack.enter_context(psycopg.connect(site.dsn)) for _ in range(3)]
        self.clocks = [self.dice.choice(CLOCKS) for _ in self.sessions]
        self.owner: dict[tuple[str, int], object] = {}
        self.prepared: list[str] = []
        self.can_prepare = can_prepare

    def step(self, number: int) -> None:
        who = self.dice.randrange(3)
        session = self.sessions[who]
        match self.dice.randrange(12):
            case 0 | 1 | 2 | 3 | 4 | 5:
                self.write(who)
            case 6:
                session.execute("savepoint s")
                self.write(who)
                if self.dice.random() < 0.5:
                    session.execute("rollback to savepoint s")
            case 7 if self.can_prepare and len(self.prepared) < 2:
                name = f"{self.site.connection.info.dbname}.{number}"
                session.execute("select 1")
                session.execute(f"prepare transaction '{name}'")  # type: ignore[call-overload]
                self.prepared.append(name)
                self.hand_over(who, name)
            case 8 if self.prepared:
                self.finish(self.prepared.pop(), self.dice.choice(("commit", "rollback")))
            case 9:
                session.rollback()
                self.hand_over(who, None)
            case 10:
                session.commit()
                self.hand_over(who, None)
            case _:
                # In a transaction of its own, done at once.
                self.apply(self.site.connection, None, self.dice.choice(CLOCKS))

    def write(self, who: int) -> None:
        self.apply(self.sessions[who], who, self.clocks[who])

    def apply(self, session: Connection, who: int | None, clock: timedelta | None) -> None:
        table, number = self.dice.choice(TABLES), self.dice.randrange(KEYS)
        if self.owner.get((table, number), who) != who:
            return
        if who is not None:
            self.owner[table, number] = who
        kind = self.dice.randrange(5)
        if kind == 0:
            rows.delete(session, table, number)
        elif kind == 1:
            rows.insert(session, table, stamped(self.maker.row(table, number), clock))
        else:
            rows.update(session, table, stamped(self.maker.row(table, number), clock))

    def hand_over(self, who: object, to: object) -> None:
        self.owner = {row: to if owner == who else owner for row, owner in self.owner.items()}
        self.owner = {row: owner for row, owner in self.owner.items() if owner is not None}

    def finish(self, name: str, how: str) -> None:
        self.site.connection.execute(f"{how} prepared '{name}'")  # type: ignore[call-overload]
        self.hand_over(name, None)

    def end(self) -> None:
        for session in self.sessions:
            session.commit()
        for name in self.prepared:
            self.finish(name, "commit")


@pytest.mark.kind("interleavings with open, prepared and aborted transactions")
@pytest.mark.parametrize("seed", range(SEEDS_HERE))
def test_interleavings(each_site: Site, seed: int, request: pytest.FixtureRequest) -> None:
    """Whatever was committed when a sync took its snapshot is in RAW after it, and nothing else is."""
    site = each_site
    if seed >= SEEDS_ELSEWHERE and request.node.callspec.params["each_server"] != HERE:
        pytest.skip(f"{SEEDS_ELSEWHERE} are played on the other versions")
    allowed = site.connection.execute("show max_prepared_transactions").fetchone()
    maker = Maker(site.connection, seed)
    rows.fill(site.connection, maker, range(0, KEYS, 2))
    with ExitStack() as stack:
        writers = Writers(site, maker, stack, can_prepare=allowed != ("0",))
        try:
            for number in range(80):
                if number % 16 == 8:
                    site.sync_and_check()
                writers.step(number)
        finally:
            writers.end()
        site.sync_and_check(cases=1)


@pytest.mark.kind("clocks off by an hour or a day, or updated_at forgotten")
def test_clocks(each_site: Site) -> None:
    """Two writers change rows one after the other, each with its clock, the second in a transaction that is open
    during a sync. Every pair of clocks, on a row of its own in each table."""
    site, maker = each_site, Maker(each_site.connection, 5)
    pairs = list(enumerate(itertools.product(CLOCKS, CLOCKS)))
    rows.fill(site.connection, maker, range(len(pairs)))
    site.sync_and_check()

    def write(session: Connection, which: int) -> None:
        for table in TABLES:
            for number, clocks in pairs:
                rows.update(session, table, stamped(maker.row(table, number), clocks[which]))

    for early, late in ((0, 1), (1, 0)):
        write(site.connection, early)
        site.sync_and_check()
        with psycopg.connect(site.dsn) as session:
            write(session, late)
            site.sync_and_check()
        site.sync_and_check(cases=len(pairs) * len(TABLES))
    site.sync_and_check()


OPERATIONS = ("insert", "update", "delete", "reinsert")
ORDERS = list(itertools.product(OPERATIONS, repeat=3))
# After which of the first two operations there is a sync.
PAUSES = list(itertools.product((False, True), repeat=2))


def operate(connection: Connection, maker: Maker, table: str, number: int, operation: str) -> None:
    row = maker.row(table, number)
    if operation in ("delete", "reinsert"):
        rows.delete(connection, table, number)
    if operation in ("insert", "reinsert"):
        rows.insert(connection, table, row)
    if operation == "update":
        rows.update(connection, table, row)


@pytest.mark.kind("insert, update, delete, reinsert of a key in every order of three")
@pytest.mark.parametrize("known", [False, True], ids=["unknown key", "key in RAW"])
def test_orders_side_by_side(each_site: Site, known: bool) -> None:
    """Each order has a key of its own in each table, and all go on together."""
    site, maker = each_site, Maker(each_site.connection, 6)
    for turn, pauses in enumerate(PAUSES):
        keys = list(enumerate(ORDERS, start=turn * len(ORDERS)))
        if known:
            rows.fill(site.connection, maker, range(keys[0][0], keys[-1][0] + 1))
        site.sync_and_check()
        for place in range(3):
            for table in TABLES:
                with site.connection.transaction():
                    for number, order in keys:
                        operate(site.connection, maker, table, number, order[place])
            if place == 2 or pauses[place]:
                site.sync_and_check(cases=len(keys) * len(TABLES) if place == 2 else 0)


@pytest.mark.kind("insert, update, delete, reinsert of a key in every order of three")
def test_orders_alone(site: Site) -> None:
    """One key at a time, so that no other row's change can make up for one that was missed."""
    maker = Maker(site.connection, 7)
    rows.fill(site.connection, maker, range(5))
    site.sync_and_check()
    every = list(itertools.product(ORDERS, PAUSES))
    for number, (order, pauses) in list(enumerate(every, start=100))[:: 2 if ALL else 48]:
        for place, operation in enumerate(order):
            with site.connection.transaction():
                for table in TABLES:
                    operate(site.connection, maker, table, number, operation)
            if place == 2 or pauses[place]:
                site.sync_and_check(cases=len(TABLES) if place == 2 else 0)


@pytest.mark.kind("rows rewritten without a change")
@pytest.mark.parametrize(
    "statement",
    [
        "vacuum (freeze, full) {}",
        "vacuum (freeze) {}",
        "cluster {} using {}_pkey",
        "update {} set id = id",
        "truncate {}",
    ],
    ids=lambda statement: statement.partition(" {")[0],
)
def test_rows_rewritten(each_site: Site, statement: str) -> None:
    site, maker = each_site, Maker(each_site.connection, 8)
    rows.fill(site.connection, maker, range(40))
    site.sync_and_check()
    for table in TABLES:
        rows.update(site.connection, table, maker.row(table, 1))
        site.connection.execute(statement.format(table, table))  # type: ignore[call-overload]
        rows.update(site.connection, table, maker.row(table, 2))
    site.sync_and_check(cases=len(TABLES))

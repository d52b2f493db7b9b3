"""kill -9 at each step and at random moments, and batches that arrive twice."""

from __future__ import annotations

import itertools
import random
import shutil
from time import perf_counter
from typing import Any

import duckdb
import pytest

from faults import checker, rows
from faults.checker import TABLES
from faults.conftest import ALL, Site
from faults.rows import Maker
from faults.victim import Victim

RANDOM_KILLS = 220 if ALL else 5


@pytest.mark.kind("killed at a step")
@pytest.mark.parametrize("scenario", ["first", "incremental", "full refresh"])
def test_killed_at_each_step(site: Site, scenario: str) -> None:
    """At a step of a run from the same beginning, then at the next, until there is none."""
    maker = Maker(site.connection, 1)
    rows.fill(site.connection, maker, range(20))
    site.settings.make_home()
    before: dict[str, checker.Side] = {}
    if scenario != "first":
        site.sync()
        rows.disturb(site.connection, maker, range(20), 100)
        before = checker.raw(site.file)
    after = checker.source(site.connection)
    begun = site.settings.home.with_name("begun")
    shutil.copytree(site.settings.home, begun)
    options: dict[str, Any] = {"full_refresh": True} if scenario == "full refresh" else {}
    for at in itertools.count(1 if ALL else 7, 1 if ALL else 50):
        shutil.rmtree(site.settings.home)
        shutil.copytree(begun, site.settings.home)
        outcome, errors = Victim(site.settings, site.dsn, options, at).go().outcome()
        if outcome == "killed":
            site.check_untorn(before, after)
        else:
            assert (outcome, errors) == ("done", [])
        site.sync_and_check(cases=outcome == "killed")
        if outcome == "done":
            break
    assert at > 120, "a run of nine tables has more steps"


@pytest.mark.kind("killed at random")
def test_killed_at_random_moments(site: Site) -> None:
    """Again and again, with the source changing between."""
    maker, numbers = Maker(site.connection, 2), range(400)
    rows.fill(site.connection, maker, numbers)
    site.sync_and_check()
    clock = perf_counter()
    assert Victim(site.settings, site.dsn).go().outcome() == ("done", [])
    span = 1.5 * (perf_counter() - clock)
    dice, killed = random.Random(), 0
    for fresh in itertools.count(1000, 10):
        before = checker.raw(site.file)
        rows.disturb(site.connection, maker, numbers, fresh)
        victim = Victim(site.settings, site.dsn, {"full_refresh": dice.random() < 0.3}).go()
        victim.kill_after(dice.uniform(0, span))
        outcome, errors = victim.outcome()
        assert (outcome, errors) in (("killed", []), ("done", []))
        if outcome == "killed":
            site.check_untorn(before, checker.source(site.connection))
        killed += outcome == "killed"
        site.sync_and_check(cases=outcome == "killed")
        if killed == RANDOM_KILLS:
            break
        assert fresh < 1000 + 10 * 10 * RANDOM_KILLS, "it is never alive long enough to be killed"


@pytest.mark.kind("a batch applied twice")
@pytest.mark.parametrize("big", [False, True], ids=["merge", "big batch"])
@pytest.mark.parametrize("what", ["changed", "new", "gone", "all"])
def test_a_batch_applied_twice(site: Site, what: str, big: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger forgets the run that loaded the batch, so the next one reads and loads it again."""
    if big:
        monkeypatch.setattr("vend.warehouse.duckdb.MERGE_ROWS", 0)
        monkeypatch.setattr("vend.warehouse.duckdb.JOIN_ROWS", 5)
    maker = Maker(site.connection, 3)
    rows.fill(site.connection, maker, range(30))
    site.sync_and_check()
    for table in TABLES:
        for number in range(0, 30, 3):
            if what in ("changed", "all"):
                rows.update(site.connection, table, maker.row(table, number))
            if what in ("new", "all"):
                rows.insert(site.connection, table, maker.row(table, 100 + number))
            if what in ("gone", "all"):
                rows.delete(site.connection, table, number + 1)
    run = site.sync_and_check()
    for _ in range(2):
        with duckdb.connect(site.file) as connection:
            connection.execute("delete from ops.sync_runs where run_id = ?", [run.run_id])
            # As a batch that was loaded and never entered would leave them.
            last = "select max(started_at) from ops.sync_runs"
            for table in TABLES:
                connection.execute(f"update raw.{table} set _fivetran_synced = ({last})")
        run = site.sync_and_check(cases=len(TABLES))
        if what == "changed":
            assert {table.rows_extracted for table in run.tables} == {10}


@pytest.mark.kind("a batch applied twice")
def test_a_warehouse_restored_from_a_backup(site: Site) -> None:
    """It is behind, and comes up with the source again."""
    maker = Maker(site.connection, 4)
    rows.fill(site.connection, maker, range(30))
    site.sync_and_check()
    backup = site.file.with_name("backup")
    shutil.copy(site.file, backup)
    for fresh in range(100, 200, 20):
        rows.disturb(site.connection, maker, range(30), fresh)
        site.sync_and_check()
        shutil.copy(backup, site.file)
        site.sync_and_check(cases=len(TABLES))

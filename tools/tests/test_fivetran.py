"""RAW as Fivetran would leave it: its own order of columns and times of rows, soft deletes, no ledger of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest
import recompute
from conftest import settings_in
from recompute import COLD, Frame, Source
from test_figures import AS_OF, UNTESTED, agree, build, edge_cases, insert, load, read_cold

from vend import contract, source, sync
from vend.settings import Settings

TYPES = {"integer": "decimal(38, 0)", "timestamp": "timestamp", "json": "json"}
"""Fivetran's types where they are not ours."""


def as_fivetran(ours: Settings, theirs: Settings) -> None:
    """Bring RAW of one warehouse into the other, in Fivetran's shape; a key that is gone is only marked."""
    with duckdb.connect(str(theirs.duckdb_path)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach '{ours.duckdb_path}' as ours (read_only)")
        connection.execute("create schema if not exists raw")
        for table in contract.tables(ours):
            columns = sorted(table.columns, key=lambda column: column.name)
            names = ", ".join(column.name for column in columns)
            typed = ", ".join(f"{column.name} {TYPES.get(column.type, column.type)}" for column in columns)
            connection.execute(
                f"create table if not exists raw.{table.name}"
                f" (_fivetran_deleted boolean, _fivetran_synced timestamptz, {typed}, _fivetran_start timestamptz)"
            )
            found = f"from ours.raw.{table.name} as s where not s._fivetran_deleted"
            connection.execute(
                f"update raw.{table.name} set _fivetran_deleted = true where id not in (select s.id {found})"
            )
            known = f"(select {names} from raw.{table.name} where _fivetran_deleted is distinct from true)"
            changed = f"select {names} {found} except {known.strip('()')}"
            connection.execute(f"create or replace temp table news as {changed}")
            connection.execute(f"delete from raw.{table.name} where id in (select id from news)")
            # rows of one sync have times of their own, and those never deleted may say nothing of it
            connection.execute(
                f"insert into raw.{table.name} (_fivetran_deleted, _fivetran_synced, {names})"
                " select case when row_number() over () % 2 = 0 then false end,"
                f" now() + interval '1 microsecond' * row_number() over (), {names} from news"
            )


@pytest.fixture(scope="module")
def both(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Settings]:
    """A source with a RAW of ours, and one as Fivetran would have loaded it: (DSN, settings of the latter)."""
    dsn = make_database()
    source.init(dsn)
    source.seed(dsn, garages=8, months=4, payments=400, seed=3, as_of=AS_OF)
    insert(dsn, edge_cases())
    folder = tmp_path_factory.mktemp("fivetran")
    ours = settings_in(folder / "ours", postgres_dsn=dsn)
    theirs = replace(ours, home=folder / "theirs", duckdb_path=folder / "theirs" / "vend_analytics.duckdb")
    theirs.make_home()
    load(ours, dsn)
    as_fivetran(ours, theirs)
    return dsn, theirs


def assert_figures(rows: Source, settings: Settings, frame: Frame) -> None:
    cold = read_cold(settings)
    for relation, (function, by) in COLD.items():
        agree(function(rows, frame), cold[relation], by)


def test_the_cold_side_builds_unchanged(both: tuple[str, Settings]) -> None:
    dsn, settings = both
    frame = Frame(AS_OF)
    build(settings, "cold", None, frame)
    assert_figures(recompute.read(dsn), settings, frame)
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        query = "select table_name from duckdb_tables() where schema_name = 'ops' order by 1"
        # what the builds left, and no ledger of a sync
        assert connection.execute(query).fetchall() == [("dbt_nodes",), ("dbt_runs",)]


def test_a_day_later(both: tuple[str, Settings]) -> None:
    """Changed, deleted and new rows; a mark of deletion does not move the row's time, as in a mass delete."""
    dsn, settings = both
    before, frame = recompute.read(dsn), Frame(AS_OF + timedelta(days=1))
    source.mutate(dsn, seed=4, as_of=frame.as_of)
    with psycopg.connect(dsn) as connection:
        connection.execute("delete from payments where id in (select id from payments order by id limit 20)")
        connection.execute("delete from parked where id in (select id from parked order by id limit 20)")
        connection.execute("update garages set capacity = capacity + 1, name = name || ' II'")
    ours = replace(settings, home=settings.home.parent / "ours", duckdb_path=_ours(settings))
    load(ours, dsn)
    as_fivetran(ours, settings)
    build(settings, "cold", None, frame, *UNTESTED)
    rows = recompute.read(dsn)
    now = datetime.now(UTC).replace(tzinfo=None)
    rows["amounts"] = recompute.amounts([(before, now), (rows, now)])
    assert_figures(rows, settings, frame)


def test_our_sync_does_not_write_over_it(both: tuple[str, Settings]) -> None:
    """It says what to do, table by table, and leaves RAW alone."""
    dsn, settings = both
    query = "select count(*), max(_fivetran_synced) from raw.payments"
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        before = connection.execute(query).fetchone()
    run = sync.sync(settings, dsn)
    assert all("Drop or rename raw." in (table.error or "") for table in run.tables)
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        assert connection.execute(query).fetchone() == before


def _ours(theirs: Settings) -> Path:
    return theirs.home.parent / "ours" / "vend_analytics.duckdb"

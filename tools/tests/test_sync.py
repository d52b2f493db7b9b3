"""The sync against a real Postgres and a real DuckDB file: RAW must equal the source, whatever happens."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from landing import AWKWARD, NAMES, assert_equal, figures, fill, opened, park, query
from psycopg import conninfo, sql

from vend import contract, extract
from vend.errors import UsageError, VendError
from vend.settings import Settings
from vend.source import init, mutate, seed
from vend.sync import as_json, as_text, sync
from vend.warehouse import duckdb as engine


@pytest.fixture
def settings(home: Callable[..., Settings]) -> Settings:
    return home()


@pytest.fixture
def source(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection in autocommit to a database with the nine tables, each with a few rows."""
    init(database)
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        yield connection


def test_contract(settings: Settings) -> None:
    tables = contract.tables(settings)
    assert tuple(table.name for table in tables) == NAMES
    with_cursor = {table.name for table in tables if table.cursor == "updated_at"}
    assert with_cursor == {"users", "garages", "passes", "subscriptions", "payments"}
    assert all(table.key == "id" for table in tables)


def test_contract_says_what_it_lacks(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(VendError, match="cannot be read"):
        contract.tables(replace(settings, project=tmp_path))


def test_every_value_arrives_and_an_idle_run_moves_nothing(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    first = sync(settings, database)
    assert first.ok
    assert_equal(settings, source)
    rows = len(AWKWARD)
    assert {figures(first, name) for name in NAMES} == {("full", rows, rows, 0, 0)}
    ledger = query(settings, "select * exclude (error, watermark) from ops.sync_runs")
    assert len(ledger) == len(NAMES)

    before = query(settings, "select max(_fivetran_synced), count(*) from raw.users")
    second = sync(settings, database)
    assert {figures(second, name) for name in NAMES} == {("incremental", 0, 0, 0, 0)}
    assert query(settings, "select max(_fivetran_synced), count(*) from raw.users") == before
    assert list((settings.home / "stage").iterdir()) == []


def test_ledger_columns(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    run = sync(settings, database, tables=["users", "parked"])
    with opened(settings) as connection:
        cursor = connection.execute("select * from ops.sync_runs where table_name = 'users'")
        assert cursor.description is not None
        names = [column[0] for column in cursor.description]
        row = dict(zip(names, cursor.fetchall()[0], strict=True))
    assert " ".join(names) == (
        "run_id table_name mode status started_at finished_at watermark xid_horizon rows_extracted rows_inserted "
        "rows_updated rows_deleted source_rows raw_rows source_checksum raw_checksum error system_identifier"
    )
    assert row["run_id"] == run.run_id
    assert row["watermark"] == datetime(2024, 3, 1, 0, 0, 0, 11)
    assert row["source_rows"] == row["raw_rows"] == len(AWKWARD)
    assert row["started_at"] == run.started_at <= row["finished_at"]
    assert query(settings, "select distinct _fivetran_synced from raw.users") == [(run.started_at,)]
    assert query(settings, "select watermark from ops.sync_runs where table_name = 'parked'") == [(None,)]


def test_changes_arrive_whether_or_not_updated_at_was_touched(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    sync(settings, database)
    source.execute("update users set first_name = 'Zoë', updated_at = '2199-01-01' where email = '1@x.org'")
    source.execute("update users set first_name = 'forgotten' where email = '2@x.org'")
    source.execute("update users set first_name = 'back', updated_at = '1999-01-01' where email = '3@x.org'")
    source.execute("update parked set exited_at = '2025-01-01' where id = %s", [uuid.UUID(int=4)])
    park(source)
    run = sync(settings, database)
    assert figures(run, "users") == ("incremental", 3, 0, 3, 0)
    assert figures(run, "parked") == ("incremental", 2, 1, 1, 0)
    assert_equal(settings, source)
    # A date in the future is no reason to miss what comes before it.
    source.execute("update users set phone = '1', updated_at = now() where email = '5@x.org'")
    assert figures(sync(settings, database), "users") == ("incremental", 1, 0, 1, 0)
    assert_equal(settings, source)


def test_late_commits_rollbacks_and_savepoints(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    sync(settings, database)
    with psycopg.connect(database) as late, psycopg.connect(database) as undone:
        with late.transaction():
            late.execute("update users set phone = 'late' where email = '1@x.org'")
            with late.transaction():
                park(late, "savepoint")
            with late.transaction():
                park(late, "undone")
                raise psycopg.Rollback
            undone.execute("update users set phone = 'undone' where email = '2@x.org'")
            source.execute("update users set phone = 'early', updated_at = now() where email = '3@x.org'")
            assert figures(sync(settings, database), "users") == ("incremental", 1, 0, 1, 0)
            assert_equal(settings, source)
        undone.rollback()
    sync(settings, database)
    assert_equal(settings, source)
    assert ("savepoint",) in query(settings, "select vehicle_plate from raw.parked")


def test_prepared_transaction(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    if source.execute("show max_prepared_transactions").fetchone() == ("0",):
        pytest.skip("this server prepares no transactions")
    sync(settings, database)
    with psycopg.connect(database) as other:
        other.tpc_begin(other.xid(1, "vend", "test"))
        other.execute("update users set phone = 'prepared' where email = '1@x.org'")
        other.tpc_prepare()
        source.execute("update users set phone = 'x', updated_at = now() where email = '2@x.org'")
        sync(settings, database)
        other.tpc_commit()
    sync(settings, database)
    assert_equal(settings, source)


def test_vanished_rows_are_marked_and_may_return(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    sync(settings, database)
    gone = source.execute("delete from parked where id = %s returning *", [uuid.UUID(int=1)]).fetchone()
    assert gone is not None
    park(source)
    run = sync(settings, database)
    assert figures(run, "parked") == ("incremental", 1, 1, 0, 1)
    assert query(settings, "select id, _fivetran_synced from raw.parked where _fivetran_deleted") == [
        (str(gone[0]), run.started_at)
    ]
    assert_equal(settings, source)
    source.execute("insert into parked values (%s, %s, %s, %s, %s, %s, %s, %s)", gone)
    assert figures(sync(settings, database), "parked") == ("incremental", 1, 0, 1, 0)
    assert_equal(settings, source)
    source.execute("truncate parked")
    assert figures(sync(settings, database), "parked") == ("incremental", 0, 0, 0, len(AWKWARD) + 1)
    assert figures(sync(settings, database), "parked") == ("incremental", 0, 0, 0, 0)
    assert_equal(settings, source)


def test_full_refresh_updates_inserts_and_marks(
    settings: Settings, source: psycopg.Connection[Any], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(settings, database)
    for limit in (engine.MERGE_ROWS, 0):  # by merge, then by the way a big batch goes
        monkeypatch.setattr(engine, "MERGE_ROWS", limit)
        monkeypatch.setattr(engine, "JOIN_ROWS", 5 if limit == 0 else engine.JOIN_ROWS)
        rows = len(AWKWARD)
        source.execute("delete from parked where id = (select id from parked limit 1)")
        park(source)
        with opened(settings) as connection:
            connection.execute("update raw.parked set vehicle_plate = 'tampered'")
        run = sync(settings, database, full_refresh=True)
        assert figures(run, "parked") == ("full", rows, 1, rows - 1, 1)
        assert figures(run, "users") == ("full", rows, 0, rows, 0)
        assert_equal(settings, source)


def test_freeze_is_harmless(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    source.execute("update users set phone = 'frozen' where email = '1@x.org'")
    source.execute("vacuum (freeze, full) users")
    source.execute("vacuum (freeze) parked")
    sync(settings, database)
    assert_equal(settings, source)


def test_guard_across_the_wrap_of_xids(settings: Settings, source: psycopg.Connection[Any]) -> None:
    table = next(table for table in contract.tables(settings) if table.cursor is None)
    for xmax in (3 * extract.XIDS + 5, 3 * extract.XIDS + 500, extract.XIDS - 1, 5000):
        horizon = xmax - 10
        guard = extract.changed(table, extract.Snapshot(None, xmax, xmax), None, horizon)
        written = range(xmax - 1, xmax - 30, -1)
        found = source.execute(
            sql.SQL("select id from unnest(%s::bigint[], %s::bigint[]) as t (id, xmin) where ") + guard,
            [list(written), [xid % extract.XIDS for xid in written]],
        ).fetchall()
        assert {row[0] for row in found} == {xid for xid in written if xid >= horizon}


@pytest.mark.parametrize(
    "statement",
    [
        "update ops.sync_runs set system_identifier = 'other'",
        "update ops.sync_runs set xid_horizon = xid_horizon + 1000000",
        "update ops.sync_runs set xid_horizon = xid_horizon - 2147483648",
        "delete from raw.parked",
        "drop table raw.parked",
        "delete from ops.sync_runs",
    ],
)
def test_what_cannot_be_continued_is_loaded_in_full(
    settings: Settings, source: psycopg.Connection[Any], database: str, statement: str
) -> None:
    sync(settings, database, tables=["parked"])
    query(settings, statement)
    assert figures(sync(settings, database, tables=["parked"]), "parked")[0] == "full"
    assert_equal(settings, source, ("parked",))
    assert figures(sync(settings, database, tables=["parked"]), "parked")[:2] == ("incremental", 0)


def test_a_day_of_business(settings: Settings, database: str) -> None:
    init(database)
    seed(database, garages=8, months=2, payments=300)
    with psycopg.connect(database, autocommit=True) as connection:
        assert sync(settings, database).ok
        assert_equal(settings, connection)
        mutate(database)
        run = sync(settings, database)
        assert {row.mode for row in run.tables} == {"incremental"}
        assert any(row.rows_extracted for row in run.tables)
        assert_equal(settings, connection)


def test_a_clock_set_back(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    query(settings, "update ops.sync_runs set finished_at = timestamp '2199-01-01 00:00:00'")
    source.execute("update users set phone = 'x' where email = '1@x.org'")
    run = sync(settings, database)
    assert run.started_at == datetime(2199, 1, 1, 0, 0, 0, 1)
    assert query(settings, "select max(_fivetran_synced) from raw.users") == [(run.started_at,)]
    assert figures(sync(settings, database), "users")[1] == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [("payment_date", "infinity"), ("amount", "NaN"), ("updated_at", "-infinity")],
)
def test_a_value_raw_cannot_hold_fails_its_table_alone(
    settings: Settings, source: psycopg.Connection[Any], database: str, column: str, value: str
) -> None:
    sync(settings, database)
    kept = query(settings, "select * from raw.payments order by id")
    source.execute(f"update payments set {column} = '{value}' where id = %s", [uuid.UUID(int=2)])  # type: ignore[call-overload]
    source.execute("update payments set status = 'refunded' where id = %s", [uuid.UUID(int=3)])
    park(source)
    run = sync(settings, database)
    assert not run.ok
    failed = next(row for row in run.tables if row.status == "error")
    assert f"payments.{column}" in (failed.error or "")
    assert [row.status for row in run.tables].count("error") == 1
    assert figures(run, "parked") == ("incremental", 1, 1, 0, 0)
    assert query(settings, "select * from raw.payments order by id") == kept
    assert query(settings, "select table_name, error from ops.sync_runs where status = 'error'") == [
        ("payments", failed.error)
    ]
    assert "payments" in as_text(run)
    assert json.loads(as_json(run))["ok"] is False
    source.execute("delete from payments where id = %s", [uuid.UUID(int=2)])
    assert sync(settings, database).ok
    assert_equal(settings, source)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("damage", ["updated_at = updated_at - interval 1 microsecond", "id = 'x' || id[2:]"])
def test_rows_that_changed_on_their_way_are_undone(
    settings: Settings,
    source: psycopg.Connection[Any],
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    times: int,
) -> None:
    """A file damaged between COPY and merge: undone and read again in full; if that differs too, the table fails."""
    sync(settings, database)
    before = query(settings, "select * from raw.users order by id")
    source.execute("update users set phone = 'x' where email = '1@x.org'")
    honest, damaged = extract.extract, []

    def damaging(connection: Any, table: contract.Table, folder: Path, **options: Any) -> extract.Batch:
        batch = honest(connection, table, folder, **options)
        if table.name == "users" and folder.name == "rows" and len(damaged) < times:
            damaged.append(folder)
            with duckdb.connect() as engine_of_its_own:
                engine_of_its_own.execute(f"create table t as from '{batch.files[0]}'")
                engine_of_its_own.execute(f"update t set {damage}")
                engine_of_its_own.execute(f"copy t to '{batch.files[0]}' (format parquet)")
        return batch

    monkeypatch.setattr(extract, "extract", damaging)
    run = sync(settings, database)
    if times == 1:
        assert figures(run, "users")[:2] == ("full", len(AWKWARD))
        assert_equal(settings, source)
        return
    assert [(row.table, row.status) for row in run.tables if row.status != "success"] == [("users", "error")]
    assert "RAW is as it was." in (run.tables[0].error or "")
    assert query(settings, "select * from raw.users order by id") == before
    assert sync(settings, database).ok
    assert_equal(settings, source)


def test_the_ledger_has_both_checksums(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    """Recomputed from the rows: the low 60 bits of md5 over key and change, added up."""
    sync(settings, database)
    expected = {"users": 0, "parked": 0}
    for table, moment in (("users", "updated_at"), ("parked", "null::timestamp")):
        for key, at in source.execute(f"select id::text, {moment} from {table}"):  # type: ignore[call-overload]
            text = f"{key}|{at:%Y-%m-%d %H:%M:%S.%f}" if at else f"{key}|"
            expected[table] += int(hashlib.md5(text.encode()).hexdigest()[-15:], 16)
    for table, total in expected.items():
        columns = "source_checksum, raw_checksum, source_rows, raw_rows"
        ledger = query(settings, f"select {columns} from ops.sync_runs where table_name = '{table}'")
        assert ledger == [(total, total, len(AWKWARD), len(AWKWARD))]


def test_a_key_that_is_there_twice(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    source.execute("alter table parked drop constraint parked_pkey")
    source.execute("insert into parked select * from parked limit 1")
    run = sync(settings, database)
    failed = next(row for row in run.tables if row.status == "error")
    assert failed.table == "parked"
    assert "rows with the same id" in (failed.error or "")
    assert query(settings, "select count(*) from raw.parked") == [(0,)]


def test_rows_of_many_megabytes(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    for repeat in (3 << 20, 8 << 20):
        source.execute(
            "update pass_price_history set change_reason = repeat('\"\n', %s) where id = %s",
            [repeat, uuid.UUID(int=repeat % 7 + 1)],
        )
    run = sync(settings, database, tables=["pass_price_history"])
    assert run.ok
    assert_equal(settings, source, ("pass_price_history",))


def test_many_files_and_chunks(
    settings: Settings, source: psycopg.Connection[Any], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "CHUNK_BYTES", 200)
    monkeypatch.setattr(extract, "FILE_BYTES", 500)
    seen: list[tuple[str, int]] = []
    sync(settings, database, progress=lambda task, done, total=None: seen.append((task, done)))
    assert_equal(settings, source)
    assert seen.count(("users", len(AWKWARD))) >= 1


def test_partitioned_table(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    source.execute("alter table parked rename to parked_old")
    source.execute("create table parked (like parked_old) partition by hash (id)")
    for part in (0, 1):
        source.execute(f"create table parked_{part} partition of parked for values with (modulus 2, remainder {part})")  # type: ignore[call-overload]
    source.execute("insert into parked select * from parked_old")
    sync(settings, database, tables=["parked"])
    source.execute("update parked set vehicle_plate = 'x' where id = %s", [uuid.UUID(int=3)])
    assert figures(sync(settings, database, tables=["parked"]), "parked") == ("incremental", 1, 0, 1, 0)
    assert_equal(settings, source, ("parked",))


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving(settings: Settings, source: psycopg.Connection[Any], database: str, seed: int) -> None:
    """Writers open, write, commit and roll back at random around syncs; after each, RAW is the source."""
    dice = random.Random(seed)
    tables = ("users", "parked")
    writers = [psycopg.connect(database) for _ in range(3)]
    keys: list[list[uuid.UUID]] = [[] for _ in writers]
    try:
        for step in range(60):
            who = dice.randrange(len(writers))
            writer, own = writers[who], keys[who]
            match dice.randrange(8):
                case 0 | 1:
                    own.append(park(writer, f"{seed}.{step}"))
                case 2 | 3 if own:
                    late = "2020-01-01" if step % 2 else "now"
                    writer.execute(
                        "update parked set vehicle_plate = %s, exited_at = %s where id = %s",
                        [f"u{step}", late, dice.choice(own)],
                    )
                case 4 if own:
                    writer.execute("delete from parked where id = %s", [dice.choice(own)])
                case 5:
                    writer.execute("savepoint s")
                    writer.execute("update users set phone = %s where email = %s", [str(step), f"{who}@x.org"])
                    if dice.random() < 0.5:
                        writer.execute("rollback to savepoint s")
                case 6:
                    if dice.random() < 0.3:
                        writer.rollback()
                    else:
                        writer.commit()
                case 7 if step % 3 == 0:
                    assert sync(settings, database, tables=tables).ok
                    assert_equal(settings, source, tables)
                case _:
                    source.execute("update users set updated_at = now() where email = '9@x.org'")
        for writer in writers:
            writer.commit()
        assert sync(settings, database, tables=tables).ok
        assert_equal(settings, source, tables)
    finally:
        for writer in writers:
            writer.close()


RUN = """
import sys
from pathlib import Path
from vend.settings import Settings
from vend.sync import sync
project, home, dsn, table, point = sys.argv[1:]

def reached(task, what):
    if (task, what) == (table, point):
        print("there", flush=True)
        sys.stdin.read()

def progress(task, done, total=None):
    reached(task, "rows" if done else "start")

def state(task, text, final=False):
    reached(task, text)

sync(Settings(Path(project), Path(home), None, None, "duckdb", Path(home) / "vend_analytics.duckdb"), dsn,
     progress=progress, state=state)
"""


@pytest.mark.parametrize(
    ("number", "table", "point"),
    [
        (signal.SIGKILL, "payments", "rows"),
        (signal.SIGKILL, "payments", "loading"),
        (signal.SIGTERM, "parked", "start"),
        (signal.SIGINT, "payments", "proving"),
    ],
)
def test_killed_and_run_again(
    settings: Settings, source: psycopg.Connection[Any], database: str, number: int, table: str, point: str
) -> None:
    source.execute(
        "insert into payments (garage_id, amount, payment_date, stripe_payment_intent_id)"
        " select '00000000-0000-0000-0000-000000000001', 1, '2024-01-01', md5(i::text)"
        " from generate_series(1, 100000) as i"
    )
    sync(settings, database, tables=["users", "parked"])
    source.execute("update users set phone = 'x' where email = '1@x.org'")
    arguments = [sys.executable, "-c", RUN, str(settings.project), str(settings.home), database, table, point]
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
    finally:
        process.send_signal(number)
        process.communicate()
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert list((settings.home / "stage").iterdir()) == []
    assert sync(settings, database).ok
    assert_equal(settings, source)
    assert list((settings.home / "stage").iterdir()) == []


def test_one_sync_at_a_time(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    with engine.locked(settings.duckdb_path), pytest.raises(VendError, match=r"Another sync .* \(pid \d+, since"):
        sync(settings, database)
    assert not settings.duckdb_path.exists()
    assert sync(settings, database).ok


def test_a_file_in_use(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    settings.home.mkdir()
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    arguments = [sys.executable, "-c", script, str(settings.duckdb_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(VendError, match=f"in use by process {holder.pid}"):
            sync(settings, database)
        with pytest.raises(VendError, match="in use"):
            sync(settings, database, dry_run=True)
        holder.communicate(b"")
    with opened(settings), pytest.raises(VendError, match="open in this process"):
        sync(settings, database)


def test_a_file_of_another_kind(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    settings.home.mkdir()
    settings.duckdb_path.write_text("not a database" * 1000)
    with pytest.raises(VendError, match="is not a DuckDB file"):
        sync(settings, database)


def test_a_place_that_cannot_be_written(
    settings: Settings, source: psycopg.Connection[Any], database: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VendError, match="cannot be written"):
        sync(replace(settings, duckdb_path=tmp_path / "file" / "x.duckdb"), database)
    settings.home.mkdir()
    (settings.home / "stage").write_text("")
    with pytest.raises(VendError, match=r"stage folder .* cannot be written"):
        sync(settings, database)
    (settings.home / "stage").unlink()
    assert sync(replace(settings, duckdb_path=tmp_path / "new" / "folder" / "x.duckdb"), database).ok


def test_unknown_table(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"no table payment, cars in RAW; there are: users, .* garage_admins"):
        sync(settings, "host=nowhere", tables=["payment", "users", "cars"])


def test_a_source_without_the_schema(settings: Settings, database: str) -> None:
    with pytest.raises(VendError, match=r"no table users, .* and garage_admins\. .*`vend source init`"):
        sync(settings, database)
    assert not settings.home.exists()


def test_a_source_without_a_column(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    """Its table fails alone, and loads again once the column is back."""
    source.execute("alter table users drop column phone")
    run = sync(settings, database)
    assert [row.table for row in run.tables if row.status == "error"] == ["users"]
    assert "no column users.phone" in (run.tables[0].error or "")
    assert_equal(settings, source, tuple(name for name in NAMES if name != "users"))
    source.execute("alter table users add column phone varchar(50) default 'back'")
    assert figures(sync(settings, database), "users")[0] == "full"
    assert_equal(settings, source)


@pytest.fixture
def reader(source: psycopg.Connection[Any], database: str) -> Iterator[str]:
    """The DSN of a fresh role that may read nothing yet."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    source.execute(f"create role {role} login password 'quiet'")  # type: ignore[call-overload]
    yield conninfo.make_conninfo(database, user=role, password="quiet")
    source.execute(f"drop owned by {role}; drop role {role}")  # type: ignore[call-overload]


def test_missing_privilege(settings: Settings, source: psycopg.Connection[Any], reader: str) -> None:
    role = conninfo.conninfo_to_dict(reader)["user"]
    source.execute(f"grant select on all tables in schema public to {role}")  # type: ignore[call-overload]
    source.execute(f"revoke select on users, parked from {role}")  # type: ignore[call-overload]
    with pytest.raises(VendError, match="may not read users and parked") as caught:
        sync(settings, reader)
    assert not settings.home.exists()
    grants = str(caught.value).split("Run there: ")[1]
    source.execute(grants)  # type: ignore[call-overload]
    assert sync(settings, reader).ok
    assert_equal(settings, source)


def test_row_security(settings: Settings, source: psycopg.Connection[Any], reader: str) -> None:
    role = conninfo.conninfo_to_dict(reader)["user"]
    source.execute(f"grant select on all tables in schema public to {role}")  # type: ignore[call-overload]
    source.execute("alter table payments enable row level security")
    source.execute("create policy half on payments using (amount > 0)")
    with pytest.raises(VendError, match="hides rows of payments") as caught:
        sync(settings, reader)
    source.execute(str(caught.value).split("superuser: ")[1])  # type: ignore[call-overload]
    assert sync(settings, reader).ok
    assert_equal(settings, source)


def test_dry_run_changes_nothing(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    run = sync(settings, database, dry_run=True)
    assert not settings.home.exists()
    assert {row.status for row in run.tables} == {"planned"}
    assert {row.rows_extracted for row in run.tables} == {len(AWKWARD)}
    assert all(row.bytes for row in run.tables)
    sync(settings, database)
    park(source)
    before = settings.duckdb_path.read_bytes()
    planned = {row.table: (row.mode, row.rows_extracted) for row in sync(settings, database, dry_run=True).tables}
    assert planned.pop("parked") == ("incremental", 1)
    assert set(planned.values()) == {("incremental", 0)}
    assert settings.duckdb_path.read_bytes() == before
    assert "would read 1 rows" in as_text(sync(settings, database, dry_run=True))


def test_a_locked_table_fails_alone(
    settings: Settings, source: psycopg.Connection[Any], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "LOCK_SECONDS", 0.05)
    with psycopg.connect(database) as other:
        other.execute("lock table parked")
        run = sync(settings, database)
    assert [row.table for row in run.tables if row.status == "error"] == ["parked"]
    assert sync(settings, database).ok
    assert_equal(settings, source)


def test_the_text_fits_a_terminal(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    for run in (sync(settings, database, dry_run=True), sync(settings, database)):
        assert max(len(line) for line in as_text(run).splitlines()) <= 100
        assert {row["table"] for row in json.loads(as_json(run))["tables"]} == set(NAMES)

"""Reconcile must find what a sync cannot see, name it, and mend just that."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from landing import AWKWARD, NAMES, assert_equal, figures, fill, park, query

from vend import reconcile as module
from vend.cli import main
from vend.errors import UsageError, VendError
from vend.reconcile import TableResult, as_json, as_text, reconcile
from vend.settings import Settings
from vend.source import init
from vend.sync import sync


@pytest.fixture
def settings(home: Callable[..., Settings]) -> Settings:
    return home()


@pytest.fixture
def source(database: str) -> Iterator[psycopg.Connection[Any]]:
    init(database)
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        yield connection


def one(settings: Settings, database: str, table: str, repair: bool = False) -> TableResult:
    return reconcile(settings, database, tables=[table], repair=repair).tables[0]


def key(number: int) -> str:
    return str(uuid.UUID(int=number))


def test_equal(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    before = settings.duckdb_path.read_bytes()
    result = reconcile(settings, database)
    assert result.ok
    assert {table.status for table in result.tables} == {"equal"}
    assert {(table.source_rows, table.raw_rows, table.pending) for table in result.tables} == {
        (len(AWKWARD), len(AWKWARD), 0)
    }
    assert "RAW equals the source." in as_text(result)
    assert settings.duckdb_path.read_bytes() == before


@pytest.mark.parametrize("column", ["first_name", "email", "role", "created_at", "stripe_customer_id"])
def test_each_kind_of_difference_is_named_and_mended(
    settings: Settings, source: psycopg.Connection[Any], database: str, column: str
) -> None:
    sync(settings, database)
    other = "timestamp '2001-01-01 00:00:00.000001'" if column == "created_at" else "'tampered'"
    query(settings, f"update raw.users set {column} = {other} where id = '{key(1)}'")
    query(settings, f"delete from raw.users where id = '{key(2)}'")
    query(settings, f"update raw.users set _fivetran_deleted = true where id = '{key(3)}'")
    query(settings, "insert into raw.users (id, _fivetran_deleted) values ('stray', false)")
    found = one(settings, database, "users")
    assert found.status == "differs"
    assert [(row.key, row.what, row.columns) for row in found.differences] == [
        (key(1), "different", (column,)),
        (key(2), "missing", ()),
        (key(3), "missing", ()),
        ("stray", "gone", ()),
    ]
    source.execute("update users set phone = 'later' where email = '4@x.org'")
    assert one(settings, database, "users", repair=True).status == "repaired"
    ledger = "select mode, rows_extracted, rows_inserted, rows_updated, rows_deleted from ops.sync_runs"
    assert query(settings, f"{ledger} where mode = 'repair'") == [("repair", 3, 1, 2, 1)]
    after = one(settings, database, "users")
    assert (after.status, after.pending) == ("equal", 1)
    # The repair read no more than those rows: the next sync goes on from the sync before it.
    assert figures(sync(settings, database), "users") == ("incremental", 1, 0, 1, 0)
    assert_equal(settings, source)


def test_every_table_and_type(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    changes = {
        "garages": "capacity = capacity + 1",
        "passes": "monthly_amount = monthly_amount - 0.01",
        "subscriptions": "cancel_at_period_end = not cancel_at_period_end",
        "payments": "net_amount = case when net_amount is null then 0 end",
        "parked": "vehicle_plate = coalesce(vehicle_plate, '') || ' '",
        "garage_daily_occupancy": "hourly_occupancy = '[1]'",
        "garage_admins": "permissions = '{\"a\": 2}'",
    }
    for table, change in changes.items():
        query(settings, f"update raw.{table} set {change}")
    for table, change in changes.items():
        found = one(settings, database, table)
        assert {row.what for row in found.differences} == {"different"}, table
        assert {row.columns for row in found.differences} == {(change.partition(" ")[0],)}
        assert len(found.differences) == len(AWKWARD)
    assert reconcile(settings, database, repair=True).ok
    assert_equal(settings, source)


def test_texts_that_would_look_alike_are_told_apart(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    """A bar that moves to the next column, NULL and the text that stands for it, a backslash before either."""
    source.execute("update users set first_name = 'a|b', last_name = 'c', phone = null, stripe_customer_id = '\\'")
    sync(settings, database)
    for change, columns in (
        ("first_name = 'a', last_name = 'b|c'", ("first_name", "last_name")),
        ("first_name = 'a\\|b'", ("first_name",)),
        ("phone = '\\N'", ("phone",)),
        ("stripe_customer_id = '\\\\'", ("stripe_customer_id",)),
    ):
        query(settings, f"update raw.users set {change} where id = '{key(1)}'")
        found = one(settings, database, "users", repair=True)
        assert [(row.key, row.columns) for row in found.differences] == [(key(1), columns)]
    assert one(settings, database, "users").status == "equal"


def test_what_waits_for_a_sync_is_no_difference(
    settings: Settings, source: psycopg.Connection[Any], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(settings, database)
    park(source)
    source.execute("update parked set vehicle_plate = 'new' where id = %s", [uuid.UUID(int=1)])
    result = reconcile(settings, database)
    assert result.ok
    assert [table.pending for table in result.tables if table.table == "parked"] == [2]
    assert "2 rows may have changed in the source since the last sync" in as_text(result)
    assert "RAW equals the source." not in as_text(result)
    source.execute("delete from parked where id = %s", [uuid.UUID(int=2)])
    found = one(settings, database, "parked")
    assert [(row.key, row.what) for row in found.differences] == [(key(2), "gone")]
    monkeypatch.setattr(module, "PENDING_ROWS", 1)
    assert "Run `vend sync parked` first" in (one(settings, database, "parked").error or "")


def test_narrowing(
    settings: Settings, source: psycopg.Connection[Any], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys with a long common prefix, in groups that must be split and taken in portions."""
    source.execute(
        "insert into parked (id, garage_id, entered_at) select ('aaaaaaaa-0000-0000-0000-' || lpad(i::text, 12, '0'))"
        "::uuid, '00000000-0000-0000-0000-000000000001', '2024-01-01' from generate_series(1, 3000) as i"
    )
    sync(settings, database)
    monkeypatch.setattr(module, "SLICE_ROWS", 50)
    wrong = [f"aaaaaaaa-0000-0000-0000-{number:012}" for number in (1, 2, 77, 1500, 2999)]
    keys = ", ".join(f"'{name}'" for name in wrong)
    query(settings, f"update raw.parked set exited_at = timestamp '2024-01-01' where id in ({keys})")
    found = one(settings, database, "parked")
    assert [(row.key, row.columns) for row in found.differences] == [(name, ("exited_at",)) for name in wrong]
    monkeypatch.setattr(module, "NAMED_ROWS", 2)
    assert "too many to mend one by one" in (one(settings, database, "parked").error or "")


def test_a_key_that_raw_has_twice(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    query(settings, f"insert into raw.parked select * from raw.parked where id = '{key(1)}'")
    assert "same key" in (one(settings, database, "parked").error or "")
    run = sync(settings, database)
    assert run.ok
    assert_equal(settings, source)


def test_a_row_of_raw_without_a_key(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    query(settings, "insert into raw.parked (garage_id, _fivetran_deleted) values ('x', false)")
    assert "without a key" in (one(settings, database, "parked").error or "")
    query(settings, "create table raw.parked__new as select 1 as left_by_hand")
    assert sync(settings, database, tables=["parked"], full_refresh=True).ok
    assert one(settings, database, "parked").status == "equal"


def test_nothing_to_compare_with(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    with pytest.raises(VendError, match="no RAW yet"):
        reconcile(settings, database)
    with pytest.raises(UsageError, match="no table cars"):
        reconcile(settings, database, tables=["cars"])
    sync(settings, database, tables=["users"])
    query(settings, "update ops.sync_runs set system_identifier = 'other'")
    result = reconcile(settings, database)
    assert not result.ok
    assert all("`vend sync" in (table.error or "") for table in result.tables)


def test_output(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    query(settings, "update raw.users set first_name = 'x', last_name = 'y'")
    query(settings, "insert into raw.parked (id, _fivetran_deleted) select i, false from range(30) as t (i)")
    result = reconcile(settings, database)
    document = json.loads(as_json(result))
    assert document["ok"] is False
    assert [table["table"] for table in document["tables"]] == list(NAMES)
    assert document["tables"][0]["differences"][0] == {
        "key": key(1),
        "what": "different",
        "columns": ["first_name", "last_name"],
    }
    text = as_text(result)
    assert f"{key(1)} differs in first_name, last_name" in text
    assert "… and 10 more" in text
    assert "`vend reconcile --repair users parked`" in text
    assert max(len(line) for line in text.splitlines()[:10]) <= 100


def test_the_commands(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    """Exit codes, data on stdout, a line per table for the log on stderr."""
    environment = {"VEND_HOME": str(settings.home), "VEND_SOURCE_DSN": database, "VEND_POSTGRES_DSN": database}

    def run(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, list(arguments), env=environment)
        return done.exit_code, done.stdout, done.stderr

    code, out, err = run("sync", "--format", "json")
    assert code == 0
    assert {table["status"] for table in json.loads(out)["tables"]} == {"success"}
    assert [line.partition(":")[0] for line in err.splitlines()] == list(NAMES)
    assert f"users: full, {len(AWKWARD)} read, {len(AWKWARD)} new" in err
    assert run("reconcile", "parked")[0] == 0
    query(settings, "update raw.users set first_name = 'x'")
    code, out, err = run("reconcile", "users", "--format", "json")
    assert code == 1
    assert len(json.loads(out)["tables"][0]["differences"]) == len(AWKWARD)
    assert run("reconcile", "--repair")[0] == 0
    assert run("reconcile")[0] == 0
    assert run("reconcile", "cars")[0] == 2


def test_a_terminal_sees_rows_and_states(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    reader, writer = pty.openpty()
    environment = {
        **os.environ,
        "VEND_HOME": str(settings.home),
        "VEND_SOURCE_DSN": database,
        "TERM": "xterm",
        "COLUMNS": "120",
    }
    source.execute("alter table users drop column phone")
    command = [sys.executable, "-m", "vend", "sync", "users", "parked"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer, env=environment) as process:
        os.close(writer)
        seen = b""
        with suppress(OSError):  # the end of a terminal
            while part := os.read(reader, 65536):
                seen += part
        assert process.stdout is not None
        out = process.stdout.read().decode()
    os.close(reader)
    shown = seen.decode()
    assert process.returncode == 1
    assert "parked" in shown
    assert f"{len(AWKWARD)} rows" in shown
    assert "done" in shown
    assert "failed" in shown
    assert "users: The source has no column users.phone" in out

"""Tables of the source that are no more what they were: more is taken along, less fails its table alone."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from landing import AWKWARD, NAMES, assert_equal, figures, fill, park, query

from vend import contract
from vend.contract import joined
from vend.drift import natural
from vend.errors import VendError
from vend.settings import Settings
from vend.source import init
from vend.sync import Run, sync


@pytest.fixture
def settings(home: Callable[..., Settings]) -> Settings:
    return home()


@pytest.fixture
def source(database: str) -> Iterator[psycopg.Connection[Any]]:
    init(database)
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        yield connection


def failed(run: Run) -> dict[str, str]:
    return {row.table: row.error or "" for row in run.tables if row.status == "error"}


def test_a_new_column_is_added_and_filled_for_old_rows(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    sync(settings, database)
    source.execute("alter table parked add column spot integer default 7")  # writes no row
    source.execute('alter table parked add column "Order No" numeric, add column span interval')
    source.execute(
        "update parked set \"Order No\" = 12345678901234567890.5, span = '1 day 2 h' where vehicle_plate = ''"
    )
    run = sync(settings, database)
    assert figures(run, "parked")[:2] == ("full", len(AWKWARD))
    assert figures(run, "users")[:2] == ("incremental", 0)
    assert query(settings, 'select distinct spot, typeof(spot), typeof("order_no") from raw.parked') == [
        (7, "INTEGER", "VARCHAR")
    ]
    assert query(settings, "select order_no, span from raw.parked where vehicle_plate = ''") == [
        ("12345678901234567890.5", "1 day 02:00:00")
    ]
    assert_equal(settings, source)
    park(source)
    assert figures(sync(settings, database), "parked") == ("incremental", 1, 1, 0, 0)
    source.execute("alter table parked drop column span")
    assert figures(sync(settings, database), "parked")[0] == "full"
    assert query(settings, "select distinct span from raw.parked") == [(None,)]


def test_wider_types_are_widened(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    sync(settings, database)
    source.execute("alter table garages alter capacity type bigint")
    source.execute("alter table payments alter amount type numeric(14, 4), alter stripe_fee type numeric(12, 2)")
    key = [uuid.UUID(int=2)]
    source.execute("update garages set capacity = 9223372036854775807 where id = %s", key)
    source.execute("update payments set amount = 1234567890.0001, stripe_fee = 9999999999.99 where id = %s", key)
    assert sync(settings, database).ok
    assert_equal(settings, source)
    assert query(settings, f"select amount, stripe_fee from raw.payments where id = '{key[0]}'") == [
        (Decimal("1234567890.0001"), Decimal("9999999999.99"))
    ]
    source.execute("update garages set capacity = 1 where id = %s", key)
    source.execute("alter table garages alter capacity type integer")  # as declared again
    assert sync(settings, database).ok
    assert_equal(settings, source)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("drop column phone", "no column users.phone: it was dropped or renamed. Add it back"),
        ("rename column phone to telephone", "no column users.phone"),
        ("alter phone type integer using 1", "users.phone is integer in the source"),
        ("alter updated_at type date", "users.updated_at is date in the source"),
        ("alter created_at type varchar", "users.created_at is character varying in the source"),
        ("add column _fivetran_synced text", "the loader's own"),
        ('add column "Phone" text', "one name in RAW"),
        ("rename to people", ""),
    ],
)
def test_less_fails_its_table_alone(
    settings: Settings, source: psycopg.Connection[Any], database: str, statement: str, sentence: str
) -> None:
    sync(settings, database)
    before = query(settings, "select * from raw.users order by id")
    source.execute(f"alter table users {statement}")  # type: ignore[call-overload]
    park(source)
    if not sentence:
        with pytest.raises(VendError, match="has no table users"):
            sync(settings, database)
        return
    run = sync(settings, database)
    assert list(failed(run)) == ["users"]
    assert sentence in failed(run)["users"]
    assert figures(run, "parked") == ("incremental", 1, 1, 0, 0)
    assert query(settings, "select * from raw.users order by id") == before
    assert failed(sync(settings, database, dry_run=True)) == failed(run)


def test_a_narrower_decimal_fails(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    source.execute("alter table passes alter monthly_amount type numeric(10, 1) using 0")
    assert "does not hold every decimal(10,2)" in failed(sync(settings, database))["passes"]
    source.execute("alter table passes alter monthly_amount type numeric using 12.5")  # any size: value by value
    assert sync(settings, database).ok
    source.execute("update passes set monthly_amount = 0.001 where id = %s", [uuid.UUID(int=3)])
    assert (
        f"passes.monthly_amount holds the value 0.001 (where id is {uuid.UUID(int=3)})"
        in failed(sync(settings, database))["passes"]
    )


def test_a_table_swapped_by_rename_is_noticed(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    source.execute("create table parked_new (like parked including all)")
    source.execute("insert into parked_new select * from parked")
    source.execute("update parked_new set vehicle_plate = 'older', exited_at = entered_at")
    sync(settings, database)
    source.execute("alter table parked rename to parked_old; alter table parked_new rename to parked")
    assert figures(sync(settings, database), "parked")[0] == "full"
    assert_equal(settings, source)


def test_rows_of_an_attached_partition_are_read(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    source.execute("alter table parked rename to parked_old")
    source.execute("create table parked (like parked_old) partition by list (vehicle_plate)")
    source.execute("create table parked_rest partition of parked default")
    source.execute("insert into parked select * from parked_old where vehicle_plate is distinct from ' '")
    source.execute("create table parked_blank as select * from parked_old where vehicle_plate = ' '")
    source.execute("alter table parked_blank alter id set not null, alter garage_id set not null")
    source.execute("alter table parked_blank alter entered_at set not null, alter created_at set not null")
    sync(settings, database, tables=["parked"])
    source.execute("alter table parked attach partition parked_blank for values in (' ')")
    assert figures(sync(settings, database, tables=["parked"]), "parked") == ("incremental", 1, 1, 0, 0)
    assert_equal(settings, source, ("parked",))
    assert figures(sync(settings, database, tables=["parked"]), "parked")[:2] == ("incremental", 0)


def test_values_that_change_without_a_row_being_written(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    sync(settings, database)
    source.execute("alter type subscription_status rename value 'past_due' to 'late'")
    source.execute("alter table parked rename column entered_at to x")
    source.execute("alter table parked rename column created_at to entered_at")
    source.execute("alter table parked rename column x to created_at")
    run = sync(settings, database)
    assert figures(run, "subscriptions")[0] == figures(run, "parked")[0] == "full"
    assert_equal(settings, source)


def test_a_rewrite_during_the_run_waits(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    """A table rewritten after the snapshot looks empty to it; the run keeps that from happening."""
    sync(settings, database)
    refused = []

    def rewrite(task: str, done: int, total: int | None = None) -> None:
        with psycopg.connect(database) as other:
            other.execute("set lock_timeout = '50ms'")
            try:
                other.execute("alter table parked alter vehicle_plate type text")
            except psycopg.errors.LockNotAvailable:
                refused.append(task)

    source.execute("update users set phone = 'x'")
    run = sync(settings, database, progress=rewrite)
    assert run.ok
    assert "users" in refused
    assert_equal(settings, source)


def test_raw_that_another_loader_filled(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    """Its own order of columns, more of them, an empty mark, a row that is gone: the first run reads all by name."""
    settings.home.mkdir()
    query(
        settings,
        "create schema raw; create table raw.parked (_fivetran_id varchar, _fivetran_deleted boolean,"
        " created_at timestamp, vehicle_plate varchar, user_id varchar, garage_id varchar, id varchar,"
        " pass_id varchar, exited_at timestamp, entered_at timestamp, _fivetran_synced timestamp);"
        " insert into raw.parked (id, vehicle_plate) values ('gone', 'x'),"
        " ('00000000-0000-0000-0000-000000000001', 'stale')",
    )
    run = sync(settings, database)
    assert figures(run, "parked") == ("full", len(AWKWARD), len(AWKWARD) - 1, 1, 1)
    assert query(settings, "select id from raw.parked where _fivetran_deleted") == [("gone",)]
    for table in contract.tables(settings):
        if table.name == "parked":
            names = ", ".join(table.names)
            live = query(settings, f"select {names} from raw.parked where not _fivetran_deleted order by id")
            assert len(live) == len(AWKWARD)
    assert figures(sync(settings, database), "parked")[:2] == ("incremental", 0)


def test_a_type_of_raw_that_cannot_become_the_declared_one(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    settings.home.mkdir()
    query(settings, "create schema raw; create table raw.parked (id varchar, entered_at timestamptz)")
    query(settings, "create table raw.users (id varchar, _fivetran_synced timestamptz, _fivetran_deleted boolean)")
    run = sync(settings, database)
    assert "parked.entered_at is timestamp with time zone in RAW" in failed(run)["parked"]
    assert "users._fivetran_synced is timestamp with time zone in RAW" in failed(run)["users"]
    assert len(failed(run)) == 2
    query(settings, "drop table raw.parked; drop table raw.users")
    assert sync(settings, database).ok
    assert_equal(settings, source)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("integer", "bigint", "bigint"),
        ("decimal(10,2)", "decimal(12,1)", "decimal(13,2)"),
        ("integer", "decimal(4,2)", "decimal(12,2)"),
        ("bigint", "decimal(38,30)", None),
        ("date", "timestamp", "timestamp"),
        ("varchar", "integer", None),
        ("json", "varchar", None),
        ("double", "decimal(10,2)", None),
    ],
)
def test_joined(one: str, other: str, both: str | None) -> None:
    assert joined(one, other) == joined(other, one) == both


def test_natural() -> None:
    kinds = ["numeric(10,2)", "numeric(3,5)", "numeric(5,-2)", "numeric(50,2)", "numeric", "smallint", "uuid"]
    assert [natural(kind) for kind in kinds] == [
        "decimal(10,2)",
        "decimal(5,5)",
        "decimal(7,0)",
        "varchar",
        "varchar",
        "integer",
        "varchar",
    ]
    assert natural("timestamp(3) with time zone") == "timestamp"
    assert natural("timestamp without time zone[]") == "varchar"


def declared(settings: Settings, tmp_path: Path, table: str, meta: str) -> Settings:
    """Settings whose contract declares one table's meta otherwise. meta: lines such as `key: id`."""
    project = tmp_path / "project"
    file = project / contract.FILE
    file.parent.mkdir(parents=True)
    shutil.copy(settings.project / contract.FILE, file)
    before, mark, after = file.read_text().partition(f"      - name: {table}\n")
    head, start, rest = after.partition("          meta:\n")
    tail = rest[rest.index("        columns:") :]
    lines = "".join(f"            {line}\n" for line in meta.splitlines())
    file.write_text(f"{before}{mark}{head}{start}{lines}{tail}")
    return replace(settings, project=project)


def test_a_cursor_with_an_overlap(
    settings: Settings, source: psycopg.Connection[Any], database: str, tmp_path: Path
) -> None:
    """A view has no xmin: what the cursor shows within the overlap is read again, and lost keys are found."""
    other = declared(settings, tmp_path, "users", "key: id\ncursor: updated_at\nguard: none\noverlap: 2 hours")
    table = contract.tables(other)[0]
    assert (table.guard, table.overlap) == (None, timedelta(hours=2))
    source.execute("alter table users rename to people; create view users as select * from people")
    source.execute("update people set updated_at = '2024-03-01 12:00'")
    source.execute("update people set updated_at = '2199-01-01' where email = '11@x.org'")  # a clock that is wrong
    sync(other, database)
    stamp = query(other, "select max(started_at) from ops.sync_runs")[0][0]
    moved = "update people set phone = %s, updated_at = %s where email = %s"
    source.execute(moved, ["late", stamp - timedelta(hours=1), "1@x.org"])
    source.execute(moved, ["too late", stamp - timedelta(hours=3), "2@x.org"])
    source.execute("delete from garage_admins; delete from parked; delete from payments; delete from subscriptions")
    source.execute("delete from people where email = '5@x.org'")
    run = sync(other, database)
    assert figures(run, "users") == ("incremental", 2, 0, 2, 1)
    assert query(other, "select email from raw.users where phone like '%late'") == [("1@x.org",)]
    sync(other, database, full_refresh=True)
    assert_equal(other, source)
    source.execute(
        "create or replace view users as select id, first_name, last_name, email, 'v'::varchar(50) as phone,"
        " stripe_customer_id, role, created_at, updated_at from people"
    )
    assert figures(sync(other, database), "users")[0] == "full"
    assert_equal(other, source)


@pytest.mark.parametrize(
    "meta",
    ["key: id", "key: id\nguard: none", "key: id\ncursor: created_at\nguard: none", "key: id\ncursor: created_at"],
)
def test_a_table_whose_changes_cannot_be_seen_is_refused(
    settings: Settings, database: str, tmp_path: Path, meta: str
) -> None:
    with pytest.raises(VendError, match="declares parked without a way to see which rows changed"):
        sync(declared(settings, tmp_path, "parked", meta), database)


@pytest.mark.parametrize(
    "meta",
    [
        "key: id\nguard: rowversion",
        "key: id\nguard: none\ncursor: created_at\noverlap: soon",
        "key: id\nguard: xmin\noverlap: 2 hours",
        "key: id\nguard: xmin\ncursor: vehicle_plate",
        "guard: xmin",
        "key: x\nguard: xmin",
    ],
)
def test_a_contract_that_is_wrong(settings: Settings, tmp_path: Path, meta: str) -> None:
    with pytest.raises(VendError, match="does not declare RAW as the sync needs it"):
        contract.tables(declared(settings, tmp_path, "parked", meta))


def test_relations_without_a_guard_are_refused(
    settings: Settings, source: psycopg.Connection[Any], database: str
) -> None:
    source.execute("alter table parked rename to stays; create view parked as select * from stays")
    with pytest.raises(VendError, match=r"parked .* is a view, and its rows have no xmin"):
        sync(settings, database)
    source.execute("drop view parked; create materialized view parked as select * from stays")
    with pytest.raises(VendError, match=r"parked .* is a materialized view"):
        sync(settings, database)
    source.execute("drop materialized view parked; alter table stays rename to parked")
    assert sync(settings, database).ok
    assert_equal(settings, source, NAMES)

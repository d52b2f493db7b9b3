"""The Snowflake destination through the real connector, against fakesnow, and what Snowflake's grammar says of every
statement it can send. Nothing here ran on Snowflake; snowflake_server.py lists what fakesnow is spared."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow
import pytest
import snowflake.connector
import snowflake_server
import sqlglot
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pyarrow import parquet
from sqlfluff.api.simple import APIParsingError

import sqlfluff
from vend import alerts, check, contract, status, warehouse
from vend.cli import main
from vend.contract import Column, Table
from vend.errors import UsageError, VendError
from vend.extract import Batch
from vend.reconcile import reconcile
from vend.settings import Settings
from vend.source import init, mutate, seed
from vend.sync import sync
from vend.warehouse import Entry, Mismatch
from vend.warehouse import snowflake as destination
from vend.warehouse import snowflake_session as sessions

pytestmark = pytest.mark.filterwarnings(
    "error::pytest.PytestUnhandledThreadExceptionWarning", "ignore:Arrow output on a DB-API result:UserWarning"
)

GOLDEN = Path(__file__).parent / "golden" / "snowflake.sql"
# Statements that sqlglot has no grammar for: it takes them as a command of which it knows the first word only.
UNKNOWN_TO_SQLGLOT = {"remove", "transactions"}

THINGS = Table(
    "things",
    (
        Column("id", "varchar"),
        Column("name", "varchar"),
        Column("amount", "decimal(10,2)"),
        Column("small", "integer"),
        Column("big", "bigint"),
        Column("active", "boolean"),
        Column("day", "date"),
        Column("meta", "json"),
        Column("order", "varchar"),
        Column("updated_at", "timestamp"),
    ),
    "id",
    "updated_at",
)
ARROW = {
    "varchar": pyarrow.string(),
    "json": pyarrow.string(),
    "integer": pyarrow.int32(),
    "bigint": pyarrow.int64(),
    "boolean": pyarrow.bool_(),
    "timestamp": pyarrow.timestamp("us"),
    "date": pyarrow.date32(),
}
Row = dict[str, Any]


def retyped(types: dict[str, str]) -> tuple[Column, ...]:
    return tuple(Column(column.name, types.get(column.name, column.type)) for column in THINGS.columns)


AT = datetime(2024, 2, 29, 23, 59, 59, 999999)


@pytest.fixture(scope="module")
def server() -> Iterator[snowflake_server.Snowflake]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        patch.setattr(sessions, "LOGIN_SECONDS", 10)
        patch.setattr(sessions, "QUICK_SECONDS", 10)
        patch.setattr(sessions, "SLOW_SECONDS", 10)
        patch.setattr(destination, "BEAT_SECONDS", 3600)
        with snowflake_server.running() as running:
            yield running


@pytest.fixture
def settings(home: Callable[..., Settings], server: snowflake_server.Snowflake) -> Iterator[Settings]:
    """A database of the test's own."""
    yield home(warehouse="snowflake", snowflake=environment(server))
    server.cut = lambda statement: None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection is given up at once."""
    monkeypatch.setattr(sessions, "QUICK_SECONDS", 1)
    monkeypatch.setattr(sessions, "SLOW_SECONDS", 1)


def environment(server: snowflake_server.Snowflake) -> dict[str, str]:
    return {
        "SNOWFLAKE_ACCOUNT": "acme",
        "SNOWFLAKE_USER": "loader",
        "SNOWFLAKE_PASSWORD": "quiet",
        "SNOWFLAKE_HOST": "127.0.0.1",
        "SNOWFLAKE_PORT": str(server.port),
        "SNOWFLAKE_PROTOCOL": "http",
        "SNOWFLAKE_ROLE": "VEND_LOADER",
        "SNOWFLAKE_WAREHOUSE": "LOAD_WH",
        "SNOWFLAKE_DATABASE": f"T_{uuid.uuid4().hex[:8].upper()}",
    }


def query(settings: Settings, *statements: str) -> list[tuple[Any, ...]]:
    """The rows of the last statement, in a session of their own."""
    with closing(snowflake.connector.connect(**sessions.arguments(settings))) as connection:
        for statement in statements:
            rows = connection.cursor().execute(statement).fetchall()
        return rows


@pytest.fixture
def staged(tmp_path: Path) -> Callable[..., Batch]:
    """Call it with a table and rows for a batch of Parquet files, at most two rows in each."""

    def stage(table: Table, rows: Sequence[Row], columns: Sequence[str] | None = None) -> Batch:
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        files = []
        chosen = [column for column in table.columns if columns is None or column.name in columns]
        schema = pyarrow.schema([(column.name, arrow_type(column.type)) for column in chosen])
        for start in range(0, len(rows), 2):
            files.append(folder / f"{len(files):05}.parquet")
            part = [{column.name: row.get(column.name) for column in chosen} for row in rows[start : start + 2]]
            parquet.write_table(pyarrow.Table.from_pylist(part, schema), files[-1], compression="zstd")
        return Batch(tuple(files), len(rows))

    return stage


def arrow_type(name: str) -> Any:
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", name):
        return pyarrow.decimal128(int(match[1]), int(match[2]))
    return ARROW[name]


def row(key: str, **values: Any) -> Row:
    return {"id": key, "name": key, "updated_at": AT} | values


AWKWARD = [
    row("a", name="", amount=Decimal("99999999.99"), small=2**31 - 1, big=2**63 - 1, active=True, day=date(1, 1, 1)),
    row("b", name=None, amount=Decimal("-0.01"), small=-(2**31), big=-(2**63), active=False, day=date(9999, 12, 31)),
    row("c", name="\\N", amount=Decimal("0.10"), meta='{"b": [1, null, "ż"], "a": {}}', order="NULL"),
    row("d", name="🅿️ żółć 'x' \"y\" | \n\t\\", meta="[]", order="", updated_at=None),
    row("e", name=" ", meta="null", updated_at=datetime(1970, 1, 1)),
]


def entry(number: int = 1, mode: str = "full", **values: Any) -> Entry:
    started = datetime(2024, 3, number, 12, 0, 0, 123456)
    return Entry(f"{started:%Y%m%dT%H%M%S}-00000{number}", "things", mode, "success", started, **values)


def low60(text: str) -> int:
    return int(hashlib.md5(text.encode()).hexdigest()[-15:], 16)


def checksum(rows: Sequence[Row], cursor: str | None = "updated_at") -> int:
    def changed(of: Row) -> str:
        at = of.get(cursor) if cursor else None
        return f"{at:%Y-%m-%d %H:%M:%S.%f}" if at else ""

    return sum(low60(f"{of['id']}|{changed(of)}") for of in rows)


def load(settings: Settings, table: Table, batch: Batch, entry: Entry, keys: Batch | None = None) -> Entry:
    with destination.opened(settings) as target:
        return target.load(table, batch, entry, lambda: keys or batch)


def in_raw(settings: Settings, table: Table = THINGS) -> list[Row]:
    """The live rows, JSON parsed."""
    names = ", ".join(f'"{name.upper()}"' for name in table.names)
    live = query(settings, f"select {names} from raw.{table.name} where not _fivetran_deleted order by 1")
    return [parsed(table, dict(zip(table.names, row, strict=True))) for row in live]


def parsed(table: Table, row: Row) -> Row:
    """The row with every column of the table and its JSON parsed; JSON's null is not SQL's."""
    return {
        column.name: ("JSON", json.loads(row[column.name]))
        if column.type == "json" and row.get(column.name) is not None
        else row.get(column.name)
        for column in table.columns
    }


def expected(rows: Sequence[Row], table: Table = THINGS) -> list[Row]:
    return [parsed(table, row) for row in sorted(rows, key=lambda row: row["id"])]


def leftovers(settings: Settings, server: snowflake_server.Snowflake) -> list[Any]:
    database = settings.snowflake["SNOWFLAKE_DATABASE"]
    tables = "select table_name from information_schema.tables where startswith(table_name, 'VEND_SYNC_')"
    return [
        *query(settings, tables),
        *(file for file in server.files() if database in str(file)),
        *server.open.values(),
    ]


def test_every_value_arrives(
    settings: Settings, server: snowflake_server.Snowflake, staged: Callable[..., Batch]
) -> None:
    total = checksum(AWKWARD)
    done = load(settings, THINGS, staged(THINGS, AWKWARD), entry(source_rows=5, source_checksum=total))
    assert in_raw(settings) == expected(AWKWARD)
    assert (done.rows_inserted, done.rows_updated, done.rows_deleted, done.raw_rows) == (5, 0, 0, 5)
    assert done.raw_checksum == total
    assert done.watermark == AT
    assert done.finished_at is not None
    assert query(settings, "select distinct _fivetran_synced, _fivetran_deleted from raw.things") == [
        (datetime(2024, 3, 1, 12, 0, 0, 123456), False)
    ]
    with destination.opened(settings) as target:
        assert target.previous() == {"things": done}
        assert target.latest() == done.finished_at
        assert target.live_rows(THINGS) == 5
        assert target.columns(THINGS) == {column.name: column.type for column in THINGS.columns}
    assert leftovers(settings, server) == []


def test_changes_deletes_and_returns(settings: Settings, staged: Callable[..., Batch]) -> None:
    load(settings, THINGS, staged(THINGS, AWKWARD), entry(source_rows=5))
    changed = [row("b", name="new"), row("f"), row("g")]
    rows = [AWKWARD[0], *AWKWARD[2:4], *changed]
    keys = staged(THINGS, rows, ["id"])
    second = entry(2, "incremental", source_rows=6, source_checksum=checksum(changed), watermark=AT)
    done = load(settings, THINGS, staged(THINGS, changed), second, keys)
    assert (done.rows_inserted, done.rows_updated, done.rows_deleted, done.raw_rows) == (2, 1, 1, 6)
    assert in_raw(settings) == expected(rows)
    assert query(settings, "select id, _fivetran_synced from raw.things where _fivetran_deleted") == [
        ("e", second.started_at)
    ]
    # e returns as another vanishes, so the number of rows is the same.
    back = [row("e", name="back")]
    third = entry(3, "incremental", source_rows=6)
    done = load(settings, THINGS, staged(THINGS, back), third, staged(THINGS, [*rows[1:], *back], ["id"]))
    assert (done.rows_inserted, done.rows_updated, done.rows_deleted) == (0, 1, 1)
    assert in_raw(settings) == expected([*rows[1:], *back])
    done = load(settings, THINGS, Batch((), 0), entry(4, "incremental", source_rows=0), Batch((), 0))
    assert (done.rows_deleted, done.raw_rows, done.raw_checksum, done.watermark) == (6, 0, 0, None)
    assert in_raw(settings) == []


def test_a_table_without_a_cursor(settings: Settings, staged: Callable[..., Batch]) -> None:
    table = replace(THINGS, cursor=None)
    done = load(settings, table, staged(table, AWKWARD), entry(source_rows=5, source_checksum=checksum(AWKWARD, None)))
    assert (done.watermark, done.raw_rows) == (None, 5)


@pytest.mark.parametrize("wrong", [{"source_rows": 4}, {"source_rows": 2, "source_checksum": 1}])
def test_a_mismatch_changes_nothing(
    settings: Settings, server: snowflake_server.Snowflake, staged: Callable[..., Batch], wrong: Row
) -> None:
    load(settings, THINGS, staged(THINGS, AWKWARD[:2]), entry(source_rows=2))
    before = query(settings, "select * from raw.things order by id")
    with pytest.raises(Mismatch, match=r"Nothing was changed; run `vend sync things --full-refresh`"):
        load(settings, THINGS, staged(THINGS, [row("a", name="new")]), entry(2, **wrong), staged(THINGS, AWKWARD[:2]))
    assert query(settings, "select * from raw.things order by id") == before
    assert query(settings, "select count(*) from ops.sync_runs") == [(1,)]
    assert leftovers(settings, server) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [([row("a"), row("b"), row("a")], "with the same id"), ([row("a"), row("b") | {"id": None}], "without a id")],
)
def test_keys_are_checked(settings: Settings, staged: Callable[..., Batch], rows: list[Row], message: str) -> None:
    with pytest.raises(VendError, match=f"things has rows {message}"):
        load(settings, THINGS, staged(THINGS, rows), entry(source_rows=len(rows)))
    assert query(settings, "select count(*) from raw.things") == [(0,)]


def test_rows_that_went_missing_on_the_way(settings: Settings, staged: Callable[..., Batch]) -> None:
    batch = replace(staged(THINGS, AWKWARD), rows=6)
    with pytest.raises(VendError, match="6 rows were read and 5 staged"):
        load(settings, THINGS, batch, entry(source_rows=6))


def test_raw_follows_the_source(settings: Settings, staged: Callable[..., Batch]) -> None:
    load(settings, THINGS, staged(THINGS, AWKWARD), entry(source_rows=5))
    types = {"amount": "decimal(12,2)", "small": "bigint"}
    wider = replace(
        THINGS,
        columns=(*retyped(types), Column("NewOne", "varchar"), Column("select", "date")),
    )
    changed = row("a", amount=Decimal("9999999999.99"), small=2**40, **{"NewOne": "new", "select": date(2024, 1, 1)})
    done = load(settings, wider, staged(wider, [changed]), entry(2, "incremental", source_rows=5))
    assert done.rows_updated == 1
    assert in_raw(settings, wider) == expected([changed, *AWKWARD[1:]], wider)
    with destination.opened(settings) as target:
        found = target.columns(wider)
        assert found is not None
        assert found == {column.name.lower(): column.type for column in wider.columns}
        # What is wider in RAW already stays as it is.
        target.load(THINGS, staged(THINGS, [row("b")]), entry(3, "incremental", source_rows=5), lambda: Batch((), 0))
        assert target.columns(wider) == found


@pytest.mark.parametrize(
    ("column", "type"), [("amount", "decimal(12,4)"), ("name", "integer"), ("small", "varchar"), ("meta", "varchar")]
)
def test_a_change_snowflake_cannot_make(
    settings: Settings, staged: Callable[..., Batch], column: str, type: str
) -> None:
    load(settings, THINGS, staged(THINGS, AWKWARD), entry(source_rows=5))
    other = replace(THINGS, columns=retyped({column: type}))
    with pytest.raises(VendError, match=rf"things\.{column} is .* cannot be changed to {re.escape(type)} in place"):
        load(settings, other, Batch((), 0), entry(2, source_rows=5))
    assert in_raw(settings) == expected(AWKWARD)


@pytest.mark.parametrize(
    ("kind", "type", "altered"),
    [
        (("NUMBER", 10, 0, None), "integer", None),
        (("NUMBER", 38, 0, None), "bigint", None),
        (("NUMBER", 12, 4, None), "decimal(10,2)", None),
        (("NUMBER", 10, 4, None), "decimal(10,2)", "number(12, 4)"),
        (("NUMBER", 10, 2, None), "bigint", "number(21, 2)"),
        (("TEXT", None, None, 50), "varchar", "varchar"),
        (("TEXT", None, None, 134_217_728), "varchar", None),
        (("TIMESTAMP_NTZ", None, None, None), "timestamp", None),
    ],
)
def test_what_is_widened(kind: tuple[Any, ...], type: str, altered: str | None) -> None:
    assert destination._wider(THINGS, Column("x", type), kind) == altered


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        (("TIMESTAMP_TZ", None, None, None), "timestamp"),
        (("NUMBER", 38, 30, None), "bigint"),
        (("FLOAT", None, None, None), "decimal(10,2)"),
    ],
)
def test_what_cannot_be_widened(kind: tuple[Any, ...], type: str) -> None:
    with pytest.raises(VendError, match="cannot be changed"):
        destination._wider(THINGS, Column("x", type), kind)


def test_digests(settings: Settings, staged: Callable[..., Batch]) -> None:
    keys = ["aa1", "aa2", "ab1", "ba1", "żó1"]
    rows = [made | {"id": key} for made, key in zip(AWKWARD, keys, strict=True)]
    load(settings, THINGS, staged(THINGS, rows), entry(source_rows=5))
    load(settings, THINGS, Batch((), 0), entry(2, source_rows=4), staged(THINGS, rows[:1] + rows[2:], ["id"]))
    live = {made["id"]: digest(made) for made in rows if made["id"] != "aa2"}

    def summed(length: int, *prefixes: str) -> dict[str, tuple[int, int]]:
        groups: dict[str, list[int]] = {}
        for key, value in live.items():
            if not prefixes or key.startswith(prefixes):
                groups.setdefault(key[:length], []).append(value)
        return {prefix: (len(values), sum(values)) for prefix, values in groups.items()}

    with destination.glimpsed(settings) as target:
        assert target is not None
        assert not target.digests_json
        assert target.digests(THINGS, 1, None) == summed(1)
        assert target.digests(THINGS, 2, ["a", "ż"]) == summed(2, "a", "ż")
        assert target.rows(THINGS, None) == live
        assert target.rows(THINGS, ["aa", "b"]) == {key: live[key] for key in ("aa1", "ba1")}
        assert target.rows(THINGS, []) == {}


def digest(row: Row) -> int:
    def text(column: Column) -> str:
        value = row.get(column.name)
        if value is None:
            return "\\N"
        match column.type:
            case "boolean":
                return "true" if value else "false"
            case "timestamp":
                return f"{value:%Y-%m-%d %H:%M:%S.%f}"
            case "date":
                return str(value.isoformat())
            case "varchar":
                return str(value).replace("\\", "\\\\").replace("|", "\\|")
        return str(value)

    return low60("|".join(text(column) for column in THINGS.columns if column.type != "json"))


def test_repair(settings: Settings, staged: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "GONE_KEYS", 1)
    load(settings, THINGS, staged(THINGS, AWKWARD), entry(source_rows=5))
    mended = [row("b", name="mended"), row("f")]
    with destination.opened(settings) as target:
        done = target.repair(THINGS, staged(THINGS, mended), ["d", "e", "never"], entry(2, "repair"))
        assert (done.rows_inserted, done.rows_updated, done.rows_deleted, done.raw_rows) == (1, 1, 2, 4)
        assert target.repair(THINGS, Batch((), 0), [], entry(3, "repair")).raw_rows == 4
        assert target.previous()["things"].mode == "repair"
    assert in_raw(settings) == expected([AWKWARD[0], AWKWARD[2], *mended])


def test_one_sync_at_a_time(settings: Settings, staged: Callable[..., Batch]) -> None:
    with (
        destination.opened(settings) as target,
        pytest.raises(VendError, match=r"Another sync into T_\w+ is running \(.+, pid \d+, .+, since 20.+ UTC\)"),
        destination.opened(settings),
    ):
        pass
    with destination.opened(settings):  # released
        pass
    with destination.opened(settings) as target:
        target.load(THINGS, staged(THINGS, AWKWARD[:1]), entry(source_rows=1), lambda: Batch((), 0))
        query(settings, "update ops.sync_lease set expires_at = '2000-01-01'")
        with destination.opened(settings) as later:
            with pytest.raises(VendError, match="took over"):
                target.load(THINGS, staged(THINGS, AWKWARD), entry(2, source_rows=5), lambda: Batch((), 0))
            later.load(THINGS, staged(THINGS, AWKWARD[:2]), entry(3, source_rows=2), lambda: Batch((), 0))
    assert in_raw(settings) == expected(AWKWARD[:2])
    assert query(settings, "select owner from ops.sync_lease") == [(None,)]


def test_a_lease_lost_during_the_load(
    settings: Settings, server: snowflake_server.Snowflake, staged: Callable[..., Batch]
) -> None:
    with destination.opened(settings) as target:

        def steal(statement: str) -> None:
            if statement.startswith("begin"):
                query(settings, "update ops.sync_lease set owner = 'somebody else'")

        server.cut = steal
        with pytest.raises(VendError, match="took over"):
            target.load(THINGS, staged(THINGS, AWKWARD), entry(source_rows=5), lambda: Batch((), 0))
    assert query(settings, "select count(*) from raw.things") == [(0,)]
    assert query(settings, "select owner from ops.sync_lease") == [("somebody else",)]


class Once(threading.Event):
    """Done after one turn."""

    turns = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.turns += 1
        return self.turns > 1


def test_the_lease_is_renewed_while_the_source_is_read(settings: Settings) -> None:
    with destination.opened(settings):
        [(owner,)] = query(settings, "select owner from ops.sync_lease")
        query(settings, "update ops.sync_lease set expires_at = '2000-01-01'")
        destination._beat(sessions.Session(settings), owner, Once())
        assert query(settings, "select count(*) from ops.sync_lease where expires_at > sysdate()") == [(1,)]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fate", ["after", "before"])
def test_a_commit_without_a_reply(
    settings: Settings, server: snowflake_server.Snowflake, staged: Callable[..., Batch], fate: str
) -> None:
    with destination.opened(settings) as target:
        server.cut = lambda statement: fate if statement == "commit" else None
        batch = staged(THINGS, AWKWARD)
        if fate == "after":
            assert target.load(THINGS, batch, entry(source_rows=5), lambda: batch).raw_rows == 5
        else:
            with pytest.raises(VendError, match=r"connection was lost while things was committed, and it was not"):
                target.load(THINGS, batch, entry(source_rows=5), lambda: batch)
            assert query(settings, "select count(*) from raw.things") == [(0,)]
        assert server.open == {}
        server.cut = lambda statement: None
        done = target.load(THINGS, batch, entry(2, source_rows=5), lambda: batch)
        assert (done.rows_inserted, done.rows_updated) == ((0, 5) if fate == "after" else (5, 0))
    assert in_raw(settings) == expected(AWKWARD)
    assert leftovers(settings, server) == []


@pytest.mark.usefixtures("impatient")
def test_a_commit_nobody_can_be_asked_about(
    settings: Settings, server: snowflake_server.Snowflake, staged: Callable[..., Batch]
) -> None:
    batch = staged(THINGS, AWKWARD)
    lost = False

    def cut(statement: str) -> str | None:
        nonlocal lost
        lost = lost or statement == "commit"
        return "after" if lost else None

    server.cut = cut
    with pytest.raises(VendError, match=r"whether it was is not known yet .* run 20240301T120000-000001"):
        load(settings, THINGS, batch, entry(source_rows=5))
    server.cut = lambda statement: None
    query(settings, "update ops.sync_lease set expires_at = '2000-01-01'")
    with destination.opened(settings) as target:
        assert target.previous()["things"].run_id == "20240301T120000-000001"
    assert leftovers(settings, server) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("lost", ["put ", "copy into", "merge into raw", "insert into ops"])
def test_a_connection_lost_on_the_way(
    settings: Settings, server: snowflake_server.Snowflake, staged: Callable[..., Batch], lost: str
) -> None:
    batch = staged(THINGS, AWKWARD)
    with destination.opened(settings) as target:
        server.cut = lambda statement: "before" if statement.startswith(lost) else None
        with pytest.raises(VendError, match="Snowflake failed"):
            target.load(THINGS, batch, entry(source_rows=5), lambda: batch)
        assert server.open == {}
    server.cut = lambda statement: None
    query(settings, "update ops.sync_lease set expires_at = '2000-01-01'")
    assert load(settings, THINGS, batch, entry(2, source_rows=5)).rows_inserted == 5
    assert leftovers(settings, server) == []


def test_what_a_dead_run_left_is_swept(
    settings: Settings, server: snowflake_server.Snowflake, staged: Callable[..., Batch]
) -> None:
    with destination.opened(settings) as target:
        ours, other = target._named("dead"), target._named("dead").replace("sync_", "sync_0")
    session = sessions.Session(settings)
    session.run("begin", name=ours)
    session.run("rollback")
    session.run("create_rows", name="vend_sync_rows_dead_things", columns="id varchar")
    [file] = staged(THINGS, AWKWARD[:1]).files
    session.run("put", file=f"file://{file}", path="dead/things/rows")
    session.run("begin", name=ours)
    bystander = sessions.Session(settings)
    bystander.run("begin", name=other)
    assert len(leftovers(settings, server)) == 4
    with destination.opened(settings):
        pass
    assert [found[-1] for found in leftovers(settings, server)] == [other]
    bystander.run("rollback")


@pytest.mark.usefixtures("impatient")
def test_an_orphan_that_cannot_be_ended(settings: Settings, server: snowflake_server.Snowflake) -> None:
    with destination.opened(settings) as target:
        name = target._named("dead")
    session = sessions.Session(settings)
    session.run("begin", name=name)
    server.cut = lambda statement: "before" if statement.startswith("select system$abort") else None
    with pytest.raises(VendError, match=r"Transaction \d+ of a sync that lost its connection still holds RAW"):
        destination.opened(settings).__enter__()
    session.run("rollback")


def test_reading_creates_nothing(settings: Settings, server: snowflake_server.Snowflake) -> None:
    before = len(server.statements)
    with warehouse.glimpsed(settings, Path()) as target:
        assert target is None
    assert len(server.statements) == before + 1
    with warehouse.opened(settings, Path()):
        pass
    with warehouse.glimpsed(settings, Path()) as target:
        assert target is not None
        assert (target.previous(), target.latest(), target.live_rows(THINGS)) == ({}, None, None)


def test_session(settings: Settings, server: snowflake_server.Snowflake) -> None:
    with destination.glimpsed(settings):
        pass
    login = server.logins[-1]
    wanted = {
        "TIMEZONE": "UTC",
        "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
        "AUTOCOMMIT": True,
        "TRANSACTION_ABORT_ON_ERROR": True,
        "ERROR_ON_NONDETERMINISTIC_MERGE": True,
        "ABORT_DETACHED_QUERY": True,
        "LOCK_TIMEOUT": 240,
        "STATEMENT_TIMEOUT_IN_SECONDS": sessions.SLOW_SECONDS,
        "QUERY_TAG": "vend_sync",
    }
    assert login["SESSION_PARAMETERS"].items() >= wanted.items()
    assert (login["ACCOUNT_NAME"], login["LOGIN_NAME"], login["PASSWORD"]) == ("acme", "loader", "quiet")


def test_key_pair(settings: Settings, server: snowflake_server.Snowflake, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "key.p8"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    given = dict(settings.snowflake) | {"SNOWFLAKE_PRIVATE_KEY_FILE": str(file)}
    paired = replace(settings, snowflake=given | {"SNOWFLAKE_PRIVATE_KEY_FILE_PWD": "open sesame"})
    with destination.glimpsed(paired) as target:
        assert target is None
    assert server.logins[-1]["AUTHENTICATOR"] == "SNOWFLAKE_JWT"
    assert "PASSWORD" not in server.logins[-1]
    for passphrase in ({}, {"SNOWFLAKE_PRIVATE_KEY_FILE_PWD": "wrong"}):
        with pytest.raises(VendError, match=r"key\.p8 cannot be read \(wrong passphrase") as caught:
            destination.glimpsed(replace(settings, snowflake=given | passphrase)).__enter__()
        assert "sesame" not in str(caught.value)
    absent = replace(settings, snowflake=given | {"SNOWFLAKE_PRIVATE_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(VendError, match=r"none cannot be read \(No such file"):
        destination.glimpsed(absent).__enter__()


def test_settings_that_are_missing(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"needs SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, SNOWFLAKE_PRIVATE_KEY_FILE as"):
        sessions.arguments(replace(settings, snowflake={}))
    with pytest.raises(UsageError, match="SNOWFLAKE_PORT is 'x'"):
        sessions.arguments(replace(settings, snowflake=dict(settings.snowflake) | {"SNOWFLAKE_PORT": "x"}))
    given = dict(settings.snowflake)
    del given["SNOWFLAKE_DATABASE"]
    assert sessions.arguments(replace(settings, snowflake=given))["database"] == "VEND_ANALYTICS"
    assert "quiet" not in repr(settings)


def test_the_command_says_what_is_missing(database: str, tmp_path: Path) -> None:
    init(database)
    given = {"VEND_HOME": str(tmp_path / "home"), "VEND_POSTGRES_DSN": database, "VEND_WAREHOUSE": "snowflake"}
    outcome = CliRunner().invoke(main, ["sync"], env=given | {"SNOWFLAKE_USER": "loader"})
    assert outcome.exit_code == 2
    assert "SNOWFLAKE_ACCOUNT, SNOWFLAKE_PRIVATE_KEY_FILE" in outcome.stderr


def test_a_server_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LOGIN_SECONDS", 1)
    nowhere = replace(settings, snowflake=dict(settings.snowflake) | {"SNOWFLAKE_PORT": "1"})
    with pytest.raises(VendError, match="Snowflake cannot be reached at acme") as caught:
        destination.glimpsed(nowhere).__enter__()
    assert "quiet" not in str(caught.value)


def test_a_whole_sync(settings: Settings, server: snowflake_server.Snowflake, database: str) -> None:
    init(database)
    seed(database, garages=8, months=3, payments=300, as_of=datetime(2024, 3, 1))
    with psycopg.connect(database, autocommit=True) as source:
        awkward = "first_name = '', last_name = null, phone = '🅿️ \\N'"
        source.execute(f"update users set {awkward} where id = (select id from users limit 1)")  # type: ignore[call-overload]
        first = sync(settings, database)
        assert first.ok, [table.error for table in first.tables]
        assert_equal(settings, source)
        planned = sync(settings, database, dry_run=True)
        assert {(table.mode, table.rows_extracted) for table in planned.tables} == {("incremental", 0)}
        source.execute("delete from parked where id in (select id from parked order by id limit 3)")
        mutate(database, as_of=datetime(2024, 3, 2))
        before = len(server.statements)
        run = sync(settings, database)
        assert run.ok, [table.error for table in run.tables]
        assert {table.mode for table in run.tables} == {"incremental"}
        assert_equal(settings, source)
    for statement in dict.fromkeys(server.statements[before:]):
        sqlglot.parse_one(statement, dialect="snowflake")
    assert leftovers(settings, server) == []
    shown = status.as_text(replace(settings, postgres_dsn=database))
    assert re.search(r"Warehouse  snowflake\n", shown)
    live = next(table.raw_rows for table in run.tables if table.table == "payments")
    assert re.search(rf"RAW        payments .* UTC +{live} rows  \(incremental\)", shown)


def test_reconcile_repair_and_drift(settings: Settings, database: str) -> None:
    init(database)
    seed(database, garages=8, months=3, payments=300, as_of=datetime(2024, 3, 1))
    with psycopg.connect(database, autocommit=True) as source:
        assert sync(settings, database).ok
        assert reconcile(settings, database).ok
        query(
            settings,
            "update raw.payments set amount = amount + 1 where id in (select min(id) from raw.payments)",
            "delete from raw.users where id in (select max(id) from raw.users)",
            "insert into raw.parked (id, _fivetran_deleted) values ('00000000-0000-0000-0000-00000000ffff', false)",
        )
        found = {result.table: result.differences for result in reconcile(settings, database).tables}
        assert {table: [each.what for each in differences] for table, differences in found.items() if differences} == {
            "users": ["missing"],
            "payments": ["different"],
            "parked": ["gone"],
        }
        assert found["payments"][0].columns == ("amount",)
        assert reconcile(settings, database, repair=True).ok
        assert_equal(settings, source)
        source.execute("alter table users add column tier text default 'gold'")
        source.execute("alter table payments alter column amount type numeric(14, 2)")
        source.execute("update payments set amount = 123456789012.34 where id = (select id from payments limit 1)")
        run = sync(settings, database)
        assert run.ok, [table.error for table in run.tables]
        assert query(settings, "select distinct tier from raw.users") == [("gold",)]
        assert query(settings, "select max(amount) from raw.payments") == [(Decimal("123456789012.34"),)]
        assert reconcile(settings, database).ok


def test_alerts_are_remembered(settings: Settings) -> None:
    alert = alerts.Alert(
        name="Too Many",
        description="There are too many.",
        comparison=">",
        threshold=Decimal(2),
        severity="critical",
        runbook="docs/runbook.md#too-many",
        sql="select 'all', :number + datediff('minute', cast(:now as datetime), cast(:now as datetime)), 'now'",
        values={"number": 3},
    )
    now = datetime(2026, 11, 24, 12, 0, 0, 123456)
    for number, minutes in ((3, 0), (5, 1), (1, 2)):
        report = check.check(
            settings, listed=[replace(alert, values={"number": number})], now=now + timedelta(minutes=minutes)
        )
        assert report.open == int(number > 2)
        assert not any("ops.alerts" in note for note in report.notes)
        kept = query(settings, "select alert, subject, status, seen_at, checked_at, value from ops.alerts")
        status = "open" if number > 2 else "closed"
        value = 3.0 if number == 3 else 5.0  # the last one beyond
        assert kept == [("Too Many", "all", status, now, now + timedelta(minutes=minutes), value)]
    (settings.home / "alerts.json").unlink()
    assert check.check(settings, listed=[alert], now=now + timedelta(minutes=3)).open == 1


def assert_equal(settings: Settings, source: psycopg.Connection[Any]) -> None:
    """RAW's live rows are the source's, in every column."""
    for table in contract.tables(settings):
        texts = ("varchar", "json")
        columns = ", ".join(
            f"{column.name}::text"
            if column.type in texts
            else f"{column.name}::timestamp"
            if column.type == "timestamp"
            else column.name
            for column in table.columns
        )
        rows = source.execute(f"select {columns} from {table.name}").fetchall()  # type: ignore[call-overload]
        assert rows
        assert in_raw(settings, table) == expected([dict(zip(table.names, row, strict=True)) for row in rows], table)


@pytest.mark.usefixtures("impatient")
def test_every_statement(
    settings: Settings,
    server: snowflake_server.Snowflake,
    staged: Callable[..., Batch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tour that sends each of them; the golden file holds them as they were sent, but for what chance decides."""
    names: dict[str, str] = {}
    original = sessions.statement

    def noted(name: str, /, **identifiers: object) -> str:
        text = original(name, **identifiers)
        names[re.sub(r"(?<!:):[a-z_]+", "?", text)] = name
        return text

    monkeypatch.setattr(sessions, "statement", noted)
    before = len(server.statements)
    batch = staged(THINGS, AWKWARD)
    added = replace(
        THINGS,
        columns=(*retyped({"amount": "decimal(12,2)"}), Column("note", "varchar")),
    )
    with destination.opened(settings) as target:
        with pytest.raises(VendError, match="Another sync"):
            destination.opened(settings).__enter__()
        target.load(THINGS, batch, entry(source_rows=5), lambda: batch)
        keys = staged(THINGS, AWKWARD[1:], ["id"])
        target.load(added, Batch((), 0), entry(2, "incremental", source_rows=4), lambda: keys)
        target.load(replace(THINGS, cursor=None), batch, entry(3, source_rows=5), lambda: batch)
        target.repair(THINGS, Batch((), 0), ["a"], entry(4, "repair"))
        with pytest.raises(Mismatch):
            target.load(THINGS, batch, entry(5, source_rows=9), lambda: batch)
        target.previous()
        target.latest()
        target.digests(THINGS, 2, None)
        target.rows(THINGS, ["a", "bc"])
        server.cut = lambda statement: "before" if statement == "commit" else None
        with pytest.raises(VendError, match="it was not"):
            target.load(THINGS, batch, entry(6, source_rows=5), lambda: batch)
        server.cut = lambda statement: None
        target._session.run("create_rows", name="vend_sync_rows_dead_things", columns="id varchar")
    query(settings, "update ops.sync_lease set expires_at = '2000-01-01'")
    with destination.opened(settings):
        pass
    with destination.glimpsed(settings):
        pass
    sent = dict.fromkeys((names[text], stable(text)) for text in server.statements[before:] if text in names)
    files = {file.stem for file in (Path(sessions.__file__).parent / "snowflake_sql").glob("*.sql")}
    assert {name for name, _ in sent} == files - {"among"}  # a part of two others
    text = "\n".join(f"-- {name}\n{text};\n" for name, text in sorted(sent, key=lambda each: each[0]))
    if os.environ.get("VEND_WRITE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def stable(statement: str) -> str:
    """Without what chance decides."""
    for pattern, instead in (
        (r"2024030\dt120000_00000\d", "20240301t120000_000001"),
        (r"name vend_sync_\w+", "name vend_sync_0123abcd_456789abcdef"),
        (r"file://\S*/", "file:///vend/stage/"),
        (r"transaction\(\d+\)", "transaction(1234567890123456789)"),
    ):
        statement = re.sub(pattern, instead, statement)
    return statement


def golden() -> list[tuple[str, str]]:
    parts = re.split(r"^-- (\w+)\n", GOLDEN.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [(name, text.strip().removesuffix(";")) for name, text in zip(parts[::2], parts[1::2], strict=True)]


def test_snowflakes_grammar_takes_every_statement() -> None:
    objections = []
    for name, text in golden():
        try:
            # sqlfluff has no ? for a bound value, and for Parquet it wants a text in a list that may be empty.
            sqlfluff.parse(text.replace("?", ":1").replace("null_if = ()", "null_if = ('')"), dialect="snowflake")
        except APIParsingError as error:
            objections.append(f"sqlfluff: {name}: {error}")
        known = not isinstance(sqlglot.parse_one(text, dialect="snowflake"), sqlglot.exp.Command)
        if known is (name in UNKNOWN_TO_SQLGLOT):
            objections.append(f"sqlglot: {name}: {'known' if known else 'unknown'}")
    assert objections == []


def test_only_run_tables_are_transient() -> None:
    created = {name: text for name, text in golden() if text.startswith("create") and " table " in text}
    assert {name for name, text in created.items() if "transient" in text} == {"create_rows"}
    assert created.keys() == {"create_rows", "create_table", "create_ledger", "create_lease"}

"""Every value arrives exactly, or is refused by its table, column and value."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st
from landing import assert_equal, fill, insert, query

from vend.settings import Settings
from vend.source import init
from vend.sync import sync

GARAGE = uuid.UUID(int=1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40) | st.sampled_from(
    ["", "\\N", "\\.", "NULL", '"', '""', ",", "\r", "\n", "\r\n", "\t", " x ", "\u200b", "\ufeff", "a\u0301", "🅿️", "'"]
)
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
AMOUNTS = st.decimals(Decimal("-99999999.99"), Decimal("99999999.99"), places=2)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def settings(home: Callable[..., Settings]) -> Settings:
    return home()


@pytest.fixture
def source(database: str) -> Iterator[psycopg.Connection[Any]]:
    init(database)
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        yield connection


PAYMENTS = st.fixed_dictionaries(
    {
        "stripe_payment_intent_id": st.none(),
        "amount": AMOUNTS,
        "stripe_fee": st.none() | AMOUNTS,
        "currency": TEXTS.map(lambda text: text[:3]),
        "status": st.sampled_from(["pending", "succeeded", "refunded"]),
        "payment_date": MOMENTS,
        "updated_at": MOMENTS,
    }
)
USERS = st.fixed_dictionaries(
    {"first_name": st.none() | TEXTS, "last_name": st.none() | TEXTS, "phone": st.none() | TEXTS, "updated_at": MOMENTS}
)
PERMISSIONS = st.none() | JSONS.map(psycopg.types.json.Jsonb)


@options(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    payments=st.lists(PAYMENTS, max_size=20),
    users=st.lists(USERS, max_size=20),
    permissions=st.lists(PERMISSIONS, max_size=20),
)
def test_any_value_makes_the_way(
    settings: Settings,
    source: psycopg.Connection[Any],
    database: str,
    payments: list[dict[str, Any]],
    users: list[dict[str, Any]],
    permissions: list[Any],
) -> None:
    for payment in payments:
        insert(source, "payments", garage_id=GARAGE, **payment)
    for user in users:
        insert(source, "users", email=str(uuid.uuid4()), **user)
    for value in permissions:
        insert(source, "garage_admins", user_id=GARAGE, garage_id=GARAGE, permissions=value)
    names = ("payments", "users", "garage_admins")
    run = sync(settings, database, tables=names)
    assert run.ok, [table.error for table in run.tables]
    assert_equal(settings, source, names)


EXTRA = """
    alter table parked
        add small smallint default 32767,
        add big bigint default -9223372036854775808,
        add exact numeric(38, 10) default 1234567890123456789012345678.0123456789,
        add free numeric default 'NaN',
        add single real default 0.1,
        add double double precision default 1e-300,
        add day date default '0001-01-01',
        add zoned timestamptz default '2024-03-31 02:30:00.000001+02',
        add clock time default '23:59:59.999999',
        add span interval default '1 year 2 mons -3 days 00:00:00.5',
        add blob bytea default '\\x00ff',
        add list text[] default array['a', null, '', '{"}'],
        add address inet default '10.0.0.1',
        add padded char(5) default 'ab',
        add bits bit(3) default b'101',
        add spread int4range default '[1,5)',
        add plain json default '{"a" :  1.0, "a": 2}',
        add kind user_role default 'super_admin',
        add flag boolean default true,
        add "select" text default '',
        add nothing text
"""


def test_a_column_of_any_type(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    """Types that RAW has no type for are kept as Postgres writes them; a session's zone bends nothing."""
    source.execute(EXTRA)
    source.execute("alter role current_user set timezone = 'Asia/Kathmandu'")
    try:
        run = sync(settings, database, tables=["parked"])
    finally:
        source.execute("alter role current_user reset timezone")
    assert run.ok
    assert query(
        settings,
        'select distinct small, big, exact, free, single, "double", day, zoned, clock, span, blob, list, address,'
        ' padded, bits, spread, plain::varchar, kind, flag, "select", nothing from raw.parked',
    ) == [
        (
            32767,
            -9223372036854775808,
            Decimal("1234567890123456789012345678.0123456789"),
            "NaN",
            "0.1",
            "1e-300",
            date(1, 1, 1),
            datetime(2024, 3, 31, 0, 30, 0, 1),
            "23:59:59.999999",
            "1 year 2 mons -3 days +00:00:00.5",
            "\\x00ff",
            '{a,NULL,"","{\\"}"}',
            "10.0.0.1/32",
            "ab   ",
            "101",
            "[1,5)",
            '{"a" :  1.0, "a": 2}',
            "super_admin",
            True,
            "",
            None,
        )
    ]


@pytest.mark.parametrize(
    ("definition", "value", "named"),
    [
        ("timestamp", "infinity", "the value infinity"),
        ("timestamp", "0044-03-15 12:00:00 BC", "the value 0044-03-15 12:00:00 BC"),
        ("timestamp", "12000-01-01", "the value 12000-01-01 00:00:00"),
        ("timestamptz", "-infinity", "the value -infinity"),
        ("date", "infinity", "the value infinity"),
        ("date", "0001-12-31 BC", "the value 0001-12-31 BC"),
        ("numeric(10, 2)", "NaN", "the value NaN"),
        ("json", '"\\ud800"', 'the value "\\ud800"'),
    ],
)
def test_what_raw_cannot_hold_is_refused_by_name(
    settings: Settings, source: psycopg.Connection[Any], database: str, definition: str, value: str, named: str
) -> None:
    source.execute(f"alter table parked add odd {definition}")  # type: ignore[call-overload]
    sync(settings, database, tables=["parked"])
    before = query(settings, "select * from raw.parked order by id")
    source.execute("update parked set odd = %s where id = %s", [value, uuid.UUID(int=4)])
    error = sync(settings, database, tables=["parked"]).tables[0].error or ""
    assert f"parked.odd holds {named}" in error
    assert query(settings, "select * from raw.parked order by id") == before
    source.execute("update parked set odd = null")
    assert sync(settings, database, tables=["parked"]).ok
    assert_equal(settings, source, ("parked",))


def test_keys_that_are_no_uuids(settings: Settings, source: psycopg.Connection[Any], database: str) -> None:
    """Text keys of every kind, also in the checksum and the comparison of keys."""
    source.execute("alter table parked alter id type varchar(40)")
    for text in ["", " ", "a|b", "ż", "🅿️", "'", '"', "\\N", "x" * 40, "A", "a"]:
        insert(source, "parked", id=text, garage_id=GARAGE, entered_at="2024-01-01")
    assert sync(settings, database, tables=["parked"]).ok
    assert_equal(settings, source, ("parked",))
    source.execute("delete from parked where id in ('', 'a', '\"')")
    run = sync(settings, database, tables=["parked"])
    assert run.tables[0].rows_deleted == 3
    assert_equal(settings, source, ("parked",))

"""The operational schema and the business generated into it: real rows in a real Postgres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from vend import source
from vend.errors import UsageError, VendError
from vend.source import towns

AS_OF = datetime(2026, 5, 14, 10, 30)
TINY_AS_OF = datetime(2026, 3, 1)
SMALL: dict[str, Any] = {"garages": 8, "months": 3, "payments": 500, "as_of": AS_OF}
TABLES = (
    "users",
    "garages",
    "passes",
    "subscriptions",
    "payments",
    "pass_price_history",
    "garage_admins",
    "parked",
    "garage_daily_occupancy",
)
ENUMS = {
    "user_role": "user garage_admin super_admin",
    "subscription_status": "incomplete incomplete_expired trialing active past_due canceled unpaid paused",
    "payment_status": "pending processing succeeded failed canceled refunded",
}


def rows(dsn: str, query: str, *values: Any) -> list[dict[str, Any]]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return connection.execute(query, values or None).fetchall()


def value(dsn: str, query: str, *values: Any) -> Any:
    return next(iter(rows(dsn, query, *values)[0].values()))


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def contents(dsn: str) -> dict[str, tuple[int, str]]:
    """Count and hash of every table, whatever the order of its rows."""
    return {
        table: tuple(
            rows(dsn, f"select count(*), md5(string_agg(md5(t::text), '' order by id)) as hash from {table} as t")[
                0
            ].values()
        )
        for table in TABLES
    }


def catalogue(dsn: str) -> list[dict[str, Any]]:
    """Constraints and indexes of `public`, by name and definition."""
    return rows(
        dsn,
        """
        select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition
        from pg_constraint where connamespace = 'public'::regnamespace
        union all
        select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'
        order by 1, 2, 3
        """,
    )


def seeded(make_database: Callable[[], str], **changes: Any) -> str:
    dsn = make_database()
    source.init(dsn)
    source.seed(dsn, **SMALL | changes)
    return dsn


@pytest.fixture(scope="module")
def small(make_database: Callable[[], str]) -> str:
    """A small source that no test changes."""
    return seeded(make_database)


@pytest.fixture(scope="module")
def larger(make_database: Callable[[], str]) -> str:
    """Enough subscriptions for every turn a life can take; no test changes it."""
    return seeded(make_database, garages=12, months=18, payments=6_000, seed=3)


@pytest.fixture(scope="module")
def tiny(make_database: Callable[[], str]) -> str:
    """As a month begins, the shortest history there is, and nobody paid. No test changes it."""
    return seeded(make_database, months=1, payments=0, as_of=TINY_AS_OF)


@pytest.fixture(scope="module", params=["small", "larger", "tiny", "mutated"])
def any_source(request: pytest.FixtureRequest, make_database: Callable[[], str]) -> tuple[str, datetime]:
    """Sources of every kind, and the instant each stops at."""
    if request.param in ("small", "larger"):
        return request.getfixturevalue(request.param), AS_OF
    if request.param == "tiny":
        return request.getfixturevalue("tiny"), TINY_AS_OF
    dsn = seeded(make_database, months=6, payments=2_000, seed=5)
    source.mutate(dsn, as_of=AS_OF + timedelta(days=3, hours=5))
    return dsn, AS_OF + timedelta(days=3, hours=5)


# The schema


def test_init_creates_the_tables_once(database: str) -> None:
    assert source.init(database) == list(TABLES)
    before = catalogue(database)
    assert source.init(database) == []
    assert catalogue(database) == before
    for enum, labels in ENUMS.items():
        found = value(database, f"select string_agg(v::text, ' ') from unnest(enum_range(null::{enum})) as v")
        assert found == labels


def test_init_has_the_keys_and_indexes_of_the_architecture(database: str) -> None:
    source.init(database)
    names = {row["name"] for row in catalogue(database)}
    assert {
        "idx_payments_garage_date",
        "idx_subscriptions_garage_status",
        "idx_parked_garage_entered",
        "users_email_key",
        "subscriptions_stripe_subscription_id_key",
        "payments_stripe_payment_intent_id_key",
    } <= names
    indexed = value(database, "select pg_get_indexdef('idx_parked_garage_entered'::regclass)")
    assert indexed.endswith("(garage_id, entered_at) WHERE (exited_at IS NULL)")
    # A day may be counted twice.
    assert not [
        row
        for row in catalogue(database)
        if row["table"] == "garage_daily_occupancy" and "UNIQUE" in row["definition"] and "day" in row["definition"]
    ]


def test_init_completes_a_schema_that_lacks_a_table(database: str) -> None:
    source.init(database)
    execute(database, "drop table parked")
    assert source.init(database) == ["parked"]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        ("create table parked (id uuid primary key)", "public.parked exists already but has no column garage_id"),
        ("create table users (id bigint primary key, email text)", "public.users"),
        ("create view payments as select 1 as id", "public.payments"),
    ],
)
def test_init_refuses_tables_of_another_shape(database: str, spoil: str, named: str) -> None:
    execute(database, spoil)
    before = value(database, "select count(*) from pg_class where relnamespace = 'public'::regnamespace")
    with pytest.raises(VendError, match=named):
        source.init(database)
    after = value(database, "select count(*) from pg_class where relnamespace = 'public'::regnamespace")
    assert after == before


def test_init_refuses_an_enum_of_other_labels(database: str) -> None:
    execute(database, "create type payment_status as enum ('paid')")
    with pytest.raises(VendError, match="payment_status"):
        source.init(database)
    assert value(database, "select to_regclass('public.users')") is None


def test_init_accepts_an_additional_column(database: str) -> None:
    source.init(database)
    execute(database, "alter table garages add column timezone text")
    assert source.init(database) == []


# Seeding


@pytest.mark.parametrize("wrong", [{"garages": 7}, {"garages": 0}, {"payments": -1}, {"months": 0}, {"seed": -1}])
def test_seed_refuses_values_out_of_range(database: str, wrong: dict[str, int]) -> None:
    source.init(database)
    with pytest.raises(UsageError):
        source.seed(database, **SMALL | wrong)
    assert value(database, "select count(*) from garages") == 0


def test_seed_needs_the_schema(database: str) -> None:
    with pytest.raises(VendError, match="vend source init"):
        source.seed(database, **SMALL)


def test_seed_refuses_tables_with_rows(tiny: str, database: str) -> None:
    before = contents(tiny)
    with pytest.raises(VendError, match="truncate users, garages cascade"):
        source.seed(tiny, **SMALL)
    assert contents(tiny) == before
    source.init(database)
    execute(database, "insert into users (email) values ('someone@vend.example')")
    with pytest.raises(VendError, match=r"public\.users .* not empty"):
        source.seed(database, **SMALL)
    execute(database, "truncate users, garages cascade")
    assert source.seed(database, **SMALL)["payments"] == 500


def test_same_arguments_give_the_same_rows(small: str, make_database: Callable[[], str]) -> None:
    assert contents(seeded(make_database)) == contents(small)


def test_another_seed_gives_other_rows(small: str, make_database: Callable[[], str]) -> None:
    one, other = contents(small), contents(seeded(make_database, seed=2))
    assert all(one[table][1] != other[table][1] for table in TABLES)


def test_seed_returns_and_records_what_it_made(make_database: Callable[[], str]) -> None:
    dsn = make_database()
    assert source.recorded(dsn) is None
    source.init(dsn)
    counts = source.seed(dsn, **SMALL)
    assert counts == {table: value(dsn, f"select count(*) from {table}") for table in TABLES}
    assert source.recorded(dsn) == SMALL | {"seed": 1}


@pytest.mark.parametrize("payments", [0, 500, 6_000])
def test_seed_hits_the_number_of_payments(payments: int, tiny: str, small: str, larger: str) -> None:
    dsn = {0: tiny, 500: small, 6_000: larger}[payments]
    assert abs(value(dsn, "select count(*) from payments") - payments) <= payments * 0.02


def test_seed_leaves_keys_and_indexes_as_they_were(small: str, database: str) -> None:
    source.init(database)
    assert catalogue(small) == catalogue(database)


def test_a_seed_that_fails_leaves_the_tables_empty(database: str) -> None:
    source.init(database)
    before = catalogue(database)
    execute(database, "alter table garage_daily_occupancy add constraint never check (false)")
    with pytest.raises(VendError, match="The source was not filled"):
        source.seed(database, **SMALL)
    execute(database, "alter table garage_daily_occupancy drop constraint never")
    assert {table: count for table, (count, _) in contents(database).items()} == dict.fromkeys(TABLES, 0)
    assert catalogue(database) == before
    assert source.recorded(database) is None


def test_seed_keeps_an_index_that_something_depends_on(database: str) -> None:
    source.init(database)
    execute(
        database,
        "create schema authz; create table authz.login_user (login text, user_id uuid references public.users)",
    )
    source.seed(database, **SMALL | {"payments": 0, "months": 1})
    assert value(database, "select count(*) from users") > 0
    assert value(database, "select count(*) from pg_constraint where conrelid = 'authz.login_user'::regclass") == 1
    names = {row["name"] for row in catalogue(database)}
    assert {"users_pkey", "payments_pkey", "subscriptions_user_id_fkey"} <= names


# The named cases


@pytest.fixture(scope="module", params=["small", "larger", "tiny"])
def named(request: pytest.FixtureRequest, make_database: Callable[[], str]) -> str:
    if request.param == "tiny":
        return seeded(make_database, months=1, payments=1, as_of=TINY_AS_OF)
    dsn: str = request.getfixturevalue(request.param)
    return dsn


@pytest.mark.parametrize(
    "holds",
    [
        "select count(*) = 2 from garages where name = 'City Center'",
        "select count(*) = 1 from garages where capacity = 0",
        "select count(*) = 1 from garages where name like 'Skyline%' and not exists "
        "(select from payments where garage_id = garages.id) and exists (select from parked where "
        "garage_id = garages.id)",
        "select count(*) = 1 from garages where not exists (select from passes where garage_id = garages.id)",
        "select count(*) = 1 from garages where address is null",
        "select count(*) = 1 from garages where address like '%New Jersey%'",
        "select count(*) = 1 from garages where address = '110 Washington Street, New York, NY 10006'",
        "select count(*) = 1 from garages where address = lower(address)",
        "select count(*) = 1 from garages where address = 'Pier 7, The Waterfront'",
        "select count(*) = 1 from (select garage_id from payments group by 1 having bool_and(currency = 'cad')) as _",
        "select count(*) = 0 from (select garage_id from payments group by 1 having count(distinct currency) > 1) as _",
        "select count(*) > 0 from (select user_id from subscriptions group by 1 having "
        "count(distinct garage_id) > 2) as _",
        "select count(*) = 1 from subscriptions where status = 'canceled' and canceled_at is null",
        "select count(*) = 8 from (select distinct status from subscriptions) as _",
        "select count(*) = 6 from (select distinct status from payments) as _",
        "select bool_or(cancel_at_period_end and status = 'active') from subscriptions",
        "select bool_or(cancel_at_period_end and status = 'canceled') from subscriptions",
        "select bool_or(not cancel_at_period_end and status = 'canceled' and canceled_at is not "
        "null) from subscriptions",
        "select count(*) > 0 from subscriptions as one join subscriptions as other using (user_id, "
        "garage_id) "
        "where one.canceled_at < other.created_at",
        "select bool_or(payment_date = date_trunc('month', payment_date)) from payments",
        "select bool_or(payment_date = date_trunc('month', payment_date + interval '1 us') - "
        "interval '1 us') from payments",
        "select bool_or(extract(microseconds from payment_date)::int % 1000 <> 0) from payments",
        "select bool_or(status = 'succeeded' and stripe_fee is null and net_amount is not null) from payments",
        "select bool_or(status = 'succeeded' and stripe_fee is not null and net_amount is null) from payments",
        "select bool_or(status = 'succeeded' and stripe_fee is null and net_amount is null) from payments",
        "select bool_or(subscription_id is null) from payments",
        "select count(*) > 0 from payments as p join payments as q using (subscription_id) "
        "where p.status = 'failed' and q.status = 'succeeded' and q.payment_date > p.payment_date",
        "select count(*) > 0 from (select garage_id, day from garage_daily_occupancy "
        "group by 1, 2 having count(distinct hourly_occupancy) = 2 and count(distinct created_at) = 2) as _",
        "select count(*) > 0 from parked where exited_at is null and user_id is null and pass_id is null",
        "select bool_or(not active) from passes",
        "select bool_or(old_price is null) from pass_price_history",
    ],
)
def test_named_case(named: str, holds: str) -> None:
    assert value(named, holds) is True


def test_demo_users(named: str) -> None:
    found = rows(
        named,
        """
        select email, role::text, coalesce(array_agg(garages.name order by garages.name)
            filter (where garages.id is not null), '{}') as garages
        from users
        left join garage_admins on garage_admins.user_id = users.id
        left join garages on garages.id = garage_admins.garage_id
        where email = any(%s)
        group by email, role
        """,
        [f"{name}@vend.example" for name in ("admin", "two-garages", "harwood", "driver")],
    )
    assert {row["email"].split("@")[0]: (row["role"], row["garages"]) for row in found} == {
        "admin": ("super_admin", []),
        "two-garages": ("garage_admin", ["City Center", "City Center"]),
        "harwood": ("garage_admin", ["Harwood No. 10"]),
        "driver": ("user", []),
    }


def test_awkward_text_arrives_as_it_is(named: str) -> None:
    found = {row["first_name"] for row in rows(named, "select first_name from users")}
    assert set(towns.AWKWARD) <= found
    plates = {row["vehicle_plate"] for row in rows(named, "select vehicle_plate from parked")}
    assert {*towns.AWKWARD, None} <= plates
    assert value(named, "select count(*) from garages where name = %s", "\\N") == 1


def test_null_wherever_a_column_allows_it(named: str) -> None:
    optional = rows(
        named,
        """
        select table_name, column_name from information_schema.columns
        where table_schema = 'public' and is_nullable = 'YES'
        """,
    )
    assert len(optional) > 20
    for column in optional:
        table, name = column["table_name"], column["column_name"]
        assert value(named, f"select count(*) from {table} where {name} is null") > 0, f"{table}.{name}"


# What must hold of any data


def test_fees(any_source: tuple[str, datetime]) -> None:
    for row in rows(any_source[0], "select * from payments"):
        fee = (row["amount"] * Decimal("0.029") + Decimal("0.30")).quantize(Decimal("0.01"), ROUND_HALF_UP)
        if row["status"] not in ("succeeded", "refunded"):
            assert row["stripe_fee"] is None
            assert row["net_amount"] is None
            continue
        assert row["stripe_fee"] in (fee, None)
        assert row["net_amount"] in (row["amount"] - fee, None)


@pytest.mark.parametrize(
    "broken",
    [
        "select id from subscriptions where canceled_at < created_at",
        "select id from subscriptions where status = 'canceled' and canceled_at is not null "
        "and cancel_at_period_end and greatest(canceled_at, current_period_end) < created_at",
        "select id from subscriptions where current_period_start >= current_period_end",
        "select id from subscriptions where current_period_start < created_at",
        "select id from subscriptions where status = 'canceled' and next_renewal_date is not null",
        "select id from subscriptions where cancel_at_period_end and canceled_at is null",
        "select id from subscriptions where canceled_at is not null and status not in ('active', "
        "'past_due', 'canceled')",
        "select s.id from subscriptions as s join passes as p on p.id = s.pass_id where p.garage_id <> s.garage_id",
        "select p.id from payments as p join subscriptions as s on s.id = p.subscription_id "
        "where p.garage_id <> s.garage_id",
        "select id from payments where updated_at < created_at or created_at < payment_date",
        "select id from subscriptions where updated_at < created_at",
        "select id from users where updated_at < created_at",
        "select id from garages where updated_at < created_at",
        "select id from passes where updated_at < created_at",
        "select id from parked where exited_at < entered_at or created_at < entered_at",
        "select h.id from pass_price_history as h join passes as p on p.id = h.pass_id where "
        "h.effective_date < p.created_at",
        "select p.id from passes as p join lateral (select new_price from pass_price_history as h "
        "where h.pass_id = p.id order by effective_date desc limit 1) as last on true "
        "where last.new_price <> p.monthly_amount",
        "select parked.id from parked join garages on garages.id = garage_id where capacity = 0",
        "select id from garage_daily_occupancy where jsonb_array_length(hourly_occupancy) <> 24",
        "select p.id from payments as p join subscriptions as s on s.id = p.subscription_id "
        "where s.canceled_at is not null and p.payment_date > greatest(s.canceled_at, s.current_period_end)",
    ],
)
def test_no_row_where(any_source: tuple[str, datetime], broken: str) -> None:
    assert rows(any_source[0], f"{broken} limit 5") == []


def test_nothing_is_after_as_of(any_source: tuple[str, datetime]) -> None:
    dsn, as_of = any_source
    assert source.recorded(dsn)["as_of"] == as_of  # type: ignore[index]
    stamps = rows(
        dsn,
        """
        select table_name, column_name from information_schema.columns
        where table_schema = 'public' and data_type like 'timestamp%%'
            and column_name not in ('current_period_end', 'next_renewal_date')
        """,
    )
    assert len(stamps) > 20
    for column in stamps:
        table, name = column["table_name"], column["column_name"]
        assert value(dsn, f"select count(*) from {table} where {name} > %s", as_of) == 0, f"{table}.{name}"


def test_parking_never_exceeds_capacity(any_source: tuple[str, datetime]) -> None:
    dsn, _ = any_source
    capacity = {row["id"]: row["capacity"] for row in rows(dsn, "select id, capacity from garages")}
    moves = [
        (row["garage_id"], at, change)
        for row in rows(dsn, "select garage_id, entered_at, exited_at from parked")
        for at, change in ((row["entered_at"], 1), (row["exited_at"], -1))
        if at is not None
    ]
    inside: Counter[Any] = Counter()
    for garage, _at, change in sorted(moves, key=lambda move: (move[1], move[2])):
        inside[garage] += change
        assert inside[garage] <= capacity[garage]


def test_occupancy_is_what_the_parked_rows_say(any_source: tuple[str, datetime]) -> None:
    dsn, _ = any_source
    cars: dict[Any, list[tuple[datetime, datetime]]] = {}
    for row in rows(dsn, "select garage_id, entered_at, exited_at from parked"):
        cars.setdefault(row["garage_id"], []).append((row["entered_at"], row["exited_at"] or datetime.max))
    counted = rows(
        dsn,
        """
        select distinct on (garage_id, day) garage_id, day, hourly_occupancy, capacity
        from garage_daily_occupancy inner join garages on garages.id = garage_id
        order by garage_id, day, garage_daily_occupancy.created_at desc
        """,
    )
    assert len(counted) > 200
    newest = max(row["day"] for row in counted)
    for row in counted:
        if (newest - row["day"]).days % 9 > 3:
            continue
        ends = [row["day"] + timedelta(hours=hour + 1) for hour in range(24)]
        there = cars.get(row["garage_id"], [])
        inside = [sum(entered < end <= exited for entered, exited in there) for end in ends]
        assert row["hourly_occupancy"] == inside
        assert max(inside) <= row["capacity"]


def test_no_driver_is_in_one_garage_twice_at_a_time(larger: str) -> None:
    stays = rows(larger, "select * from parked where user_id is not null order by user_id, garage_id, entered_at")
    assert len(stays) > 1_000
    for one, other in pairwise(stays):
        if (one["user_id"], one["garage_id"]) == (other["user_id"], other["garage_id"]):
            assert one["exited_at"] is not None
            assert one["exited_at"] <= other["entered_at"]


def test_the_business_is_believable(larger: str) -> None:
    by_month = rows(
        larger,
        """
        select date_trunc('month', payment_date) as month, sum(amount) as revenue from payments
        where status = 'succeeded' and payment_date < '2026-05-01' group by 1 order by 1
        """,
    )
    assert by_month[-1]["revenue"] > 3 * by_month[5]["revenue"] > 0
    shares = {
        row["status"]: row["share"]
        for row in rows(
            larger, "select status, count(*)::float / sum(count(*)) over () as share from payments group by 1"
        )
    }
    assert shares["succeeded"] > 0.85
    assert 0.01 < shares["failed"] < 0.12
    assert 0.001 < shares["refunded"] < 0.03
    # Rush hour: most of a weekday's entries are in the morning.
    assert value(larger, "select avg((extract(hour from entered_at) between 6 and 10)::int) from parked") > 0.5
    assert value(larger, "select avg((user_id is null)::int) from parked") > 0.1
    # Some moved to a dearer pass, some saw their price change.
    assert (
        value(
            larger,
            "select count(*) from (select 1 from payments group by subscription_id having count(distinct "
            "amount) > 1) as _",
        )
        > 20
    )


# A day of business


@pytest.fixture
def playable(make_database: Callable[[], str]) -> str:
    return seeded(make_database, months=4, payments=1_500, seed=4)


def test_mutate_plays_every_kind_of_event(playable: str) -> None:
    before = contents(playable)
    removed = {row["id"] for row in rows(playable, "select id from garage_admins")}
    counts = source.mutate(playable)
    after = contents(playable)
    assert all(before[table] != after[table] for table in TABLES)
    assert source.recorded(playable) == {
        "as_of": AS_OF + timedelta(days=1),
        "seed": 4,
        "garages": 8,
        "months": 4,
        "payments": 1_500,
    }
    for event in (
        "price_changes",
        "garages_renamed",
        "users_renamed",
        "garages_opened",
        "admins_added",
        "admins_removed",
        "payments_settled",
        "renewals",
        "sign_ups",
        "cancellations_withdrawn",
        "canceled_at_once",
        "canceled_for_period_end",
        "refunds",
        "late_payments",
        "exits",
        "entries",
        "occupancy_days",
    ):
        assert counts[event] > 0, event
    kept = {row["id"] for row in rows(playable, "select id from garage_admins")}
    assert len(removed - kept) == counts["admins_removed"] == 1


def test_mutate_dates_its_changes_within_the_day(playable: str) -> None:
    old = {
        table: {row["id"]: row for row in rows(playable, f"select * from {table}")}
        for table in ("users", "garages", "passes", "subscriptions", "payments")
    }
    source.mutate(playable)
    for table, known in old.items():
        for row in rows(playable, f"select * from {table}"):
            if row != known.get(row["id"]):
                assert AS_OF < row["updated_at"] <= AS_OF + timedelta(days=1), (table, row)
    refund = rows(playable, "select * from payments where status = 'refunded' and updated_at > %s", AS_OF)[0]
    assert refund["payment_date"] < AS_OF - timedelta(days=60)
    late = rows(
        playable,
        "select * from payments where created_at > %s and payment_date < %s",
        AS_OF,
        AS_OF - timedelta(days=50),
    )
    assert len(late) == 1


def test_mutate_is_deterministic(make_database: Callable[[], str]) -> None:
    one, same, other = (seeded(make_database, months=2, payments=300) for _ in range(3))
    for _ in range(2):
        source.mutate(one)
        source.mutate(same)
    assert contents(one) == contents(same)
    source.mutate(other, seed=2)
    source.mutate(other, seed=2)
    assert contents(other)["subscriptions"] != contents(one)["subscriptions"]


def test_mutate_goes_through_dunning(playable: str) -> None:
    counts = source.mutate(playable, as_of=AS_OF + timedelta(days=20))
    assert counts["dunning_attempts"] > 0
    assert counts["subscriptions_ended"] > 0
    assert counts["unpaid_given_up"] > 0
    assert counts["sign_ups_expired"] > 0
    assert counts["garages_opened"] == 20


def test_mutate_refuses_the_past_and_an_empty_source(small: str, database: str) -> None:
    with pytest.raises(UsageError, match="later"):
        source.mutate(small, as_of=AS_OF)
    with pytest.raises(VendError, match="vend source init"):
        source.mutate(database)
    source.init(database)
    with pytest.raises(VendError, match="vend source seed"):
        source.mutate(database)


def test_mutate_leaves_a_business_of_its_own_alone_unless_told(playable: str) -> None:
    execute(playable, "comment on schema public is 'standard public schema'")
    last = value(playable, "select max(created_at) from payments")
    with pytest.raises(VendError, match="--as-of"):
        source.mutate(playable)
    source.mutate(playable, as_of=last + timedelta(days=1))
    assert source.recorded(playable) == {"as_of": last + timedelta(days=1)}

"""Builds at the margins: on a source without a row, again when nothing changed, and from emptiness to a business.

One warehouse goes through all of it, in the order of the fixtures, for each `dbt build` costs seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import duckdb
import psycopg
import pytest
from conftest import settings_in
from psycopg import sql

from vend import contract, dbt, source, sync
from vend.settings import Settings

AS_OF = datetime(2026, 3, 17, 14, 30)
NEXT_DAY = AS_OF + timedelta(days=1)
SUPER_ADMIN = "admin@vend.example"
LAYERS = ("staging", "marts", "reports", "security")
# What has rows whatever the source holds.
OWN_ROWS = {"marts.dim_date", "marts.federal_holidays", "marts.state_regions"}
INCREMENTAL = ("marts.fact_payment_attempts", "marts.fact_parking_events", "marts.fact_daily_occupancy")
# What asks by one number whether there is anything to do, and has no rows to look at where there is not.
ASKING = {"int_customer_changes", "int_customers", "snap_subscriptions", "snap_passes"}
ONLY_BROUGHT = "_fivetran_synced > cast("
# unit tests bring rows of their own
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
NO_TESTS = (*NO_UNIT_TESTS, "--exclude-resource-type", "test")

Content = dict[str, list[tuple[Any, ...]]]
"""All rows of relations, their columns' names first."""
Pipeline = tuple[Settings, str]


def build_both(pipeline: Pipeline, as_of: datetime, *arguments: str) -> Content:
    """Build both sides, and read all they hold."""
    settings, dsn = pipeline
    for side in ("cold", "hot"):
        outcome = dbt.build(settings, side, dsn=dsn, as_of=as_of, arguments=arguments)
        assert outcome.ok, outcome.failures
        assert outcome.count("skipped") == 0
        if arguments == NO_UNIT_TESTS:
            assert outcome.count("pass", "warn", kinds=["test"]) > 10
    return read_cold(settings) | read_hot(dsn)


def load(pipeline: Pipeline) -> sync.Run:
    settings, dsn = pipeline
    run = sync.sync(settings, dsn)
    assert run.ok, sync.as_text(run)
    assert {table.table for table in run.tables} == {table.name for table in contract.tables(settings)}
    return run


def read_cold(settings: Settings) -> Content:
    """As the super admin sees it, once there is one."""
    content = {}
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        connection.execute("set variable app_user = ?", [SUPER_ADMIN])
        relations = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_schema in (select unnest(?)) order by all",
            [LAYERS],
        ).fetchall()
        for (relation,) in relations:
            result = connection.execute(f"select * from {relation} order by all")
            columns = tuple((column[0], str(column[1])) for column in result.description or [])
            content[relation] = [columns, *result.fetchall()]
    return content


def read_hot(dsn: str) -> Content:
    content = {}
    with psycopg.connect(dsn) as connection:
        relations = connection.execute(
            "select relnamespace::regnamespace::text, relname from pg_class"
            " where relnamespace in ('hot'::regnamespace, 'reporting'::regnamespace) and relkind in ('m', 'v')"
            " and relname <> 'freshness'"  # which tells the time
            " order by 1, 2"
        ).fetchall()
        for schema, name in relations:
            result = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, name)))
            columns = tuple((column.name, column.type_display) for column in result.description or [])
            content[f"{schema}.{name}"] = [columns, *sorted(result.fetchall(), key=repr)]
    return content


def assert_same(before: Content, after: Content) -> None:
    assert before.keys() == after.keys()
    for relation, rows in before.items():
        assert rows == after[relation], relation


# -------------------------------------------------------------------------------------------- one warehouse's life


@pytest.fixture(scope="module")
def pipeline(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The operational schema without a row."""
    dsn = make_database()
    source.init(dsn)
    return settings_in(tmp_path_factory.mktemp("builds") / "home", postgres_dsn=dsn), dsn


@pytest.fixture(scope="module")
def empty(pipeline: Pipeline) -> list[tuple[sync.Run, Content]]:
    """Twice: nothing is loaded, and built. What is the same the second time need not be tested by dbt again."""
    return [(load(pipeline), build_both(pipeline, AS_OF, *arguments)) for arguments in (NO_UNIT_TESTS, NO_TESTS)]


@pytest.fixture(scope="module")
def filled(pipeline: Pipeline, empty: list[tuple[sync.Run, Content]]) -> Content:
    """A small business moves in: an incremental load, and build upon what was built of nothing."""
    _, dsn = pipeline
    source.seed(dsn, garages=8, months=4, payments=600, seed=5, as_of=AS_OF)
    load(pipeline)
    return build_both(pipeline, AS_OF, *NO_UNIT_TESTS)


@pytest.fixture(scope="module")
def again(pipeline: Pipeline, filled: Content) -> Content:
    """The same build once more."""
    return build_both(pipeline, AS_OF, *NO_TESTS)


@pytest.fixture(scope="module")
def looked_at_nothing(pipeline: Pipeline, again: Content) -> set[str]:
    """The nodes of that build whose SQL had no rows to look at."""
    results = json.loads((dbt.target_path(pipeline[0], "cold") / "run_results.json").read_text())["results"]
    # of customers at those whom the loader brought something of, and there are none
    nothing = ("where false", ONLY_BROUGHT)
    return {
        node["unique_id"].split(".")[2]
        for node in results
        if any(rows in (node["compiled_code"] or "") for rows in nothing)
    }


@pytest.fixture(scope="module")
def quiet_day(pipeline: Pipeline, again: Content, looked_at_nothing: set[str]) -> tuple[sync.Run, Content]:
    """A day later: a load in which nothing had changed, and the incremental build after it."""
    return load(pipeline), build_both(pipeline, NEXT_DAY, *NO_UNIT_TESTS)


@pytest.fixture(scope="module")
def rebuilt(pipeline: Pipeline, quiet_day: tuple[sync.Run, Content]) -> Content:
    """Everything from nothing, as of that day."""
    return build_both(pipeline, NEXT_DAY, *NO_TESTS, "--full-refresh")


@pytest.mark.parametrize("time", [0, 1])
def test_an_empty_source(empty: list[tuple[sync.Run, Content]], time: int) -> None:
    run, content = empty[time]
    assert {(table.rows_extracted, table.source_rows, table.raw_rows) for table in run.tables} == {(0, 0, 0)}
    assert {relation for relation, rows in content.items() if len(rows) > 1} == OWN_ROWS
    schemas = {relation.split(".")[0] for relation in content}
    assert schemas == {*LAYERS, "hot", "reporting"}


def test_an_empty_source_twice_is_the_same(empty: list[tuple[sync.Run, Content]]) -> None:
    (_, once), (_, twice) = empty
    assert_same(once, twice)


def test_an_empty_warehouse_can_be_filled(empty: list[tuple[sync.Run, Content]], filled: Content) -> None:
    # no amount has changed yet
    assert [relation for relation, rows in filled.items() if len(rows) == 1] == ["staging.int_subscription_amounts"]
    _, nothing = empty[1]
    columns = [{relation: rows[0] for relation, rows in content.items()} for content in (nothing, filled)]
    assert columns[0] == columns[1]


def test_a_second_build_of_the_same_changes_nothing(filled: Content, again: Content) -> None:
    assert_same(filled, again)


def test_a_second_build_of_the_same_looks_at_nothing(looked_at_nothing: set[str]) -> None:
    assert looked_at_nothing >= ASKING


def test_a_day_on_which_nothing_changed(again: Content, quiet_day: tuple[sync.Run, Content], rebuilt: Content) -> None:
    run, content = quiet_day
    changes = {(t.mode, t.rows_extracted, t.rows_inserted, t.rows_updated, t.rows_deleted) for t in run.tables}
    assert changes == {("incremental", 0, 0, 0, 0)}
    assert {name: content[name] for name in INCREMENTAL} == {name: again[name] for name in INCREMENTAL}
    assert content["hot.mv_daily_revenue"] != again["hot.mv_daily_revenue"]
    # built upon what once was built of nothing, day by day
    assert_same(rebuilt, content)


CHANGES = (
    "update users set email = 'another.' || email, updated_at = %(now)s"
    " where id = (select user_id from subscriptions order by id limit 1)",
    "update users set first_name = first_name || 'a', updated_at = %(now)s"
    " where id = (select user_id from parked where user_id is not null order by id limit 1)",
    "update garages set name = name || ' West', updated_at = %(now)s"
    " where id = (select min(id::text) from garages)::uuid",
    "update passes set name = name || ' Plus', updated_at = %(now)s"
    " where id = (select pass_id from subscriptions where pass_id is not null order by id desc limit 1)",
    # prices of long ago that are known only now
    "insert into pass_price_history (id, pass_id, old_price, new_price, effective_date, created_at)"
    " select gen_random_uuid(), id, monthly_amount + 2, monthly_amount + 1, %(now)s - interval '40 days', %(now)s"
    " from passes order by id limit 2",
    # a subscription of another pass, a payment of another subscription
    "update subscriptions as one set pass_id = other.pass_id, updated_at = %(now)s from subscriptions as other"
    " where one.id = (select min(id::text) from subscriptions)::uuid and other.garage_id = one.garage_id"
    " and other.id = (select max(id::text) from subscriptions where garage_id = one.garage_id)::uuid",
    "update payments set subscription_id = (select max(id::text) from subscriptions)::uuid, updated_at = %(now)s"
    " where id = (select min(id::text) from payments where subscription_id is not null)::uuid",
    "delete from payments where id = (select max(id::text) from payments)::uuid",
)


def test_what_is_called_otherwise_is_found_in_the_rows_that_carry_it(pipeline: Pipeline, rebuilt: Content) -> None:
    """An incremental build after names, prices and references changed; most rows with them are not loaded again."""
    settings, dsn = pipeline
    with psycopg.connect(dsn) as connection:
        for change in CHANGES:
            assert connection.execute(change, {"now": NEXT_DAY}).rowcount > 0, change
    load(pipeline)
    for arguments in ((), ("--full-refresh",)):
        outcome = dbt.build(settings, "cold", as_of=NEXT_DAY, arguments=[*NO_TESTS, *arguments])
        assert outcome.ok, outcome.failures
        if not arguments:
            built = read_cold(settings)
    assert_same(read_cold(settings), built)
    for relation, column in [
        ("marts.fact_payment_attempts", "user_email"),
        ("marts.fact_payment_attempts", "list_price"),
        ("marts.fact_payment_attempts", "pass_name"),
        ("marts.fact_payment_attempts", "garage_name"),
        ("marts.fact_parking_events", "first_name"),
        ("marts.fact_subscriptions", "pass_name"),
    ]:
        position = [name for name, _ in built[relation][0]].index(column)
        assert sorted(str(row[position]) for row in built[relation][1:]) != sorted(
            str(row[position]) for row in rebuilt[relation][1:]
        ), (relation, column)


# an amount, another payment, a name; and what no payment that is there tells of
BROUGHT = (
    "update payments set amount = amount + 1, net_amount = net_amount + 1, updated_at = %(now)s"
    " where id in (select id from payments order by id limit 5)",
    "insert into payments (id, garage_id, subscription_id, amount, net_amount, currency, status, payment_date,"
    " created_at, updated_at) select gen_random_uuid(), garage_id, id, 12, 11, 'usd', 'succeeded',"
    " %(now)s - interval '1 hour', %(now)s, %(now)s from subscriptions where user_id is not null order by id limit 3",
    "update users set last_name = 'Changed', updated_at = %(now)s where id = (select max(id::text) from users)::uuid",
)
TAKEN = (
    "delete from payments where id = (select min(id::text) from payments where subscription_id is not null)::uuid",
)


@pytest.mark.parametrize(("changes", "only_brought"), [(BROUGHT, True), ((*BROUGHT[:1], *TAKEN), False)])
def test_customers_of_whom_something_came_and_all_where_something_went(
    pipeline: Pipeline, rebuilt: Content, changes: tuple[str, ...], only_brought: bool
) -> None:
    settings, dsn = pipeline
    now = NEXT_DAY + timedelta(hours=1)
    with psycopg.connect(dsn) as connection:
        for change in changes:
            assert connection.execute(change, {"now": now}).rowcount > 0, change
    load(pipeline)
    contents = []
    for arguments in ((), ("--full-refresh",)):
        outcome = dbt.build(settings, "cold", as_of=now, arguments=[*NO_TESTS, *arguments])
        assert outcome.ok, outcome.failures
        results = json.loads((dbt.target_path(settings, "cold") / "run_results.json").read_text())["results"]
        code = next(node["compiled_code"] for node in results if node["unique_id"].endswith(".int_customers"))
        assert (ONLY_BROUGHT in code) == (only_brought and not arguments)
        contents.append(read_cold(settings))
    assert_same(*contents)
    assert contents[0]["staging.int_customers"] != rebuilt["staging.int_customers"]


OTHERWISE = ("--vars", '{reporting_timezone: Asia/Tokyo, platform_fee_rate: "0.2"}')
PART = "fact_payment_attempts fact_parking_events dim_users int_subscription_changes int_customers"


def test_a_part_that_was_built_otherwise_is_built_again_with_all(pipeline: Pipeline, rebuilt: Content) -> None:
    """In another zone and at another rate, first without the views that these tables read."""
    settings, _ = pipeline
    contents = []
    for arguments in (["--select", *PART.split()], [], ["--full-refresh"]):
        outcome = dbt.build(settings, "cold", as_of=NEXT_DAY, arguments=[*NO_TESTS, *OTHERWISE, *arguments])
        assert outcome.ok, outcome.failures
        contents.append(read_cold(settings))
    part, built, anew = contents
    assert_same(anew, built)
    facts = part["marts.fact_payment_attempts"]
    made_by = [name for name, _ in facts[0]].index("made_by")
    assert all("without its views" in row[made_by] for row in facts[1:])

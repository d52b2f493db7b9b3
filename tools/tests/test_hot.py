"""The hot side's machinery: rebuilds, refreshes, and readers who must not notice either."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from conftest import PROJECT, settings_in
from psycopg import errors

from vend import dbt, refresh, source
from vend.errors import VendError
from vend.settings import Settings

MODEL = Path("models/hot/materialized/mv_current_occupancy.sql")
SECURE_MODEL = Path("models/hot/secure/secure_mv_current_occupancy.sql")


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory, make_database: Callable[[], str]) -> Iterator[tuple[Settings, str]]:
    """A copy of the project to change, built once on a small business."""
    folder = tmp_path_factory.mktemp("hot")
    project = folder / "project"
    kept = shutil.ignore_patterns(".git", ".venv", ".vend", "target", "logs", "*cache*", "tools")
    shutil.copytree(PROJECT, project, ignore=kept, symlinks=True)
    shutil.copytree(PROJECT / "tools/dbt_packages", project / "tools/dbt_packages")
    settings = settings_in(folder / "home", project=project)
    dsn = make_database()
    source.init(dsn)
    source.seed(dsn, garages=10, months=3, payments=300, seed=5)
    assert dbt.build(settings, "hot", dsn=dsn).ok
    return settings, dsn


def build(hot: tuple[Settings, str], *arguments: str) -> dbt.Outcome:
    settings, dsn = hot
    return dbt.build(settings, "hot", dsn=dsn, arguments=["--resource-type", "model", "--select", *arguments])


def oid(connection: psycopg.Connection[tuple[int]], relation: str) -> int:
    row = connection.execute(f"select '{relation}'::regclass::oid::bigint").fetchone()
    assert row is not None
    return row[0]


def test_unchanged_views_are_refreshed_and_not_rebuilt(hot: tuple[Settings, str]) -> None:
    with psycopg.connect(hot[1]) as connection:
        before = oid(connection, "hot.mv_current_occupancy")
    assert build(hot, "mv_current_occupancy").ok
    with psycopg.connect(hot[1]) as connection:
        assert oid(connection, "hot.mv_current_occupancy") == before


def test_a_changed_select_is_rebuilt_and_keeps_grants_and_views(hot: tuple[Settings, str]) -> None:
    settings, dsn = hot
    with psycopg.connect(dsn) as connection:
        before = oid(connection, "hot.mv_current_occupancy")
        connection.execute("create role hot_reader")
        connection.execute("grant select on hot.mv_current_occupancy, reporting.mv_current_occupancy to hot_reader")
        connection.execute("create view public.on_top as select garage_id from hot.mv_current_occupancy")
    model = settings.project / MODEL
    text = model.read_text()
    try:
        model.write_text(text.replace("garages.capacity,", "garages.capacity,\n    garages.address,", 1))
        assert build(hot, "mv_current_occupancy").ok
        with psycopg.connect(dsn) as connection:
            assert oid(connection, "hot.mv_current_occupancy") != before
            for relation in ("hot.mv_current_occupancy", "reporting.mv_current_occupancy"):
                granted = f"select has_table_privilege('hot_reader', '{relation}', 'select')"
                assert connection.execute(granted).fetchone() == (True,), relation
            assert connection.execute("select count(*) > 0 from public.on_top").fetchone() == (True,)
            indexes = connection.execute(
                "select indexname from pg_indexes where tablename = 'mv_current_occupancy' and schemaname = 'hot'"
            ).fetchall()
            assert indexes == [("idx_mv_current_occ_garage",)]
        # the secure view has other columns now; its grants outlast that as well
        assert build(hot, "secure_mv_current_occupancy").ok
        with psycopg.connect(dsn) as connection:
            connection.execute("select address from reporting.mv_current_occupancy")
            granted = "select has_table_privilege('hot_reader', 'reporting.mv_current_occupancy', 'select')"
            assert connection.execute(granted).fetchone() == (True,)
    finally:
        model.write_text(text)
        assert build(hot, "mv_current_occupancy+").ok
        with psycopg.connect(dsn) as connection:
            connection.execute("drop view public.on_top")
            connection.execute("drop owned by hot_reader")
            connection.execute("drop role hot_reader")


def test_a_reader_blocks_no_refresh_and_is_not_blocked(hot: tuple[Settings, str]) -> None:
    with psycopg.connect(hot[1]) as reader:
        reader.execute("set lock_timeout to '2s'")
        reader.execute("select * from reporting.mv_daily_revenue")  # its transaction, and lock, stay open
        with psycopg.connect(hot[1], autocommit=True) as refresher:
            refresher.execute("set lock_timeout to '2s'")
            refresher.execute("call hot.refresh()")
            logged = refresher.execute(
                "select status, error from hot.refresh_log where relation = 'mv_daily_revenue'"
                " order by started_at desc limit 1"
            ).fetchone()
        assert logged == ("success", None)
        reader.execute("select * from reporting.mv_daily_revenue")


def test_an_unchanged_build_waits_for_no_reader_and_no_refresh(
    hot: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(hot, "mv_current_occupancy+").ok
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=3s")
    with psycopg.connect(hot[1]) as reader, psycopg.connect(hot[1]) as refresher:
        reader.execute("select * from reporting.mv_current_occupancy")
        reader.execute("select * from hot.freshness")
        refresher.execute("select hot.refresh_one('mv_daily_revenue')")  # not committed yet
        assert build(hot, "mv_current_occupancy+").ok


def test_a_rebuild_never_drops_what_others_made(hot: tuple[Settings, str]) -> None:
    with psycopg.connect(hot[1]) as connection:
        connection.execute("create schema analyst")
        connection.execute("create view analyst.v as select * from reporting.mv_current_occupancy")
        connection.execute('create role "100%"')
        connection.execute('grant select on reporting.mv_active_subscriptions to "100%"')
    try:
        outcome = build(hot, "mv_current_occupancy", "--full-refresh")
        assert not outcome.ok
        assert "analyst.v" in outcome.failures[0] or "depend" in outcome.failures[0]
        assert build(hot, "mv_active_subscriptions", "--full-refresh").ok
        with psycopg.connect(hot[1]) as connection:
            connection.execute("select * from analyst.v")
            granted = "select has_table_privilege('100%', 'reporting.mv_active_subscriptions', 'select')"
            assert connection.execute(granted).fetchone() == (True,)
    finally:
        with psycopg.connect(hot[1]) as connection:
            connection.execute("drop schema analyst cascade")
            connection.execute('drop owned by "100%"')
            connection.execute('drop role "100%"')
    assert build(hot, "mv_current_occupancy+", "--full-refresh").ok


def test_a_rebuild_keeps_grants_on_columns_comments_and_owners(hot: tuple[Settings, str]) -> None:
    with psycopg.connect(hot[1]) as connection:
        connection.execute('create role "by % column"')
        connection.execute("create role view_owner")
        connection.execute("grant create, usage on schema reporting to view_owner")
        connection.execute("grant usage on schema hot to view_owner")
        connection.execute("grant select on hot.mv_current_occupancy to view_owner")
        connection.execute(
            "create view reporting.spots as select garage_id, available_spots from hot.mv_current_occupancy"
        )
        connection.execute("alter view reporting.spots owner to view_owner")
        connection.execute('grant select (garage_id) on reporting.spots to "by % column"')
        connection.execute('grant select (garage_name) on hot.mv_current_occupancy to "by % column"')
        connection.execute("comment on view reporting.spots is '100% free, is''t it'")
        connection.execute("comment on column reporting.spots.available_spots is 'may be %s negative'")
    try:
        assert build(hot, "mv_current_occupancy+", "--full-refresh").ok
        with psycopg.connect(hot[1]) as connection:
            for relation, column, expected in (
                ("reporting.spots", "garage_id", True),
                ("reporting.spots", "available_spots", False),
                ("hot.mv_current_occupancy", "garage_name", True),
                ("hot.mv_current_occupancy", "capacity", False),
            ):
                asked = ["by % column", relation, column]
                answer = connection.execute("select has_column_privilege(%s, %s, %s, 'select')", asked).fetchone()
                assert answer == (expected,), (relation, column)
            row = connection.execute(
                "select obj_description(oid), col_description(oid, 2), relowner::regrole::text from pg_class"
                " where oid = 'reporting.spots'::regclass"
            ).fetchone()
            assert row == ("100% free, is't it", "may be %s negative", "view_owner")
    finally:
        with psycopg.connect(hot[1]) as connection:
            connection.execute("drop view reporting.spots")
            connection.execute('drop owned by view_owner, "by % column"')
            connection.execute('drop role view_owner, "by % column"')


def test_configured_grants_are_given_and_taken(hot: tuple[Settings, str]) -> None:
    model = hot[0].project / MODEL
    text = model.read_text()
    held = "select has_table_privilege(role, 'hot.mv_current_occupancy', 'select') from unnest(%s::text[]) as role"
    with psycopg.connect(hot[1]) as connection:
        connection.execute("create role grant_a")
        connection.execute("create role grant_b")
    try:
        before = occupancy_oid(hot[1])
        for wanted, expected in ((["grant_a"], [True, False]), (["grant_b"], [False, True])):
            model.write_text(text.replace("config(meta", f"config(grants={{'select': {wanted}}}, meta", 1))
            assert build(hot, "mv_current_occupancy").ok
            with psycopg.connect(hot[1]) as connection:
                rows = connection.execute(held, [["grant_a", "grant_b"]]).fetchall()
            assert [row[0] for row in rows] == expected
        assert occupancy_oid(hot[1]) == before  # a grant is no reason to build anew
    finally:
        model.write_text(text)
        with psycopg.connect(hot[1]) as connection:
            connection.execute("drop owned by grant_a, grant_b")
            connection.execute("drop role grant_a, grant_b")


def test_a_secure_view_is_put_right_and_its_grants_with_it(hot: tuple[Settings, str]) -> None:
    """Replaced by hand without its filter; granted to others than the model says."""
    model = hot[0].project / SECURE_MODEL
    text = model.read_text()
    view = "reporting.mv_current_occupancy"
    with psycopg.connect(hot[1], autocommit=True) as connection:
        shown = f"select pg_get_viewdef('{view}'::regclass)"
        before = connection.execute(shown).fetchone()
        connection.execute(f"create or replace view {view} as select * from hot.mv_current_occupancy")
        assert connection.execute(shown).fetchone() != before
        for role in ("grant_a", "grant_b", "vend_bi"):
            with suppress(errors.DuplicateObject):
                connection.execute(f"create role {role}")
        connection.execute(f"grant select on {view} to grant_b, vend_bi")
        try:
            model.write_text(text.replace("config(alias", "config(grants={'select': ['grant_a']}, alias", 1))
            assert build(hot, "secure_mv_current_occupancy").ok
            assert connection.execute(shown).fetchone() == before
            held = f"select has_table_privilege(role, '{view}', 'select') from unnest(%s::text[]) as role"
            rows = connection.execute(held, [["grant_a", "grant_b", "vend_bi"]]).fetchall()
            assert [row[0] for row in rows] == [True, False, True]
        finally:
            model.write_text(text)
            connection.execute("drop owned by grant_a, grant_b")
            connection.execute("drop role grant_a, grant_b")


def occupancy_oid(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        return oid(connection, "hot.mv_current_occupancy")


def test_readers_never_miss_a_view_nor_a_privilege_while_it_is_rebuilt(hot: tuple[Settings, str]) -> None:
    """Four readers without a pause, while everything is built anew, twice."""
    with psycopg.connect(hot[1]) as connection:
        connection.execute("create role steady")
        connection.execute("grant usage on schema reporting to steady")
        connection.execute("grant select on all tables in schema reporting to steady")
        connection.execute("grant execute on all functions in schema authz to steady")
    done = threading.Event()

    def read(view: str) -> int:
        count = 0
        with psycopg.connect(hot[1], autocommit=True) as reader:
            reader.execute("set role steady")
            while not done.is_set():
                assert reader.execute(f"select count(*) from reporting.{view}".encode()).fetchone() is not None
                count += 1
        return count

    views = ("mv_daily_revenue", "mv_daily_revenue", "mv_current_occupancy", "mv_current_month_metrics")
    try:
        with ThreadPoolExecutor(len(views)) as pool:
            readers = [pool.submit(read, view) for view in views]
            try:
                for _ in range(2):
                    outcome = build(hot, "mv_daily_revenue+", "mv_current_occupancy+", "--full-refresh")
                    assert outcome.ok, outcome.failures
            finally:
                done.set()
            assert all(reader.result() > 0 for reader in readers)
    finally:
        with psycopg.connect(hot[1]) as connection:
            connection.execute("drop owned by steady")
            connection.execute("drop role steady")


def test_a_long_reader_makes_the_rebuild_wait_and_nobody_else(hot: tuple[Settings, str]) -> None:
    before = occupancy_oid(hot[1])
    resting = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(hot[1]) as long,
        psycopg.connect(hot[1], autocommit=True) as other,
    ):
        long.execute("select * from reporting.mv_current_occupancy")
        building = pool.submit(build, hot, "mv_current_occupancy", "--full-refresh")
        other.execute("set lock_timeout to '5s'")
        rests = 0
        while rests < 3:  # it has tried, let go and rests
            assert not building.done()
            rests += other.execute(resting).fetchone() == (1,)
            other.execute("select * from reporting.mv_current_occupancy")
        long.rollback()
        assert building.result().ok
    assert occupancy_oid(hot[1]) != before


def test_refresh_brings_new_payments(hot: tuple[Settings, str]) -> None:
    today = "select sum(payment_count), sum(gross_revenue) from reporting.mv_daily_revenue"
    with psycopg.connect(hot[1]) as connection:
        count, revenue = connection.execute(today).fetchone() or (0, 0)
        connection.execute(
            "insert into payments (id, stripe_payment_intent_id, garage_id, amount, status, currency, payment_date)"
            " select gen_random_uuid(), 'pi_new', id, 12.34, 'succeeded', 'usd',"
            " (now() at time zone 'UTC') - interval '1 hour'"
            " from garages order by id limit 1"
        )
    results = refresh.refresh(hot[1])
    assert [r.status for r in results] == ["success"] * 5
    with psycopg.connect(hot[1]) as connection:
        new_count, new_revenue = connection.execute(today).fetchone() or (0, 0)
    assert (new_count - count, str(new_revenue - revenue)) == (1, "12.34")


def test_an_error_in_one_view_is_logged_and_stops_no_other(hot: tuple[Settings, str]) -> None:
    with psycopg.connect(hot[1]) as connection:
        connection.execute("create table public.zero (n int not null)")
        connection.execute("create materialized view hot.a_broken as select 1 / n as one from public.zero")
        connection.execute("create unique index on hot.a_broken (one)")
        connection.execute("insert into public.zero values (0)")
    try:
        results = {r.relation: r for r in refresh.refresh(hot[1])}
        assert results["a_broken"].status == "error"
        assert "division by zero" in (results["a_broken"].error or "")
        assert results["mv_failed_payments"].status == "success"
        assert len(results) == 6
    finally:
        with psycopg.connect(hot[1]) as connection:
            connection.execute("drop table public.zero cascade")


def test_one_refresh_at_a_time(hot: tuple[Settings, str]) -> None:
    with psycopg.connect(hot[1]) as other:
        other.execute("select pg_advisory_lock(hashtextextended('vend: hot.refresh', 0))")
        with pytest.raises(VendError, match="Another refresh"):
            refresh.refresh(hot[1])
    assert all(r.status == "success" for r in refresh.refresh(hot[1]))


def test_as_of_fixes_the_clock_until_a_build_without(hot: tuple[Settings, str]) -> None:
    settings, dsn = hot
    fixed = dbt.build(
        replace(
            settings, home=settings.home / "fixed"
        ),  # dbt parses anew for another as_of, and keeps the parse of none
        "hot",
        dsn=dsn,
        arguments=["--vars", "{as_of: 2026-01-31}", "--resource-type", "model", "--select", "mv_current_month_metrics"],
    )
    assert fixed.ok
    clock = "select hot.as_of()::text, (select min(month)::text from reporting.mv_current_month_metrics)"
    with psycopg.connect(dsn) as connection:
        assert connection.execute(clock).fetchone() == ("2026-01-31 00:00:00", "2026-01-01")
    assert build(hot, "mv_current_month_metrics").ok
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select hot.as_of() = now() at time zone 'UTC'").fetchone() == (True,)


def test_a_view_without_unique_index_is_refused(hot: tuple[Settings, str]) -> None:
    model = hot[0].project / MODEL
    text = model.read_text()
    try:
        model.write_text(text.replace(", 'unique': true", ""))
        outcome = build(hot, "mv_current_occupancy")
        assert not outcome.ok
        assert "unique index" in outcome.failures[0]
    finally:
        model.write_text(text)


def test_no_view_is_searched_for_equal_rows_and_no_reader_sees_why(hot: tuple[Settings, str]) -> None:
    """Postgres looks among the rows without a null; the column that leaves none of them is not in reporting."""
    with psycopg.connect(hot[1]) as connection:
        views = connection.execute("select matviewname from pg_matviews where schemaname = 'hot'").fetchall()
        assert len(views) == 5
        for (view,) in views:
            found = connection.execute(f"select count(*) from hot.{view} as v where v is not null".encode()).fetchone()
            assert found == (0,), view
        named = "select relnamespace::regnamespace::text from pg_attribute join pg_class on attrelid = pg_class.oid"
        shown = connection.execute(
            f"{named} where attname = 'always_null' and relkind in ('m', 'v')".encode()
        ).fetchall()
    assert shown == [("hot",)] * 5


def test_nobody_is_granted_anything(hot: tuple[Settings, str]) -> None:
    with psycopg.connect(hot[1]) as connection:
        connection.execute("create role stranger")
        for schema in ("hot", "reporting"):
            answer = connection.execute(f"select has_schema_privilege('stranger', '{schema}', 'usage')").fetchone()
            assert answer == (False,)
        connection.execute("set role stranger")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("select * from reporting.mv_daily_revenue")
        connection.rollback()

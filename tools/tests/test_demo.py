"""The rehearsal as a newcomer meets it, on a small business: built, found standing, built again after a change."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import psycopg
import pytest
from conftest import settings_in

from vend import demo, figures, reader, source
from vend.settings import Settings

VIEWS = ("garage_monthly_pl", "cohort_retention", "occupancy_analytics", "pass_performance")
VIEWS += ("mrr_movements", "financial_analytics", "garage_rankings")
VIEWS += ("occupancy_hours",)
VIEWS += ("subscription_health", "failed_payments", "cohort_revenue")
SMALL = {"garages": 12, "months": 4, "payments": 800}


def test_demo_twice_and_after_a_day_of_business(
    tmp_path: Path,
    make_database: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dsn = make_database()
    monkeypatch.setenv("VEND_REHEARSAL", "1")  # which `vend build hot` sets on the embedded server
    settings = settings_in(tmp_path / "a home", postgres_dsn=dsn)

    assert demo.run(settings, **SMALL)
    page, log = capsys.readouterr()
    assert "0 failed" in page
    assert "unchanged" not in log
    assert all(len(line) <= 100 for line in page.splitlines() if str(settings.home) not in line)
    assert page.count("\n") <= 40
    assert "$" in page
    assert "reports" in page
    (admin,) = re.findall(r"vend dashboard --as (\S+)", page)
    with reader.hot(dsn, admin) as hot, reader.cold(settings, admin) as cold:
        assert demo.best_garage(settings) in {garage.id for garage in hot.garages}
        assert {garage.id for garage in hot.garages} == {garage.id for garage in cold.garages}
        assert not hot.sees_all
    assert_views_show_own_garages(settings, dsn)
    report = figures.query(settings, "select * from reports.rpt_garage_monthly_pl order by all")
    runs = figures.query(settings, "select distinct run_id from ops.sync_runs")

    assert demo.run(settings, **SMALL)
    again, log = capsys.readouterr()
    assert log.count("built before and unchanged") == 2
    assert again.splitlines()[2:] == page.splitlines()[2:]
    assert figures.query(settings, "select * from reports.rpt_garage_monthly_pl order by all") == report
    assert len(figures.query(settings, "select distinct run_id from ops.sync_runs")) == len(runs) + 1
    assert figures.query(settings, "select count(distinct _fivetran_synced) from raw.payments") == [(1,)]

    source.mutate(dsn)
    assert demo.run(settings, **SMALL)
    later, log = capsys.readouterr()
    assert "unchanged" not in log
    assert later.splitlines()[1] != page.splitlines()[1]
    assert figures.query(settings, "select count(distinct _fivetran_synced) from raw.payments") == [(2,)]


def assert_views_show_own_garages(settings: Settings, dsn: str) -> None:
    """Each vw_* shows a user the rows of the garages they administer and no other; nobody named sees nothing."""
    with psycopg.connect(dsn) as connection:
        users = connection.execute("select id::text, email, role::text from users").fetchall()
        admins = connection.execute("select user_id::text, garage_id::text from garage_admins").fetchall()
    readers = [user for user in users if user[2] != "user" or user[1] == "driver@vend.example"]
    assert {role for _, _, role in readers} == {"super_admin", "garage_admin", "user"}
    with duckdb.connect(settings.duckdb_path, read_only=True) as connection:
        for view in VIEWS:
            count = f"select garage_id, count(*) from reports.%s_{view} group by garage_id"
            whole = dict(connection.execute(count % "rpt").fetchall())
            connection.execute("set variable app_user = null")
            assert connection.execute(count % "vw").fetchall() == []
            for user_id, email, role in readers:
                own = {garage for user, garage in admins if user == user_id}
                expected = {g: n for g, n in whole.items() if role == "super_admin" or g in own}
                for name in {user_id, (email or user_id).strip().lower()}:
                    connection.execute("set variable app_user = ?", [name])
                    assert dict(connection.execute(count % "vw").fetchall()) == expected, (view, role)
            for stranger in ("", "%", "' or true --", "nobody@vend.example"):
                connection.execute("set variable app_user = ?", [stranger])
                assert connection.execute(count % "vw").fetchall() == []


def test_a_business_of_its_own_is_not_added_to(tmp_path: Path, make_database: Callable[[], str]) -> None:
    dsn = make_database()
    source.init(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("insert into garages (id, name, capacity) values (gen_random_uuid(), 'Real', 10)")
    assert demo._seeded(dsn, 12, 4, 800) is None
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from garages").fetchone() == (1,)

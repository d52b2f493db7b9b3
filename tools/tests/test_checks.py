"""The built-in checks: each query on tables of the shape it reads, against the same computed in Python; those for
Snowflake by its grammar and the project's rules as well. The hot ones run on a real hot side in test_run.py."""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from conftest import PROJECT

from snowflake_rules import parsers, rules
from snowflake_rules.lineage import Catalog, Known, Statement, declared
from vend import alerts, check, check_report, contract, ops, run_lock, warehouse
from vend.settings import Settings
from vend.warehouse import Entry

NOW = datetime(2026, 11, 24, 1, 30)
ALERTS = {alert.builtin: alert for alert in alerts.load(PROJECT / "alerts.yml")}
# As Snowflake's reference has the views, those columns that we read; and ours.
SHAPES = {
    "snowflake.account_usage.warehouse_metering_history": {
        "start_time": "timestamp",
        "end_time": "timestamp",
        "warehouse_id": "bigint",
        "warehouse_name": "varchar",
        "credits_used": "decimal(38,9)",
        "credits_used_compute": "decimal(38,9)",
        "credits_used_cloud_services": "decimal(38,9)",
    },
    "snowflake.account_usage.query_history": {
        "query_id": "varchar",
        "query_type": "varchar",
        "warehouse_name": "varchar",
        "query_tag": "varchar",
        "execution_status": "varchar",
        "start_time": "timestamp",
        "total_elapsed_time": "bigint",
    },
    "vend.ops.dbt_runs": {"invocation_id": "varchar", "started_at": "timestamp", "as_of": "varchar"},
    "vend.ops.dbt_nodes": {
        "invocation_id": "varchar",
        "unique_id": "varchar",
        "resource_type": "varchar",
        "name": "varchar",
        "status": "varchar",
        "started_at": "timestamp",
    },
    "vend.marts.fact_payments": {"currency": "varchar", "payment_date_day": "date", "gross_amount": "decimal(10,2)"},
    "vend.marts.fact_payment_attempts": {"status": "varchar", "payment_date_day": "date"},
}
for table in ("runs", "alerts"):
    columns = re.findall(r"^    (\w+) (\w+),?$", ops.statement(f"create_{table}"), re.MULTILINE)
    SHAPES[f"vend.ops.{table}"] = {name: kind.replace("datetime", "timestamp") for name, kind in columns}
columns = re.findall(r"^    (\w+) (\w+)", (Path(warehouse.__file__).parent / "sync_runs.sql").read_text(), re.MULTILINE)
SHAPES["vend.ops.sync_runs"] = dict(columns)


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the tables, and one named snowflake beside it."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as snowflake; attach ':memory:' as vend; use vend")
        for relation, columns in SHAPES.items():
            connection.execute(f"create schema if not exists {relation.rpartition('.')[0]}")
            connection.execute(f"create table {relation} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
        yield connection


def insert(db: duckdb.DuckDBPyConnection, relation: str, rows: list[dict[str, Any]]) -> None:
    full = relation if relation in SHAPES else f"vend.{relation}"
    for row in rows:
        assert row.keys() <= SHAPES[full].keys()
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        db.execute(f"insert into {full} ({names}) values ({marks})", list(row.values()))


def answers(db: duckdb.DuckDBPyConnection, builtin: str, now: datetime = NOW) -> dict[str, float | None]:
    alert = ALERTS[builtin]
    assert alert.sql is not None
    values = {name: now + value if isinstance(value, timedelta) else value for name, value in alert.values.items()}
    found = db.execute(*ops.bound(alert.sql, values | {"now": now})).fetchall()
    assert all(len(row) == 3 and isinstance(row[2], str) for row in found)
    assert [row[0] for row in found] == sorted(row[0] for row in found)
    return {row[0]: None if row[1] is None else float(row[1]) for row in found}


def test_credits(db: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(7)
    used: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    rows = []
    # To the hour at hand: 22:00 the day before last counts as the last whole day, for the view is three hours late.
    for name, usual in (("ETL_WH", 2.0), ("DBT_WH", 0.01), ("BI_WH", 1.0)):
        for hours in range(24 * 12):
            at = datetime(2026, 11, 24, 1) - timedelta(hours=hours)
            spike = 30 if name == "BI_WH" and at.date() == date(2026, 11, 22) else 1
            credits = Decimal(f"{chance.random() * usual * spike:.9f}")
            used[name, at.date()] += credits
            rows.append(
                {"start_time": at, "warehouse_name": name, "credits_used": credits + 5, "credits_used_compute": credits}
            )
    insert(db, "snowflake.account_usage.warehouse_metering_history", rows)
    expected = {}
    for name in ("ETL_WH", "DBT_WH", "BI_WH"):
        mean = sum(used[name, date(2026, 11, 22) - timedelta(days=n)] for n in range(1, 8)) / 7
        expected[name] = float(used[name, date(2026, 11, 22)] / max(mean, Decimal(1)))
    found = answers(db, "credits")
    assert found == {name: pytest.approx(value, abs=0.006) for name, value in expected.items()}
    assert [name for name, value in found.items() if value and value > 2] == ["BI_WH"]
    # Three hours after midnight UTC the day that ended is whole.
    later = answers(db, "credits", datetime(2026, 11, 24, 3))
    assert later["BI_WH"] is not None
    assert later["BI_WH"] < 1


def test_slow_reports(db: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(8)
    rows = []
    for tag, count, slow in (("metabase", 40, 6_000), ("", 30, 40_000), ("rare", 9, 60_000), ("vend_sync", 30, 60_000)):
        for _ in range(count):
            elapsed = int(chance.expovariate(1 / slow))
            at = NOW - timedelta(hours=chance.random() * 23)
            rows.append({"query_tag": tag, "total_elapsed_time": elapsed, "start_time": at})
    rows += [{"query_tag": "vend_analytics:rpt_x", "total_elapsed_time": 90_000, "start_time": NOW}] * 20
    rows += [{"query_tag": "metabase", "total_elapsed_time": 900_000, "start_time": NOW - timedelta(hours=25)}]
    whole = [{"query_type": "SELECT", "execution_status": "SUCCESS", "warehouse_name": "BI_WH"} | row for row in rows]
    odd = [whole[0] | change for change in ({"query_type": "MERGE"}, {"execution_status": "FAIL"})]
    odd += [whole[0] | {"warehouse_name": None}]
    insert(db, "snowflake.account_usage.query_history", [row | {"total_elapsed_time": 10**7} for row in odd] + whole)
    expected = {}
    for tag, name in (("metabase", "metabase"), ("", "untagged, on BI_WH")):
        times = sorted(
            row["total_elapsed_time"] / 1000
            for row in whole
            if row["query_tag"] == tag and row["start_time"] >= NOW - timedelta(hours=24)
        )
        place = 0.95 * (len(times) - 1)
        low = int(place)
        expected[f"{name}, mean"] = statistics.fmean(times)
        expected[f"{name}, 95th percentile"] = times[low] + (place - low) * (times[low + 1] - times[low])
    assert answers(db, "slow_reports") == {name: pytest.approx(value, abs=0.051) for name, value in expected.items()}


BUILT = {"name": "fact_payment_attempts", "status": "success"}


@pytest.mark.parametrize(("as_of", "whole"), [("2026-11-23 11:59:59.9", 21), ("2026-11-23 12:00:00.000000", 22)])
def test_revenue_anomaly(db: duckdb.DuckDBPyConnection, as_of: str, whole: int) -> None:
    """The last day that is whole everywhere ended twelve hours before the build."""
    chance = random.Random(9)
    revenue: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    rows = []
    for currency, days, pay in (("usd", 200, 100), ("cad", 90, 40), ("eur", 30, 40)):
        for back in range(days):
            day = date(2026, 11, 23) - timedelta(days=back)
            for _ in range(0 if currency == "cad" and day.weekday() == 6 and back % 2 else chance.randrange(5, 12)):
                amount = Decimal(chance.randrange(100 * pay)) / 100
                revenue[currency, day] += amount
                rows.append({"currency": currency, "payment_date_day": day, "gross_amount": amount})
    insert(db, "ops.dbt_runs", [{"invocation_id": "a", "started_at": NOW, "as_of": as_of}])
    # A build of something else as of later says nothing of payments.
    insert(db, "ops.dbt_runs", [{"invocation_id": "b", "started_at": NOW, "as_of": "2026-12-24 00:00:00"}])
    insert(db, "ops.dbt_nodes", [{"invocation_id": "a"} | BUILT, {"invocation_id": "b"} | BUILT | {"name": "other"}])
    insert(db, "marts.fact_payments", rows)
    last = date(2026, 11, whole)
    expected = {}
    for currency in ("usd", "cad"):
        before = [float(revenue[currency, last - timedelta(weeks=n)]) for n in range(1, 9)]
        median = statistics.median(before)
        deviation = max(1.4826 * statistics.median(abs(x - median) for x in before), 0.1 * median)
        expected[currency] = abs(float(revenue[currency, last]) - median) / deviation
    assert answers(db, "revenue_anomaly") == {name: pytest.approx(value, abs=0.051) for name, value in expected.items()}
    db.execute("delete from vend.marts.fact_payments where payment_date_day = ? and currency = 'usd'", [last])
    assert answers(db, "revenue_anomaly")["usd"] == pytest.approx(10)


def test_payment_success(db: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(10)
    insert(db, "ops.dbt_runs", [{"invocation_id": "a", "started_at": NOW, "as_of": "2026-11-23 15:00:00"}])
    insert(db, "ops.dbt_nodes", [{"invocation_id": "a"} | BUILT])
    rows = []
    for back in range(-1, 40):
        day = date(2026, 11, 22) - timedelta(days=back)
        weights = (70, 5, 25, 5, 5) if back == 0 else (90, 4, 6, 5, 5)
        states = chance.choices(("succeeded", "refunded", "failed", "pending", "canceled"), weights, k=60)
        rows += [{"payment_date_day": day, "status": status} for status in states]
    insert(db, "marts.fact_payment_attempts", rows)

    def share(days: range) -> float:
        wanted = {date(2026, 11, 22) - timedelta(days=n) for n in days}
        tried = [row["status"] for row in rows if row["payment_date_day"] in wanted]
        ended = [status for status in tried if status in ("succeeded", "refunded", "failed")]
        return 100 * (len(ended) - ended.count("failed")) / len(ended)

    drop = share(range(1, 29)) - share(range(0, 1))
    assert answers(db, "payment_success") == {"all garages": pytest.approx(drop, abs=0.051)}
    db.execute("delete from vend.marts.fact_payment_attempts where payment_date_day = date '2026-11-22'")
    assert answers(db, "payment_success") == {}


def test_rows_gone(db: duckdb.DuckDBPyConnection) -> None:
    def loaded(table: str, hours: int, *counts: int | None, status: str = "success") -> None:
        inserted, deleted, rows = counts
        entry = {"table_name": table, "status": status, "started_at": NOW + timedelta(hours=hours)}
        insert(db, "ops.sync_runs", [entry | {"rows_inserted": inserted, "rows_deleted": deleted, "raw_rows": rows}])

    for table in ("garages", "passes", "payments", "users"):
        loaded(table, -60, 1522, 0, 1522)
    loaded("parked", -60, 10, 0, 10)
    loaded("parked", -1, 0, 10, 0)  # ten are too few
    loaded("payments", -6, 0, 1522, 0)  # truncated, the sync before it was days ago
    loaded("payments", -1, 0, 0, 0)  # a sync later they are still gone
    loaded("payments", 0, None, None, None, status="failed")
    for hours in range(-20, 0, 5):  # a bit at a time
        loaded("users", hours, 0, 200, 1522 - 200 * (hours + 25) // 5)
    loaded("passes", -2, 1522, 1522, 1522)  # each replaced by another
    expected = {"garages": 0, "passes": 0, "payments": 100, "users": round(100 * 800 / 1522, 1)}
    assert answers(db, "rows_gone") == expected
    loaded("payments", 1, 1500, 0, 1500)
    assert answers(db, "rows_gone") == expected | {"payments": round(100 * 22 / 1522, 1)}
    assert answers(db, "rows_gone", NOW + timedelta(days=2))["users"] == round(100 * 200 / 922, 1)


def test_failed_nodes(db: duckdb.DuckDBPyConnection) -> None:
    for hours, (name, results) in enumerate(
        [
            ("build of long ago", {"gone": "fail"}),
            ("build", {"a": "pass", "b": "fail", "c": "error", "d": "fail", "e": "success", "f": "pass"}),
            ("retry", {"b": "pass", "d": "fail"}),
            ("build of a part", {"f": "fail", "e": "skipped", "c": "skipped"}),
        ]
    ):
        at = NOW - timedelta(hours=60 if hours == 0 else 5 - hours)
        insert(db, "ops.dbt_runs", [{"invocation_id": name, "started_at": at}])
        nodes = [
            {"unique_id": f"test.{n}", "name": n, "status": s, "resource_type": "test"} for n, s in results.items()
        ]
        insert(db, "ops.dbt_nodes", [{"invocation_id": name} | node for node in nodes])
    assert answers(db, "failed_nodes") == {"a": 0, "b": 0, "c": 1, "d": 1, "e": 0, "f": 1}


def test_runs(db: duckdb.DuckDBPyConnection) -> None:
    assert answers(db, "failed_run") == {}
    for hours, (run, ends) in enumerate(
        [
            ({"status": "success", "step": "checks", "figures_compared": 9, "figures_differing": 2}, (0, 2)),
            ({"status": "error", "step": "build"}, (1, 2)),
            ({"status": "running", "step": "sync"}, (1, 2)),
            ({"status": "running", "step": "checks", "figures_compared": 9, "figures_differing": 0}, (0, 0)),
            ({"status": "interrupted", "step": "sync"}, (1, 0)),
            ({"status": "error", "step": "checks", "figures_compared": 9, "figures_differing": 1}, (0, 1)),
        ]
    ):
        insert(db, "ops.runs", [{"run_id": f"r{hours}", "started_at": NOW + timedelta(hours=hours)} | run])
        found = (answers(db, "failed_run")["vend run"], answers(db, "hot_cold_differences")["hot and cold"])
        assert found == ends


def test_statements_are_snowflakes_too() -> None:
    catalog = Catalog()
    for relation, columns in SHAPES.items():
        catalog.add(relation, {name: Known(declared(kind), True) for name, kind in columns.items()})
    objections = []
    for alert in ALERTS.values():
        if alert.sql is None or alert.on != "warehouse":
            continue
        text = alert.sql
        for name, value in alert.values.items():
            literal = "cast('2026-11-24' as datetime)" if isinstance(value, timedelta) else str(value)
            text = re.sub(rf"(?<!:):{name}\b", literal, text)
        objections += [f"{alert.builtin}: {each}" for each in parsers.objections(text)]
        whole = re.sub(r"\b(from|join) (ops|marts)\.", r"\1 vend.\2.", text)
        found = {each.split(":")[0] for each in rules.objections(Statement(whole, catalog), {}, [])}
        # Values are compared with a threshold and are no figures; the rules do not know `within group`.
        found -= {"open_types", "inexact_divisions"}
        found -= {"ungrouped_columns", "nulls_in_any_order"} if "within group" in text else set()
        objections += [f"{alert.builtin}: {each}" for each in found]
    for file in (
        *("create_alerts", "alerts", "insert_alert", "update_alert", "old_alerts"),
        *("reports_built", "running_runs", "latest_run", "abandoned_runs"),
    ):
        text = re.sub(r"(?<!:):[a-z_]+", ":1", ops.statement(file))
        objections += [f"{file}: {each}" for each in parsers.objections(text)]
    assert objections == []


@pytest.fixture
def loaded(home: Callable[..., Settings]) -> Settings:
    """A ledger: each table loaded at another time, one never, one with a failure since."""
    settings = home()
    settings.make_home()
    with warehouse.opened(settings, settings.home) as target:
        for hours, table in enumerate(contract.tables(settings)):
            at = NOW - timedelta(hours=hours)
            if table.name != "parked":
                target.record(Entry("r", table.name, "incremental", "success", at, at))
            target.record(Entry("s", table.name, "incremental", "failed", NOW, NOW, error="No."))
    return settings


def test_raw_age(loaded: Settings) -> None:
    report = check.check(loaded, listed=[ALERTS["raw_age"]], now=NOW)
    (result,) = report.results
    names = [table.name for table in contract.tables(loaded)]
    assert {row.subject: row.value for row in result.rows} == {
        name: Decimal("inf") if name == "parked" else hours for hours, name in enumerate(names)
    }
    late = {name for hours, name in enumerate(names) if hours > 7 or name == "parked"}
    assert len(late) > 1
    assert {row.subject for row in result.beyond} == late
    assert (report.status, report.exit_code) == ("warning", 1)
    assert "parked: ∞ hours (alert at > 7), never loaded" in check_report.as_text(report)
    assert check.check(loaded, listed=[ALERTS["raw_age"]], now=NOW + timedelta(hours=8)).open == len(names)
    # The clock that wrote the ledger was ahead, or ours went back: then nothing is known, and that is no silent ok.
    (result,) = check.check(loaded, listed=[ALERTS["raw_age"]], now=NOW - timedelta(minutes=6)).results
    assert result.status == "unknown"
    assert "last loaded 2026-11-24 01:30 UTC, which is yet to come" in str(result.unknown)


def test_reports_stale(loaded: Settings) -> None:
    runs = {"old": (-8, -9), "new": (-1, -2), "rehearsed": (-3, 40), "failed": (0, 0)}
    nodes = [
        ("old", "rpt_garage_monthly_pl", "success"),
        ("new", "rpt_executive_dashboard", "success"),
        ("new", "rpt_removed_from_the_project", "success"),
        ("rehearsed", "rpt_customer_360", "success"),
        ("failed", "rpt_garage_monthly_pl", "skipped"),
        ("failed", "rpt_executive_dashboard", "error"),
    ]
    with duckdb.connect(loaded.duckdb_path) as connection:
        for table in ("vend.ops.dbt_runs", "vend.ops.dbt_nodes"):
            columns = ", ".join(f"{name} {kind}" for name, kind in SHAPES[table].items())
            connection.execute(f"create table {table.removeprefix('vend.')} ({columns})")
        for run, (started, as_of) in runs.items():
            at = [NOW + timedelta(hours=hours) for hours in (started, as_of)]
            connection.execute("insert into ops.dbt_runs values (?, ?, ?)", [run, at[0], str(at[1])])
        for run, name, status in nodes:
            at = NOW + timedelta(hours=runs[run][0])
            connection.execute(
                "insert into ops.dbt_nodes values (?, ?, 'model', ?, ?, ?)", [run, f"model.x.{name}", name, status, at]
            )
    (result,) = check.check(loaded, listed=[ALERTS["reports_stale"]], now=NOW).results
    ages = {row.subject: row.value for row in result.rows}
    declared = {path.stem for path in (PROJECT / "models/cold/reports").glob("rpt_*.sql")}
    known = {"rpt_garage_monthly_pl": 9, "rpt_executive_dashboard": 2, "rpt_customer_360": 3}
    assert ages == dict.fromkeys(declared, Decimal("inf")) | known
    assert {row.subject for row in result.beyond} == declared - known.keys() | {"rpt_garage_monthly_pl"}
    assert {row.detail for row in result.rows if row.value == 9} == {"as of 2026-11-23 16:30 UTC"}


def test_hung_run(loaded: Settings) -> None:
    def ages(home: Settings = loaded) -> dict[str, float]:
        (result,) = check.check(home, listed=[ALERTS["hung_run"]], now=NOW, dry_run=True).results
        assert result.error is None
        return {row.subject: float(row.value or 0) for row in result.rows}

    assert ages() == {}
    with duckdb.connect(loaded.duckdb_path) as connection:
        connection.execute(ops.statement("create_runs"))
        for run, hours in (("elsewhere", 4), ("here", 5), ("killed", 6)):
            values = {"run_id": run, "step": "sync", "started_at": NOW - timedelta(hours=hours)}
            connection.execute(*ops.bound(ops.statement("insert_run"), values))
    lock = loaded.home / run_lock.NAME
    lock.write_text("pid 1, since 2026-11-23 19:30:00 UTC, run killed")
    assert ages() == {"run elsewhere": 4, "run here": 5}  # the killed one is noted as such
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lock.write_text("pid 1, since 2026-11-23 20:30:00 UTC, run here")
        assert ages() == {"run here": 5, "run elsewhere": 4}
        # It has the DuckDB file, and its age is known all the same.
        assert ages(replace(loaded, duckdb_path=loaded.home / "nowhere")) == {"run here": 5}
        lock.write_text(f"pid {os.getpid()}, since 2026-11-23 20:30:00 UTC, run here")
        assert ages() == {"run elsewhere": 4}  # a run that asks at its end does not mean itself


def test_disk(loaded: Settings) -> None:
    (row,) = check.check(loaded, listed=[ALERTS["disk"]]).results[0].rows
    room = shutil.disk_usage(loaded.home)
    assert float(row.value or 0) == pytest.approx(100 * room.used / (room.used + room.free), abs=1)


def test_before_the_first_run(loaded: Settings) -> None:
    for builtin in ("failed_nodes", "reports_stale", "revenue_anomaly", "payment_success"):
        (result,) = check.check(loaded, listed=[ALERTS[builtin]]).results
        assert result.status == "unknown"
        assert result.error == "There is no ops.dbt_nodes yet; `vend build cold` makes it."
    for builtin in ("failed_run", "hot_cold_differences"):
        (result,) = check.check(loaded, listed=[ALERTS[builtin]]).results
        assert (result.status, result.elsewhere) == ("not here", "there was no `vend run` yet")
    (result,) = check.check(loaded, listed=[ALERTS["rows_gone"]]).results
    assert (result.status, result.rows) == ("ok", ())


def test_not_here(loaded: Settings) -> None:
    report = check.check(loaded, listed=[ALERTS["credits"], ALERTS["slow_reports"]])
    assert [result.status for result in report.results] == ["not here", "not here"]
    assert report.exit_code == 0


def test_no_hot_side(home: Callable[..., Settings], database: str) -> None:
    settings = home(postgres_dsn=database)
    for builtin in ("hot_age", "hot_errors"):
        (result,) = check.check(settings, listed=[ALERTS[builtin]], dry_run=True).results
        assert re.search(r'"hot\.freshness" does not exist.* with `vend build hot`\.$', result.error or "")


def test_slow_hot_queries(database: str) -> None:
    """On a table of the shape that pg_stat_statements documents; few servers here have the extension."""
    statements = [
        ("select * from reporting.mv_daily_revenue where garage_id = $1", 20, 120_000.0, 9_000.0),
        ("  WITH x AS (select 1) select * from mv_current_occupancy", 10, 20_000.0, 4_000.0),
        ("select * from mv_failed_payments", 9, 900_000.0, 300_000.0),
        ("refresh materialized view concurrently hot.mv_daily_revenue", 100, 900_000.0, 9_000.0),
        ("select $1", 1000, 9e9, 9e9),
    ]
    alert = ALERTS["slow_hot_queries"]
    assert alert.sql is not None
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "create table pg_stat_statements (userid oid, dbid oid, toplevel bool, queryid bigint, query text,"
            " calls bigint, total_exec_time float8, max_exec_time float8)"
        )
        for number, row in enumerate(statements):
            connection.execute(
                "insert into pg_stat_statements select 10, oid, true, %s, %s, %s, %s, %s from pg_database"
                " where datname = current_database()",
                [number, *row],
            )
        text, values = ops.bound(alert.sql.replace("%", "%%"), alert.values, "%s")
        found = connection.execute(text.encode(), values).fetchall()
    assert [(subject, float(value)) for subject, value, _ in found] == [
        ("mv_current_occupancy, query 1", 2.0),
        ("mv_daily_revenue, query 0", 6.0),
    ]


def test_every_builtin_is_tested() -> None:
    text = Path(__file__).read_text(encoding="utf-8") + (PROJECT / "tools" / "tests" / "test_run.py").read_text()
    assert all(f'"{builtin}"' in text for builtin in ALERTS)

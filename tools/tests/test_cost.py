"""`vend cost`: the plan against the same reckoned in plain Python, and the bill through the real connector on views of
the shape that Snowflake documents, against the rows that were put there. Nothing here ran on Snowflake."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
import snowflake.connector
import snowflake_server
import yaml
from click.testing import CliRunner
from conftest import PROJECT, settings_in

from snowflake_rules import parsers, rules
from snowflake_rules.lineage import Catalog, Known, Statement, declared
from vend import cost, cost_actual, cost_report, figures
from vend.cli import main
from vend.cost import cents
from vend.errors import UsageError, VendError
from vend.settings import Settings
from vend.warehouse import snowflake_session as sessions

FILE = yaml.safe_load((PROJECT / "cost.yml").read_text())
VARS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
NOW = datetime(2026, 11, 12, 6, 30)
# As Snowflake's reference has the views, those columns that we read and some beside them.
SHAPES = {
    "warehouse_metering_history": {
        "start_time": "timestamp_ltz",
        "end_time": "timestamp_ltz",
        "warehouse_id": "number(38, 0)",
        "warehouse_name": "varchar",
        "credits_used": "number(38, 9)",
        "credits_used_compute": "number(38, 9)",
        "credits_used_cloud_services": "number(38, 9)",
        "credits_attributed_compute_queries": "number(38, 9)",
    },
    "query_attribution_history": {
        "query_id": "varchar",
        "warehouse_name": "varchar",
        "query_tag": "varchar",
        "user_name": "varchar",
        "start_time": "timestamp_ltz",
        "end_time": "timestamp_ltz",
        "credits_attributed_compute": "float",
        "credits_used_query_acceleration": "float",
    },
    "metering_daily_history": {
        "service_type": "varchar",
        "usage_date": "date",
        "credits_used_compute": "number(38, 9)",
        "credits_used_cloud_services": "number(38, 9)",
        "credits_used": "number(38, 9)",
        "credits_adjustment_cloud_services": "number(38, 10)",
        "credits_billed": "number(38, 10)",
    },
    "storage_usage": {
        "usage_date": "date",
        "storage_bytes": "number(38, 6)",
        "stage_bytes": "number(38, 6)",
        "failsafe_bytes": "number(38, 6)",
    },
}
OPS = {
    "sync_runs": {
        "run_id": "varchar",
        "table_name": "varchar",
        "status": "varchar",
        "started_at": "timestamp",
        "finished_at": "timestamp",
    },
    "dbt_runs": {
        "command": "varchar",
        "status": "varchar",
        "started_at": "timestamp",
        "finished_at": "timestamp",
        "built": "integer",
    },
}


def planned(settings: Settings, *changes: str) -> cost.Plan:
    return cost.reckoned(cost.load(settings, changes))


def value(name: str) -> Fraction:
    return Fraction(str(FILE["assumptions"][name]["value"]))


# ------------------------------------------------------------------------------------------- plan


def test_the_plan_in_plain_python(home: Callable[..., Settings]) -> None:
    plan = planned(home())
    hourly = {"xsmall": 1, "small": 2}
    month, minute = Fraction("30.4375"), 60
    credits = {}
    for name, warehouse, times, seconds, days in (
        ("sync", "etl_wh", value("runs_a_day"), value("sync_seconds"), month),
        ("build", "dbt_wh", value("runs_a_day"), value("build_seconds"), month),
        ("checks", "etl_wh", value("checks_a_day"), value("check_seconds"), month),
        ("dashboards", "bi_wh", value("dashboard_visits_a_day"), value("dashboard_seconds"), value("dashboard_days")),
    ):
        awake = max(minute, seconds + VARS["warehouse_suspend"])
        credits[name] = times * awake * days / 3600 * hourly[VARS["warehouse_sizes"][warehouse]]
    assert {load.name: load.credits for load in plan.loads} == credits
    assert {load.name: load.dollars for load in plan.loads} == {name: cents(2 * n) for name, n in credits.items()}
    stored = Decimal(FILE["assumptions"]["storage_gb"]["value"]) * Decimal("23.00") / 1000
    assert abs(plan.storage - stored) <= Decimal("0.005")
    assert plan.snowflake == sum(load.dollars for load in plan.loads) + plan.storage
    others = sum(Decimal(line["planned"]) for line in FILE["lines"] if "planned" in line)
    assert plan.total == plan.snowflake + others
    assert plan.fits is (plan.total < 1200) is True


@pytest.mark.parametrize(
    ("changes", "each", "hours"),
    [
        ([], 360, Fraction(4 * 360, 3600)),
        # a started minute is billed
        (["build_seconds=1", "warehouse_suspend=5"], 60, Fraction(4 * 60, 3600)),
        (["build_seconds=1", "warehouse_suspend=59.5"], Fraction("60.5"), Fraction(4 * Fraction("60.5"), 3600)),
        # woken before it sleeps, it runs through
        (["runs_a_day=240"], 360, Fraction(24)),
        (["runs_a_day=288"], 300, Fraction(24)),
        (["runs_a_day=1000"], Fraction(864, 10), Fraction(24)),
        # it never sleeps
        (["warehouse_suspend=0"], 6 * 3600, Fraction(24)),
        (["runs_a_day=0"], 360, Fraction(0)),
    ],
)
def test_what_is_billed(home: Callable[..., Settings], changes: list[str], each: Fraction, hours: Fraction) -> None:
    plan = planned(home(), *changes)
    build = next(load for load in plan.loads if load.name == "build")
    assert (build.each, build.hours / Fraction("30.4375")) == (each, hours)
    assert build.crowded is (changes == ["runs_a_day=1000"])
    assert ("It cannot be done: " in cost_report.verdict(plan)) is build.crowded


def test_cloud_services_are_billed_beyond_a_tenth(home: Callable[..., Settings]) -> None:
    for percent, beyond in ((5, 0), (10, 0), (12.5, Fraction("0.025"))):
        plan = planned(home(), f"cloud_services_percent={percent}", "serverless_credits=3")
        compute = sum(load.credits for load in plan.loads)
        assert plan.extra == {"cloud services": compute * beyond, "serverless": 3}
        assert plan.compute == sum(load.dollars for load in plan.loads) + cents(compute * beyond * 2) + 6


def test_the_architectures_figures(home: Callable[..., Settings]) -> None:
    """By hand, from its tables."""
    found = {claim.says: (claim.comes_to, claim.off, claim.holds) for claim in cost.claims(planned(home()))}
    by_hand: list[tuple[str, str, str | None, bool]] = [
        ("$23.00 a month for 5 GB", "$0.12", "-22.88", False),
        ("$0.02 a GB here", "$0.10", "-0.02", False),
        ("5 GB are 3 years", "7.5 GB for 3 years of payments", None, False),
        ("$480.00 = 200 h", "$480.00", "0.00", True),
        ("a small warehouse costs $2.40", "$800.00", "320.00", False),
        ("the lines add up to $1,283.00", "$1,283.00", "0.00", True),
        ("$1,283.00 in all, and less", "$1,283.00", "83.00", False),
        ("optimized: about $1,000.00", "$941.00", "-59.00", False),
        ("tiering saves $500.00", "$280.00", "-220.00", False),
        ("Snowflake for history only", "$503.00", "3.00", False),
        ("Postgres: $0.00", "$280.00", "280.00", False),
        # 1,200 of 2,483 and of 1,703; 60 % off 3,207.50 are 1,924.50
        ("the hybrid saves about", "48.3 % of the whole, or 70.5 % of Snowflake's part", "724.50", False),
    ]
    for says, comes_to, off, holds in by_hand:
        (claim,) = [each for text, each in found.items() if text.startswith(says)]
        assert claim == (comes_to, None if off is None else Decimal(off), holds), says
    rest = [text for text in found if not any(text.startswith(says) for says, *_ in by_hand)]
    assert rest == ["200 warehouse hours a month", "60 % saved against all on Snowflake"]
    enterprise = cost.claims(planned(home(), "edition=enterprise"))
    assert next(c.off for c in enterprise if "$2.40 an hour" in c.says) == 720


def test_sizes_and_suspension_are_those_provisioned(home: Callable[..., Settings]) -> None:
    golden = (Path(__file__).parent / "golden" / "provision.sql").read_text()
    model = cost.load(home())
    for name, size in model.sizes.items():
        suspend = model.assumptions["warehouse_suspend"].value
        assert f"alter warehouse {name} set\n    warehouse_size = {size}\n    auto_suspend = {suspend}\n" in golden
    assert f"credit_quota = {model.monthly_credits}" in golden


def test_what_if_changes_one_thing(home: Callable[..., Settings]) -> None:
    plan = planned(home())
    others = dict(cost.what_if(plan))
    assert others["a run every hour"].credits_of("dbt_wh") == 6 * plan.credits_of("dbt_wh")
    assert others["warehouses sleep after 600 s"].credits_of("dbt_wh") == plan.credits_of("dbt_wh") * 900 / 360
    assert others["DBT_WH is of size medium, no faster"].credits_of("dbt_wh") == 2 * plan.credits_of("dbt_wh")
    assert others["Enterprise edition"].credits == plan.credits
    assert others["ten times the data stored"].compute == plan.compute
    for name in ("etl_wh", "bi_wh"):
        assert others["DBT_WH is of size medium, no faster"].credits_of(name) == plan.credits_of(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("runs_a_day", "--set wants NAME=VALUE"),
        ("runs_per_day=4", "there is runs_a_day"),
        ("runs_a_day=often", "must be a number, 0 or more"),
        ("runs_a_day=-1", "must be a number, 0 or more"),
        ("runs_a_day=nan", "must be a number, 0 or more"),
        ("dashboard_hours=0", "there must be hours over which dashboard_visits_a_day are spread"),
        ("dbt_wh=huge", "must be one of: xsmall, small"),
        ("edition=free", "must be one of: standard, enterprise, business_critical"),
    ],
)
def test_a_wrong_change(home: Callable[..., Settings], change: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        cost.load(home(), [change])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("value: 4\n", "value: often\n"), "runs_a_day is 'often'"),
        (('source: "assumed"\n', "why: none\n"), "check_seconds must have a value and a source"),
        (("assumptions:", "assumptions: ["), "this is no YAML"),
        (("what_if:", "what_else:"), "lacks what_if"),
        (("    total: 1283\n", ""), "lacks 'total'"),
        (("times: runs_a_day", "times: runs"), "lacks 'runs'"),
        (("warehouse: bi_wh", "warehouse: wh"), "load dashboards runs on a warehouse that is not in var"),
    ],
)
def test_a_wrong_file(home: Callable[..., Settings], tmp_path: Path, change: tuple[str, str], said: str) -> None:
    for name in ("cost.yml", "dbt_project.yml"):
        shutil.copy(PROJECT / name, tmp_path)
    text = (tmp_path / "cost.yml").read_text()
    assert change[0] in text
    (tmp_path / "cost.yml").write_text(text.replace(*change))
    with pytest.raises(UsageError, match=re.escape(said)):
        cost.load(home(project=tmp_path))


def vend(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(main, ["cost", *arguments], env={"VEND_POSTGRES_DSN": None, **environment})


def test_plan_as_a_command(tmp_path: Path) -> None:
    shown = vend("plan", VEND_HOME=str(tmp_path))
    assert shown.exit_code == 0
    assert "less than $1,200.00: fits, $" in " ".join(shown.stdout.split())
    assert all(name in shown.stdout for name in FILE["assumptions"])
    assert max(map(len, shown.stdout.splitlines())) <= 120
    told = json.loads(vend("plan", "--format", "json", VEND_HOME=str(tmp_path)).stdout, parse_float=pytest.fail)
    assert told["fits"] is True
    assert Decimal(told["total"]) == sum(Decimal(line["planned"]) for line in told["lines"])
    assert cost.money(Decimal(told["total"])) in shown.stdout
    over = json.loads(vend("plan", "--set", "runs_a_day=288", "--format", "json", VEND_HOME=str(tmp_path)).stdout)
    assert over["fits"] is False
    wrong = vend("plan", "--set", "dbt_wh=huge", "--format", "json", VEND_HOME=str(tmp_path))
    assert (wrong.exit_code, json.loads(wrong.stdout)["ok"]) == (2, False)
    assert not list(tmp_path.iterdir())


def test_times_on_duckdb_are_told_and_not_taken(home: Callable[..., Settings]) -> None:
    settings = home()
    settings.make_home()
    with duckdb.connect(settings.duckdb_path) as connection:
        connection.execute("create schema ops")
    assert cost.load(settings).notes == ()
    with duckdb.connect(settings.duckdb_path) as connection:
        _ops(connection.execute)
    model = cost.load(settings)
    assert model.assumptions["build_seconds"].value == 300
    assert [note.split(" on DuckDB")[0] for note in model.notes] == ["sync_seconds: 41", "build_seconds: 50"]
    assert "--set build_seconds=50" in " ".join(cost_report.plan_text(cost.reckoned(model)).split())
    with duckdb.connect(settings.duckdb_path):
        (note,) = cost.load(settings).notes
    assert note.startswith("What runs took cannot be read, so their times are assumed. The DuckDB file")


def _ops(execute: Callable[[str], Any]) -> None:
    """Syncs of 41 s but for one of one table and one that failed; builds of 40, 50 and 60 s, and one of a part."""
    for name, columns in OPS.items():
        execute(f"create table ops.{name} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
    begun, syncs, builds = datetime(2026, 11, 1), [], []
    for run in range(3):
        tables = 9 if run else 1
        for table in range(tables):
            status = "failed" if (run, table) == (2, 0) else "success"
            syncs.append((f"r{run}", f"t{table}", status, begun, begun + timedelta(seconds=33 + table)))
    for table in range(9):
        syncs.append(("r3", f"t{table}", "success", begun, begun + timedelta(seconds=33 + table)))
    for built, seconds, status in ((90, 40, "success"), (90, 50, "success"), (90, 60, "success"), (3, 1, "success")):
        builds.append(("build", status, begun, begun + timedelta(seconds=seconds), built))
    builds += [("test", "success", begun, begun, 0), ("build", "error", begun, begun, 90)]
    for name, rows in (("sync_runs", syncs), ("dbt_runs", builds)):
        execute(f"insert into ops.{name} values {', '.join(map(_row, rows))}")


def _row(row: tuple[Any, ...]) -> str:
    return (
        f"({', '.join('null' if v is None else str(v) if isinstance(v, int | Decimal) else repr(str(v)) for v in row)})"
    )


# ------------------------------------------------------------------------------------------- bill


class Account:
    """What was put into ACCOUNT_USAGE, and the settings that reach it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metered: list[tuple[datetime, str, Decimal, Decimal, Decimal]] = []
        self.queries: list[tuple[datetime, str, str, Decimal, Decimal]] = []
        self.daily: list[tuple[str, date, Decimal, Decimal, Decimal]] = []
        self.stored: dict[date, int] = {}

    def bill(self, month: date = date(2026, 11, 1), now: datetime = NOW) -> cost_actual.Actual:
        return cost_actual.actual(self.settings, month, now)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Twelve days of November and the end of October: our three warehouses, another, and hours that are not metered."""
    chance = random.Random(12)
    with pytest.MonkeyPatch.context() as patch, snowflake_server.running() as server:
        patch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        patch.setattr(sessions, "LOGIN_SECONDS", 10)
        patch.setattr(sessions, "QUICK_SECONDS", 10)
        given = {"ACCOUNT": "acme", "USER": "finance", "PASSWORD": "quiet", "HOST": "127.0.0.1", "PROTOCOL": "http"}
        given |= {"PORT": str(server.port), "DATABASE": "COSTS"}
        snowflake_settings = {f"SNOWFLAKE_{name}": text for name, text in given.items()}
        settings = settings_in(
            tmp_path_factory.mktemp("cost") / "home", warehouse="snowflake", snowflake=snowflake_settings
        )
        account = Account(settings)

        def credits(most: float) -> Decimal:
            return Decimal(f"{chance.random() * most:.9f}")

        for hours in range(24 * 14 + 4):  # up to 03:00 of the day at hand
            at = datetime(2026, 10, 29) + timedelta(hours=hours)
            for name, most in (("ETL_WH", 0.1), ("DBT_WH", 0.5), ("BI_WH", 0.3), ("OTHER_WH", 0.02)):
                if chance.random() < 0.6:
                    used = credits(most)
                    taken = used if chance.random() < 0.2 else min(used, credits(most))
                    account.metered.append((at, name, used, credits(0.01), taken))
        for tag, warehouse, count, most in (
            ("vend_analytics:rpt_mrr_movements", "DBT_WH", 9, 0.5),
            ("vend_analytics:fact_payment_attempts", "DBT_WH", 9, 0.9),
            ("vend_analytics:not_null_dim_users_user_id", "DBT_WH", 9, 0.01),
            ("vend_analytics:unique_dim_users_user_id", "DBT_WH", 9, 0.01),
            ("vend_analytics", "DBT_WH", 9, 0.01),
            ("vend_sync", "ETL_WH", 9, 0.1),
            ("", "BI_WH", 9, 0.1),
            ("metabase", "BI_WH", 9, 0.1),
        ):
            for _ in range(count):
                at = datetime(2026, 10, 30) + timedelta(hours=chance.random() * 24 * 13.5)
                account.queries.append((at, tag, warehouse, credits(most), credits(0.01)))
        for back in range(15):
            day = date(2026, 10, 29) + timedelta(days=back)
            for service, most in (("WAREHOUSE_METERING", 9.0), ("AUTO_CLUSTERING", 0.2)):
                used, cloud = credits(most), credits(most / 5)
                account.daily.append((service, day, used, cloud, -min(cloud, used / 10)))
            account.stored[day] = chance.randrange(10**10, 2 * 10**10)
        with closing(snowflake.connector.connect(**sessions.arguments(settings))) as connection:
            cursor = connection.cursor()
            cursor.execute("create schema if not exists ops")
            _ops(cursor.execute)
            cursor.execute("create database snowflake")  # and uses it
            cursor.execute("create schema snowflake.account_usage")
            for name, columns in SHAPES.items():
                cursor.execute(
                    f"create table snowflake.account_usage.{name} ({', '.join(f'{c} {t}' for c, t in columns.items())})"
                )
            for name, rows in {
                "warehouse_metering_history": [
                    (at, at + timedelta(hours=1), 7, name, used + cloud, used, cloud, taken)
                    for at, name, used, cloud, taken in account.metered
                ],
                "query_attribution_history": [
                    (number, warehouse, tag or None, "X", at, at, used, fast if number % 2 else None)
                    for number, (at, tag, warehouse, used, fast) in enumerate(account.queries)
                ],
                "metering_daily_history": [
                    (service, day, used, cloud, used + cloud, less, used + cloud + less)
                    for service, day, used, cloud, less in account.daily
                ],
                "storage_usage": [(day, n, 1000, 2000) for day, n in account.stored.items()],
            }.items():
                cursor.execute(f"insert into snowflake.account_usage.{name} values {', '.join(map(_row, rows))}")
        yield account


def test_bill_by_warehouse_and_day(account: Account) -> None:
    bill = account.bill()
    assert (bill.whole_days, bill.month_days, bill.metered_until) == (10, 30, datetime(2026, 11, 12, 4))
    assert bill.warehouses == ["ETL_WH", "DBT_WH", "BI_WH", "OTHER_WH"]
    november = [row for row in account.metered if row[0] >= datetime(2026, 11, 1)]
    days: dict[tuple[str, date], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for at, name, used, cloud, taken in november:
        days[name, at.date()] = [a + b for a, b in zip(days[name, at.date()], (used, cloud, taken), strict=True)]
    assert {(day.warehouse, day.day): [day.compute, day.cloud_services, day.attributed] for day in bill.days} == days
    for name in bill.warehouses:
        # at 06:30 of the 12th, what is eight hours late may still lack the evening of the 11th
        whole = [row for row in november if row[1] == name and row[0] < datetime(2026, 11, 11)]
        used, taken = sum(row[2] for row in whole), sum(row[4] for row in whole)
        assert bill.compute(name) == sum(row[2] for row in november if row[1] == name)
        assert bill.idle(name) == (Fraction(used) - Fraction(taken)) / Fraction(used)
        assert bill.projected(bill.compute(name, whole=True)) == Fraction(used) * 30 / 10
    assert bill.planned("OTHER_WH") is None
    assert bill.planned("DBT_WH") == bill.plan.credits_of("dbt_wh") * 30 / Fraction("30.4375")


def test_bill_by_model(account: Account) -> None:
    bill = account.bill()
    named = {
        "vend_analytics:rpt_mrr_movements": ("rpt_mrr_movements", "model"),
        "vend_analytics:fact_payment_attempts": ("fact_payment_attempts", "model"),
        "vend_analytics:not_null_dim_users_user_id": ("tests", "tests"),
        "vend_analytics:unique_dim_users_user_id": ("tests", "tests"),
        "vend_analytics": ("dbt between models", "other"),
        "vend_sync": ("vend sync, check and cost", "sync"),
        "": ("untagged", "other"),
        "metabase": ("metabase", "other"),
    }
    expected: dict[tuple[str, str, str], list[Any]] = defaultdict(lambda: [0, Decimal(0)])
    for number, (at, tag, warehouse, used, fast) in enumerate(account.queries):
        if datetime(2026, 11, 1) <= at < datetime(2026, 11, 11):
            entry = expected[(*named[tag], warehouse)]
            entry[0] += 1
            entry[1] += used + (fast if number % 2 else 0)
    found = {(each.name, each.kind, each.warehouse): [each.queries, each.credits] for each in bill.tagged}
    assert found == expected
    assert [each.credits for each in bill.tagged] == sorted((each.credits for each in bill.tagged), reverse=True)


def test_bill_of_the_month(account: Account) -> None:
    bill = account.bill()
    november = [row for row in account.daily if row[1] >= date(2026, 11, 1)]
    assert bill.billed() == sum(used + cloud + less for _, _, used, cloud, less in november)
    whole = sum(used + cloud + less for _, day, used, cloud, less in november if day < date(2026, 11, 11))
    stored = [n + 3000 for day, n in account.stored.items() if day >= date(2026, 11, 1)]
    assert bill.stored == Fraction(sum(stored), len(stored))
    storage = cents(Fraction(sum(stored), len(stored)) / 10**12 * 23)
    assert bill.dollars == cents(Fraction(whole) * 30 / 10 * 2) + storage
    assert f"is on course for {cost.money(bill.dollars)}" in cost_report.bill_verdict(bill)
    # what Snowflake measured is taken for the plan
    assert bill.plan.model.notes == ()
    assert bill.plan.model.assumptions["build_seconds"].value == 50
    assert bill.plan.model.assumptions["sync_seconds"].source == "measured: median of the last 2 in ops.sync_runs"
    october = account.bill(date(2026, 10, 1))
    assert october.whole_days == october.month_days == 31
    assert "came to" in cost_report.bill_verdict(october)


def test_bill_before_a_day_is_whole(account: Account) -> None:
    bill = account.bill(date(2026, 11, 1), datetime(2026, 11, 2, 7, 59))
    assert (bill.whole_days, bill.idle("DBT_WH"), bill.dollars, bill.tagged) == (0, None, None, ())
    text = cost_report.actual_text(bill)
    assert "No day is whole yet" in text
    assert "on course for is unknown" in text
    assert account.bill(date(2026, 11, 1), datetime(2026, 11, 2, 8)).whole_days == 1
    with pytest.raises(UsageError, match="2026-12 has not begun"):
        account.bill(date(2026, 12, 1))


def test_bill_as_a_command(account: Account, tmp_path: Path) -> None:
    environment = {**account.settings.snowflake, "VEND_WAREHOUSE": "snowflake", "VEND_HOME": str(tmp_path)}
    shown = vend("actual", "--month", "2026-11", **environment)
    assert shown.exit_code == 0, shown.stderr
    for part in ("metered up to 2026-11-12 04:00 UTC", "up to 8 hours late", "OTHER_WH", "rpt_mrr_movements", "idle"):
        assert part in shown.stdout
    told = json.loads(
        vend("actual", "--month", "2026-11", "--format", "json", **environment).stdout, parse_float=pytest.fail
    )
    assert sum(Decimal(day["credits"]) for day in told["days"]) == account.bill().compute()
    assert told["planned"] == str(account.bill().plan.snowflake)


def test_no_bill_on_duckdb(tmp_path: Path) -> None:
    for form in ("text", "json"):
        shown = vend("actual", "--format", form, VEND_HOME=str(tmp_path))
        assert shown.exit_code == 1
        assert "There is no bill on DuckDB" in shown.stderr
    assert json.loads(shown.stdout)["ok"] is False


def test_a_role_that_may_not_look(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Snowflake's words; fakesnow has no roles."""

    @contextmanager
    def closed(settings: Settings) -> Iterator[None]:
        raise VendError("Snowflake failed: Schema 'SNOWFLAKE.ACCOUNT_USAGE' does not exist or not authorized.")
        yield

    lost = {**account.settings.snowflake, "SNOWFLAKE_PORT": "none"}
    settings = settings_in(account.settings.home, warehouse="snowflake", snowflake=lost)
    with pytest.raises(UsageError, match=r"it must be a number\.$"):
        cost_actual.actual(settings, date(2026, 11, 1), NOW)
    monkeypatch.setattr(figures, "opened", closed)
    with pytest.raises(VendError, match=r"not authorized\. .*`vend provision --monitor` lets VEND_ADMIN"):
        account.bill()


def test_statements_are_snowflakes() -> None:
    catalog = Catalog()
    for name, columns in SHAPES.items():
        known = {
            c: Known(declared(t.replace("_ltz", "").replace("number", "decimal")), True) for c, t in columns.items()
        }
        catalog.add(f"snowflake.account_usage.{name}", known)
    for name, columns in OPS.items():
        catalog.add(f"vend.ops.{name}", {c: Known(declared(t), True) for c, t in columns.items()})
    objections = []
    for file in (PROJECT / "tools" / "vend" / "cost_sql").glob("*.sql"):
        text = re.sub(r"(?<!:):(since|until)\b", "'2026-11-01'", cost.statement(file.stem))
        objections += [f"{file.stem}: {each}" for each in parsers.objections(text)]
        whole = re.sub(r"\bfrom ops\.", "from vend.ops.", text)
        found = {each.split(":")[0] for each in rules.objections(Statement(whole, catalog), {}, [])}
        objections += [f"{file.stem}: {each}" for each in found]
    assert objections == []

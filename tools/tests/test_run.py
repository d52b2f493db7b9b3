"""`vend run`: what it leaves behind when all goes well, and what it does not touch when something is wrong."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import psutil
import psycopg
import pytest
from alert_servers import webhook
from conftest import PROJECT, settings_in

from vend import alerts, check, cli, consistency, dbt, refresh, run, source, tethered
from vend.errors import VendError
from vend.settings import Settings

AS_OF = datetime(2026, 11, 20)
# One report and all it stands on; the whole is built in other tests.
PART = ("--select", "+rpt_garage_monthly_pl", "fact_subscriptions", "--indirect-selection", "cautious")


@dataclass(frozen=True)
class Business:
    settings: Settings
    dsn: str
    connection: psycopg.Connection[Any]

    def run(self, alerting: dict[str, str] | None = None, **options: Any) -> run.Record:
        return run.run(replace(self.settings, alerting=alerting or self.settings.alerting), **options)

    def cold(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.settings.duckdb_path) as warehouse:
            return warehouse.execute(statement).fetchall()

    def compared(self) -> consistency.Result:
        (at,) = self.cold("select max(as_of) from ops.runs where status in ('success', 'warning')")[0]
        return consistency.compare(self.settings, self.dsn, self.dsn, at)

    def reports(self) -> list[tuple[Any, ...]]:
        return self.cold("from reports.rpt_garage_monthly_pl order by all")


@pytest.fixture(scope="module")
def business(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    dsn = make_database()
    settings = settings_in(tmp_path_factory.mktemp("run") / "home", postgres_dsn=dsn)
    source.init(dsn)
    source.seed(dsn, garages=8, months=6, payments=600, as_of=datetime.now() - timedelta(days=1))
    assert dbt.build(settings, "hot", dsn=dsn, arguments=("--exclude-resource-type", "test", "unit_test")).ok
    with (
        pytest.MonkeyPatch.context() as patch,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        patch.setattr(run, "build_side", partial(_part, cli.build_side))
        yield Business(settings, dsn, connection)


def _part(whole: Callable[..., dbt.Outcome], *given: Any, dbt_args: tuple[str, ...], **more: Any) -> dbt.Outcome:
    return whole(*given, dbt_args=(*PART, *dbt_args), **more)


@pytest.fixture(scope="module")
def first(business: Business) -> run.Record:
    return business.run()


@pytest.fixture(scope="module")
def killed(business: Business, first: run.Record) -> str:
    """The run_id of a run that was killed while dbt was building, and dbt is gone too."""
    log = business.settings.home / "logs" / "cold" / "dbt.log"
    with vend(business, "run", "--no-sync", "--as-of", f"{first.as_of:%Y-%m-%dT%H:%M:%S.%f}") as process:
        told = until(process, step="build")
        seen = log.stat().st_size
        while " START sql " not in log.read_text()[seen:]:
            assert process.poll() is None
            time.sleep(0.02)
        builder = below(process)
        process.kill()
    assert ended(builder)
    assert business.cold(f"select status from ops.runs where run_id = '{told['run_id']}'") == [("running",)]
    return str(told["run_id"])


@pytest.fixture(scope="module")
def again(business: Business, killed: str) -> run.Record:
    """The run after it. It finds a report that was built by itself before, and what other tests did to the source."""
    report = "model.vend_analytics.rpt_garage_rankings"
    business.cold("insert into ops.dbt_runs (invocation_id, as_of) values ('earlier', '2026-01-31 12:00:00.000000')")
    business.cold(
        "insert into ops.dbt_nodes (invocation_id, unique_id, name, status, started_at)"
        f" values ('earlier', '{report}', 'rpt_garage_rankings', 'success', now()::timestamp)"
    )
    assert check.check(business.settings, ("run-failed",), dry_run=True).exit_code == 2
    business.cold(f"update ops.runs set status = 'running' where run_id = '{killed}'")  # and where nobody checked
    with webhook() as hook:
        record = business.run(alerting={"VEND_ALERT_WEBHOOK": hook.url})
    told = [(event["alert"], event["event"]) for body in hook.bodies for event in body["events"]]
    assert [what for name, what in told if name == "Run Failed"] == ["opened", "closed"]
    return record


@contextmanager
def vend(business: Business, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process; what it says has no traceback."""
    environment = {**os.environ, "VEND_HOME": str(business.settings.home), "VEND_POSTGRES_DSN": business.dsn}
    with subprocess.Popen(
        [str(Path(sys.executable).with_name("vend")), *arguments], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def until(process: subprocess.Popen[str], step: str) -> dict[str, str]:
    """The first line of the log in that step of a run."""
    for line in process.stderr or ():
        assert "Traceback" not in line
        told: dict[str, str] = json.loads(line) if line.startswith("{") else {}
        if told.get("step") == step:
            return told
    raise AssertionError(f"it ended before {step}")


def below(process: subprocess.Popen[str]) -> psutil.Process:
    """The dbt that the command has started."""
    (child,) = psutil.Process(process.pid).children()
    assert "vend.tethered" in child.cmdline()
    return child


def ended(process: psutil.Process) -> bool:
    """Whether it ends before long. Nobody but init may be there to fetch its exit code."""
    end = time.monotonic() + 2 * tethered.GRACE
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_a_run_leaves_a_row_and_the_nodes(business: Business, first: run.Record) -> None:
    assert first.ok, first.error
    kept = business.cold(
        f"select status, step, as_of, rows_loaded, tests_failed, error from ops.runs where run_id = '{first.run_id}'"
    )
    assert kept == [(first.status, "checks", first.as_of, first.rows_loaded, 0, first.error)]
    ledger = business.cold("select distinct run_id, started_at from ops.sync_runs")
    assert ledger == [(first.sync_run_id, first.as_of)]
    ((command, status, built, passed, as_of),) = business.cold(
        "select command, status, built, tests_passed, as_of from ops.dbt_runs"
    )
    assert (command, status, built, passed) == ("build", "success", first.relations_built, first.tests_passed)
    assert datetime.fromisoformat(as_of) == first.as_of
    nodes = business.cold("select resource_type, status, count(*), count(started_at) from ops.dbt_nodes group by all")
    assert sum(n for kind, state, n, _ in nodes if state == "pass") == passed
    assert sum(n for kind, state, n, _ in nodes if state == "success") == built
    told = json.loads(run.as_json(first))
    assert (told["ok"], told["run_id"]) == (True, first.run_id)


def test_hot_and_cold_are_compared(business: Business, first: run.Record) -> None:
    assert first.figures_differing == 0
    garages, days = business.connection.execute(
        "select count(distinct garage_id), count(distinct payment_date) from hot.mv_daily_revenue"
    ).fetchone() or (0, 0)
    paid = business.cold("select count(*) from marts.fact_payments where payment_date_day > current_date - 80")[0][0]
    assert paid > 20
    assert first.figures_compared is not None
    assert first.figures_compared > garages * (days - 5) * 5


def test_a_clock_that_stands_is_told_of_and_makes_no_difference(business: Business, first: run.Record) -> None:
    assert refresh.clock(business.dsn) is None
    business.connection.execute("insert into hot.setting select now() at time zone 'UTC' - interval '20 days'")
    try:
        result = business.compared()
        assert "The clock of the hot views stands at 20" in (refresh.clock(business.dsn) or "")
    finally:
        business.connection.execute("delete from hot.setting")
    assert (result.differences, result.skipped) == ((), None)
    assert 0 < result.compared < (first.figures_compared or 0)


def test_a_difference_is_named_and_what_moves_is_left_out(business: Business, first: run.Record) -> None:
    payment, garage, day, gross = business.cold(
        "select payment_id, garage_id, payment_date_day, gross_amount from marts.fact_payments"
        " where payment_date_day between current_date - 40 and current_date - 10 and currency = 'usd' limit 1"
    )[0]
    before = business.compared()
    assert (before.differences, before.skipped) == ((), None)
    business.cold(
        f"update marts.fact_payment_attempts set gross_amount = gross_amount + 0.01 where payment_id = '{payment}'"
    )
    (found,) = business.compared().differences
    assert (found.figure, found.garage_id, found.day) == ("gross_revenue", garage, day)
    assert found.cold - found.hot == Decimal("0.01")
    # The same payment is written in the source: now nobody can say which is right until the next sync.
    business.connection.execute("update payments set amount = amount + 7 where id = %s", [payment])
    moved = business.compared()
    assert moved.differences == ()
    assert moved.moving > before.moving
    # Dated to another day and another garage: the place it came from is left out as well.
    business.connection.execute(
        "update payments as p set payment_date = payment_date - interval '20 days', amount = %s, garage_id ="
        " (select o.garage_id from payments as o where o.garage_id <> %s and o.currency = p.currency limit 1)"
        " where id = %s",
        [gross, garage, payment],
    )
    assert business.compared().differences == ()


def test_a_run_after_one_that_was_killed(business: Business, killed: str, again: run.Record) -> None:
    assert again.ok, again.error
    assert business.cold(f"select status, step from ops.runs where run_id = '{killed}'") == [("interrupted", "build")]
    assert business.cold(f"select status, step from ops.runs where run_id = '{again.run_id}'") == [
        (again.status, "checks")
    ]
    assert again.figures_differing == 0


def test_reports_as_of_another_instant_are_told_of(business: Business, again: run.Record) -> None:
    log = (business.settings.home / "logs" / "cold" / "dbt.log").read_text()
    (told,) = re.findall(r"Built as of .*still as of another instant.*", log)
    assert "; as of 2026-01-31 12:00:00.000000: rpt_garage_rankings. Build all" in told


def test_a_failed_test_keeps_the_reports(business: Business, first: run.Record) -> None:
    before = business.reports()
    payments = business.connection.execute(
        "update payments set currency = 'cad' where id in"
        " (select id from payments where status = 'succeeded' order by id limit 3) returning id"
    ).fetchall()
    with webhook() as hook:
        stopped = run.run(replace(business.settings, alerting={"VEND_ALERT_WEBHOOK": hook.url}))
    assert (stopped.status, stopped.step) == ("error", "build")
    assert stopped.tests_failed
    events = [event for body in hook.bodies for event in body["events"]]
    assert {"Run Failed", "Build or Test Failed"} <= {event["alert"] for event in events if event["event"] == "opened"}
    assert stopped.alerts_open == business.cold("select count(*) from ops.alerts where status = 'open'")[0][0]
    assert payments
    assert not any(str(i) in json.dumps(events) for (i,) in payments)
    assert "as they were before" in (stopped.error or "")
    assert business.reports() == before
    failed = business.cold("select name from ops.dbt_nodes where status = 'fail'")
    assert failed
    assert {name for (name,) in failed} <= {event["subject"] for event in events}
    business.connection.execute("update payments set currency = 'usd' where id = any(%s)", [[i for (i,) in payments]])


def test_a_table_that_cannot_be_loaded_stops_it_before_the_build(business: Business, first: run.Record) -> None:
    builds = business.cold("select count(*) from ops.dbt_runs")
    business.connection.execute("alter table garages rename column capacity to spaces")
    try:
        stopped = business.run()
    finally:
        business.connection.execute("alter table garages rename column spaces to capacity")
    assert (stopped.status, stopped.step) == ("error", "sync")
    assert "garages" in (stopped.error or "")
    assert business.cold("select count(*) from ops.dbt_runs") == builds


@pytest.mark.parametrize(("hours", "ends"), [(25, ("error", "freshness"))])
def test_old_rows_are_no_ground_to_build_on(
    business: Business, first: run.Record, hours: int, ends: tuple[str, str]
) -> None:
    age = f"update ops.sync_runs set started_at = started_at {{}} interval {hours} hour where table_name = 'payments'"
    ahead = "update ops.runs set started_at = started_at {} interval 9 hour"  # as a clock would have it that was ahead
    business.cold(age.format("-"))
    business.cold(ahead.format("+"))
    try:
        stopped = business.run(sync=False)
        ((last,),) = business.cold("select max(started_at) from ops.runs")
    finally:
        business.cold(age.format("+"))
        business.cold(ahead.format("-"))
    assert (stopped.status, stopped.step) == ends
    assert stopped.started_at == last  # so it is the one that the checks look at
    assert last > datetime.now(UTC).replace(tzinfo=None) > (stopped.as_of or last)
    assert "payments" in (stopped.error or "")


def on_hot(business: Business, builtin: str) -> dict[str, Decimal | None]:
    (alert,) = (alert for alert in alerts.load(PROJECT / "alerts.yml") if alert.builtin == builtin)
    (result,) = check.check(business.settings, listed=[alert], dry_run=True).results
    assert result.error is None
    return {row.subject: row.value for row in result.rows if row in result.beyond}


def test_the_hot_side_is_checked(business: Business, first: run.Record) -> None:
    refresh.refresh(business.dsn)
    assert on_hot(business, "hot_age") == {}
    assert on_hot(business, "hot_errors") == {}
    older = "update hot.refresh_log set started_at = started_at {} interval '20 minutes' where relation = %s"
    business.connection.execute(older.format("-").encode(), ["mv_daily_revenue"])
    late = on_hot(business, "hot_age")
    assert late.keys() == {"mv_daily_revenue"}
    assert 20 <= (late["mv_daily_revenue"] or 0) < 22
    business.connection.execute(older.format("+").encode(), ["mv_daily_revenue"])
    stand = "insert into hot.setting select now() at time zone 'UTC' - interval '9 days' * %s"
    for days, expected in ((1, {"the clock": 9 * 24 * 60}), (-1, {})):  # a forgotten --as-of; a rehearsal
        business.connection.execute(stand.encode(), [days])
        assert on_hot(business, "hot_age") == {name: pytest.approx(age, abs=1) for name, age in expected.items()}
        business.connection.execute("delete from hot.setting")
    (name, definition) = business.connection.execute(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid = 'hot.mv_current_occupancy'::regclass and indisunique"
    ).fetchone() or ("", "")
    business.connection.execute(f"drop index {name}".encode())  # without it a refresh fails,
    business.connection.execute("update garages set capacity = capacity + 1")  # and there is something to refresh
    try:
        for _ in range(2):
            refresh.refresh(business.dsn)
        assert on_hot(business, "hot_errors") == {"mv_current_occupancy": 2}
    finally:
        business.connection.execute(definition.encode())
        business.connection.execute("update garages set capacity = capacity - 1")
    refresh.refresh(business.dsn)
    assert on_hot(business, "hot_errors") == {}


def test_the_queries_of_the_runbook_run(business: Business, first: run.Record) -> None:
    text = (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8")
    found = [" ".join(each.split()).replace("'…'", "'2026-01-01'") for each in re.findall(r"`(select [^`]+)`", text)]
    elsewhere = ("snowflake.", "cron.", "pg_stat_statements")
    cold = [each for each in found if re.search(r"from (ops|marts)\.", each)]
    hot = [each for each in found if each not in cold and not any(name in each for name in elsewhere)]
    assert len(cold) >= 6
    assert len(hot) >= 3
    for query in cold:
        business.cold(query)
    for query in hot:
        business.connection.execute(query.encode())


def test_a_critical_alert_is_no_success(business: Business, first: run.Record, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check.check
    (stale,) = (alert for alert in alerts.load(PROJECT / "alerts.yml") if alert.builtin == "hot_age")
    for severity, ends in (("critical", "error"), ("warning", "warning")):
        alert = replace(stale, severity=severity, threshold=Decimal(-1))
        monkeypatch.setattr(check, "check", partial(whole, listed=[alert]))
        journal = run._Journal(business.settings, replace(first, status="running"))
        run._checks(business.settings, journal)
        assert journal.record.alerts_open
        assert ("Materialized View Stale" in (journal.record.error or "")) == (severity == "critical")
        run._close(business.settings, journal)
        assert journal.record.status == ends
    monkeypatch.undo()
    check.check(business.settings)
    run._close(business.settings, run._Journal(business.settings, first))


def test_one_at_a_time(business: Business, first: run.Record) -> None:
    with (business.settings.home / "run.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(VendError, match="Another `vend run` is going on"):
            business.run()


def test_a_run_that_is_told_to_end(business: Business, first: run.Record) -> None:
    with vend(business, "run") as process:
        told = until(process, step="freshness")
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert business.cold(f"select status, step, error from ops.runs where run_id = '{told['run_id']}'") == [
        ("interrupted", "freshness", "Ended by SIGTERM.")
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_dbt_outlives_a_build(business: Business, number: int) -> None:
    """It is ended at a place that it cannot leave by itself: where a model waits for a view that is locked here."""
    waiting = b"select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with psycopg.connect(business.dsn) as holder:
        holder.execute("refresh materialized view hot.mv_failed_payments")  # locks it whole
        with vend(business, "build", "hot", "--exclude-resource-type", "test", "unit_test") as process:
            while not business.connection.execute(waiting).fetchone():
                assert process.poll() is None
                time.sleep(0.02)
            builder = below(process)
            process.send_signal(number)
        assert process.returncode == (-number if number == signal.SIGKILL else 1)
        assert ended(builder)
        end = time.monotonic() + tethered.GRACE  # a server may take its time to let a session go
        while business.connection.execute(waiting).fetchall() and time.monotonic() < end:
            time.sleep(0.02)
        assert business.connection.execute(waiting).fetchall() == []  # what it had running is cancelled


def test_only_what_changed_is_built(business: Business, first: run.Record, tmp_path: Path) -> None:
    """As pull requests have it: what differs from a manifest, and what reads it; docs/schedules.md."""
    state = json.loads((dbt.target_path(business.settings, "cold") / "manifest.json").read_text())
    changed = "model.vend_analytics.int_garage_subscriptions"
    part = {f"model.vend_analytics.{name}" for name in ("int_garage_subscriptions", "rpt_garage_monthly_pl")}
    assert "model.vend_analytics.rpt_garage_monthly_pl" in state["child_map"][changed]
    arguments = ["--select", "state:modified+,+rpt_garage_monthly_pl", "--defer", "--state", str(tmp_path)]
    arguments += ["--indirect-selection", "cautious"]
    for models in (set(), part):
        (tmp_path / "manifest.json").write_text(json.dumps(state))
        outcome = dbt.build(business.settings, "cold", as_of=first.as_of, arguments=arguments)
        assert outcome.ok, outcome.failures
        results = json.loads((dbt.target_path(business.settings, "cold") / "run_results.json").read_text())["results"]
        built = {node["unique_id"] for node in results}
        assert {name for name in built if name.startswith("model.")} == models
        assert bool(outcome.count("pass", kinds=("test", "unit_test"))) == bool(models)
        state["nodes"][changed]["raw_code"] += "\n-- another text"
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(VendError, match="dbt stopped before it built anything"):
        dbt.build(business.settings, "cold", as_of=first.as_of, arguments=arguments)

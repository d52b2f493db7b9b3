"""The refresh by changed keys: after whatever writers did, every cell of the hot views is what plain Python says."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import recompute
from conftest import settings_in
from psycopg import conninfo, errors
from recompute import HOT, Frame
from test_figures import agree, read_hot

from vend import dbt, refresh, source, status
from vend.errors import UsageError, VendError
from vend.refresh import BusyError, Refreshed
from vend.settings import Settings

UTC_ZONE, CHICAGO = ZoneInfo("UTC"), ZoneInfo("America/Chicago")
# a day after the clocks went forward in Chicago
AS_OF = datetime(2026, 3, 9, 4, 30)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Hot:
    """A small business with its hot side built; clock: what hot.as_of() is fixed at."""

    settings: Settings
    dsn: str
    zone: ZoneInfo
    clock: datetime = AS_OF
    variables: dict[str, str] = field(default_factory=dict)

    def build(self, *arguments: str, **variables: str) -> None:
        self.variables |= variables
        listed = ", ".join(f"{name}: {value}" for name, value in self.variables.items())
        given = f"{{reporting_timezone: {self.zone}, {listed}}}"
        chosen = ("--resource-type", "model", "--vars", given, *arguments)
        # a home for each, for dbt parses the project again where the variables are others
        home = replace(self.settings, home=self.settings.home / hashlib.sha256(given.encode()).hexdigest()[:12])
        outcome = dbt.build(home, "hot", dsn=self.dsn, as_of=self.clock, arguments=chosen)
        assert outcome.ok, outcome.failures

    def move(self, to: datetime) -> None:
        self.clock = to
        self.run("update hot.setting set as_of = %s", [to])

    def run(self, statement: str, values: Any = None) -> int:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement.encode(), values).rowcount

    def ask(self, query: str) -> Any:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def refresh(self, **how: Any) -> dict[str, Refreshed]:
        results = {result.relation: result for result in refresh.refresh(self.dsn, **how)}
        assert [result.error for result in results.values() if result.status != "success"] == []
        return results

    def check(self, what: str = "") -> None:
        """Every cell of the five views as they stand."""
        rows, found = recompute.read(self.dsn), read_hot(self.dsn)
        rate = Decimal(self.variables.get("platform_fee_rate", "0.10"))
        for view, (function, by) in HOT.items():
            try:
                agree(function(rows, Frame(self.clock, self.zone, fee_rate=rate)), found[view], by)
            except AssertionError as error:
                raise AssertionError(f"{view} after {what}: {error}") from None


@pytest.fixture(scope="module")
def make_hot(
    make_database: Callable[[], str], copy_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[ZoneInfo], Hot]:
    """Each call gives the business of a zone as it was built; what the call before made of it is gone."""
    built: dict[ZoneInfo, tuple[Hot, str]] = {}

    def make(zone: ZoneInfo) -> Hot:
        if zone not in built:
            dsn = make_database()
            source.init(dsn)
            source.seed(dsn, garages=8, months=5, payments=400, seed=3, as_of=AS_OF)
            hot = Hot(settings_in(tmp_path_factory.mktemp("refresh") / "home", postgres_dsn=dsn), dsn, zone)
            hot.build()
            built[zone] = hot, copy_database(dsn)
        hot, kept = built[zone]
        copy_database(kept, onto=hot.dsn)
        return replace(hot, variables={})

    return make


@pytest.fixture
def hot(make_hot: Callable[[ZoneInfo], Hot]) -> Hot:
    return make_hot(UTC_ZONE)


# --------------------------------------------------------------------- random business, with refreshes in between


class Writers:
    """Draws what writers do. `open` are transactions that commit, or do not, after refreshes have passed."""

    def __init__(self, hot: Hot, seed: int) -> None:
        self.hot, self.random = hot, random.Random(seed)
        self.open: list[Connection] = []

    def instant(self) -> datetime:
        """About now, in the past weeks, at the edges of days, of the window and of the month, or to come."""
        frame = Frame(self.hot.clock, self.hot.zone)
        today = frame.local(self.hot.clock).date()
        edges = [self.hot.clock, *(frame.midnight(today - n * DAY) for n in (-1, 0, 1, 2, 8, 89, 90, 91))]
        edges.append(frame.midnight(frame.month(self.hot.clock)))
        near = self.random.choice(edges) + self.random.choice([-TICK, 0 * TICK, TICK, timedelta(hours=-1), DAY / 24])
        far = self.hot.clock + timedelta(minutes=self.random.randint(-120 * 1440, 3 * 1440))
        new = self.hot.clock + self.random.choice([0 * TICK, TICK, timedelta(seconds=30), timedelta(minutes=4)])
        return self.random.choice([near, near, far, new, new])

    def some(self, connection: Connection, table: str, count: int = 1) -> list[Any]:
        rows = connection.execute(f"select id from {table} order by id".encode()).fetchall()
        return [row[0] for row in self.random.sample(rows, min(count, len(rows)))]

    def id(self) -> uuid.UUID:
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def money(self) -> Decimal:
        return Decimal(self.random.randint(1, 20000)) / 100

    def write(self, connection: Connection) -> str:
        """One statement of a kind drawn; its name."""
        kinds = [name for name in dir(self) if name.startswith("do_")]
        kind = self.random.choice(kinds)
        getattr(self, kind)(connection)
        return kind

    def do_pay(self, connection: Connection) -> None:
        for subscription in self.some(connection, "subscriptions", 3):
            connection.execute(
                "insert into payments (id, garage_id, subscription_id, amount, stripe_fee, net_amount, status,"
                " payment_date)"
                " select %s, garage_id, id, %s, %s, %s, %s::payment_status, %s from subscriptions where id = %s",
                [
                    self.id(),
                    self.money(),
                    self.random.choice([None, Decimal("0.59")]),
                    self.random.choice([None, self.money()]),
                    self.random.choice(["succeeded", "succeeded", "failed", "pending"]),
                    self.instant(),
                    subscription,
                ],
            )

    def do_pay_at_once(self, connection: Connection) -> None:
        """Payments of one garage by one statement, so that one note tells of those of a day."""
        ids, instants = [self.id() for _ in range(4)], [self.instant() for _ in range(4)]
        connection.execute(
            "insert into payments (id, garage_id, amount, status, payment_date)"
            " select paid.id, %s, %s, 'succeeded', paid.at from unnest(%s::uuid[], %s::timestamp[]) as paid (id, at)",
            [*self.some(connection, "garages"), self.money(), ids, instants],
        )

    def do_pay_without_subscription(self, connection: Connection) -> None:
        connection.execute(
            "insert into payments (id, garage_id, amount, status, payment_date)"
            " select %s, id, %s, 'succeeded', %s from garages where id = %s",
            [self.id(), self.money(), self.instant(), *self.some(connection, "garages")],
        )

    def change(self, connection: Connection, table: str, assignment: str, *values: Any, count: int = 2) -> None:
        connection.execute(
            f"update {table} set {assignment} where id = any(%s)".encode(),
            [*values, self.some(connection, table, count)],
        )

    def do_settle(self, connection: Connection) -> None:
        status = self.random.choice(["succeeded", "failed", "refunded", "canceled"])
        self.change(connection, "payments", "status = %s::payment_status", status, count=5)

    def do_change_amount(self, connection: Connection) -> None:
        self.change(connection, "payments", "amount = %s, net_amount = null", self.money(), count=5)

    def do_change_date(self, connection: Connection) -> None:
        self.change(connection, "payments", "payment_date = %s", self.instant(), count=3)

    def do_change_garage(self, connection: Connection) -> None:
        self.change(connection, "payments", "garage_id = %s", *self.some(connection, "garages"), count=3)

    def do_change_subscription(self, connection: Connection) -> None:
        self.change(connection, "payments", "subscription_id = %s", *self.some(connection, "subscriptions"), count=3)

    def do_delete_payments(self, connection: Connection) -> None:
        connection.execute("delete from payments where id = any(%s)", [self.some(connection, "payments", 3)])

    def do_rename(self, connection: Connection) -> None:
        self.change(connection, "garages", "name = %s, capacity = %s", f"G {self.money()}", self.random.randint(0, 9))
        self.change(connection, "users", "last_name = %s", f"U {self.money()}", count=30)

    def do_dun(self, connection: Connection) -> None:
        status = self.random.choice(["past_due", "past_due", "unpaid", "active", "trialing", "paused", "incomplete"])
        self.change(connection, "subscriptions", "status = %s::subscription_status", status, count=3)

    def do_cancel(self, connection: Connection) -> None:
        self.change(
            connection,
            "subscriptions",
            "status = %s::subscription_status, canceled_at = %s, cancel_at_period_end = %s, current_period_end = %s",
            self.random.choice(["canceled", "active"]),
            self.random.choice([None, self.instant(), self.instant()]),
            self.random.random() < 0.5,
            self.instant(),
            count=3,
        )

    def do_move_subscription(self, connection: Connection) -> None:
        assigned = "garage_id = %s, monthly_amount = %s, created_at = %s"
        garage = self.some(connection, "garages")[0]
        self.change(connection, "subscriptions", assigned, garage, self.money(), self.instant())

    def do_subscribe(self, connection: Connection) -> None:
        id_, status = self.id(), self.random.choice(["active", "past_due"])
        connection.execute(
            "insert into subscriptions (id, stripe_subscription_id, user_id, garage_id, pass_id, status,"
            " monthly_amount, created_at, current_period_start)"
            " select %s, %s, user_id, garage_id, pass_id, %s::subscription_status, %s, %s, %s"
            " from subscriptions where id = %s",
            [
                *(id_, f"sub_{id_}", status, self.money(), self.instant(), self.instant()),
                *self.some(connection, "subscriptions"),
            ],
        )

    def do_unsubscribe(self, connection: Connection) -> None:
        unpaid = (
            "select s.id from subscriptions as s left join payments as p on p.subscription_id = s.id where p.id is null"
        )
        connection.execute(f"delete from subscriptions where id in ({unpaid} order by 1 limit 1)".encode())

    def do_park(self, connection: Connection) -> None:
        for garage in self.some(connection, "garages", 3):
            values = [self.id(), garage, self.instant()]
            connection.execute("insert into parked (id, garage_id, entered_at) values (%s, %s, %s)", values)

    def do_leave(self, connection: Connection) -> None:
        leaving = self.random.choice([None, self.instant()])
        inside = "select id from parked where exited_at is null or exited_at > %s order by id limit 4"
        connection.execute(
            f"update parked set exited_at = %s where id in ({inside})".encode(), [leaving, self.hot.clock - DAY]
        )

    def do_move_a_stay(self, connection: Connection) -> None:
        self.change(
            connection, "parked", "garage_id = %s, exited_at = null", *self.some(connection, "garages"), count=3
        )
        connection.execute("delete from parked where id = any(%s)", [self.some(connection, "parked", 3)])

    def step(self) -> str:
        """Something happens: a write, a write that waits, the end of one that waited, or time passes."""
        drawn = self.random.random()
        if drawn < 0.25:
            back = self.random.random() < 0.15
            minutes = self.random.choice([1, 1, 5, 5, 60, 600, 1440, 3000, 45 * 1440])
            by = self.random.choice([timedelta(minutes=minutes), timedelta(minutes=minutes), TICK])
            self.hot.move(self.hot.clock + (-by if back else by))
            return f"clock {self.hot.clock}"
        if drawn < 0.4 and len(self.open) < 2:
            connection = psycopg.connect(self.hot.dsn)
            connection.execute("set lock_timeout to '1s'")
            self.open.append(connection)
            return self.attempt(connection, "kept open: ")
        if drawn < 0.55 and self.open:
            connection = self.open.pop(0)
            commits = self.random.random() < 0.7
            connection.commit() if commits else connection.rollback()
            connection.close()
            return "late commit" if commits else "rollback"
        with psycopg.connect(self.hot.dsn) as connection:
            connection.execute("set lock_timeout to '1s'")  # one that waits holds rows
            return self.attempt(connection, "")

    def attempt(self, connection: Connection, prefix: str) -> str:
        try:
            return prefix + self.write(connection)
        except (errors.LockNotAvailable, errors.ForeignKeyViolation, errors.UniqueViolation):
            connection.rollback()
            return prefix + "nothing"


@pytest.mark.parametrize(("zone", "seed"), [(UTC_ZONE, 1), (CHICAGO, 2)], ids=str)
def test_after_any_business_every_cell_is_right(make_hot: Callable[[ZoneInfo], Hot], zone: ZoneInfo, seed: int) -> None:
    hot = make_hot(zone)
    writers = Writers(hot, seed)
    hot.check("the build")
    done: list[str] = []
    try:
        for _ in range(25):
            done += [writers.step() for _ in range(writers.random.randint(1, 5))]
            hot.refresh()
            hot.check(", ".join(done[-12:]))
    finally:
        for connection in writers.open:
            connection.close()
    found = [result.note for result in hot.refresh(reconcile=True).values() if result.note]
    assert found == ["reconciled: 0 rows were missing, 0 wrong, 0 too many"] * 4
    hot.check("reconcile")


def test_the_clock_passes_the_edges_of_days(make_hot: Callable[[ZoneInfo], Hot]) -> None:
    """Around the night of 23 hours and that of 25 in Chicago: payments to come, refreshed just before and after."""
    hot = make_hot(CHICAGO)
    edges = ["2026-03-08 06:00", "2026-03-08 08:00", "2026-03-09 05:00", "2026-11-01 05:00", "2026-11-01 07:00"]
    edges.append("2026-11-02 06:00")
    instants = [datetime.fromisoformat(edge) + n * TICK for edge in edges for n in (-1, 0, 1)]
    for number, instant in enumerate(instants):
        hot.run(
            "insert into payments (garage_id, amount, status, payment_date)"
            " select id, %s, 'succeeded', %s from garages order by id limit 1",
            [number + 1, instant],
        )
    hot.move(instants[0] - DAY)
    for instant in instants:
        hot.move(instant)
        hot.refresh()
        hot.check(f"{instant}")
    # the window's far edge: 90 days after each, to the microsecond of midnight
    for edge in edges:
        frame = Frame(datetime.fromisoformat(edge), CHICAGO)
        later = frame.midnight(frame.local(frame.as_of).date() + 91 * DAY)
        for instant in (later - TICK, later, later + TICK):
            hot.move(instant)
            hot.refresh()
            hot.check(f"{instant}")


# ------------------------------------------------------------------------------------------- named cases


def test_another_fee_or_zone_compares_everything(make_hot: Callable[[ZoneInfo], Hot]) -> None:
    hot = make_hot(UTC_ZONE)
    hot.build(platform_fee_rate="0.125")
    hot.check("another fee")
    hot.zone = CHICAGO
    hot.build()
    hot.check("another zone")
    hot.run(
        "update payments set amount = amount + 1 where garage_id = (select min(garage_id::text)::uuid from payments)"
    )
    hot.refresh()
    hot.check("a refresh in it")


def test_truncate_is_noted(make_hot: Callable[[ZoneInfo], Hot]) -> None:
    hot = make_hot(UTC_ZONE)
    hot.run("truncate payments")
    hot.refresh()
    hot.check("truncate")
    hot.run("truncate parked, subscriptions, payments")
    hot.refresh()
    hot.check("truncate of all")


def test_a_key_noted_after_the_refresh_began_is_not_lost(hot: Hot) -> None:
    """Two writers change one garage's day; one commits before a refresh, the other after it."""
    pay = (
        "insert into payments (garage_id, amount, status, payment_date)"
        " select id, 1, 'succeeded', %s from garages order by id limit 1"
    )
    with psycopg.connect(hot.dsn) as late:
        late.execute(pay, [hot.clock - DAY])
        hot.run(pay, [hot.clock - DAY])
        hot.refresh()
        hot.check("the first")
    hot.refresh()
    hot.check("the late one")
    assert hot.ask("select count(*) from hot.changed_key") == 0


PAY = """
    insert into payments (garage_id, amount, status, payment_date)
    select id, 1, 'succeeded', payment_date
    from (select id from garages order by id limit 1) as garage cross join unnest(%s::timestamp[]) as payment_date
"""


def test_what_the_clock_passes_is_added_and_a_day_with_a_late_payment_counted_anew(hot: Hot) -> None:
    """A mark that no counting gives tells which of the two it was."""
    minute = timedelta(minutes=1)
    today = f"garage_id = (select id from garages order by id limit 1) and day = '{hot.clock:%Y-%m-%d}'"
    mark = f"update hot.sum_daily_payments set gross_revenue = gross_revenue + 1000 where {today}"

    def gross(*dates: datetime) -> Any:
        """After these payments of one statement, of 1 each, and five minutes."""
        hot.run(PAY, [list(dates)])
        hot.move(hot.clock + 5 * minute)
        hot.refresh()
        return hot.ask(f"select gross_revenue from hot.sum_daily_payments where {today}")

    before = gross(hot.clock)
    hot.run(mark)
    start = hot.clock
    assert gross(start, start + minute, start + 5 * minute) == before + 1002  # at a refresh is after it
    assert gross(start + 20 * minute) == before + 1003
    assert gross(start + 10 * minute) == before + 1004
    assert gross(start + 20 * minute) == before + 1004
    assert gross(start + 20 * minute, start + 20 * minute - TICK) == before + 8  # the second is late
    hot.check("what was added and what was late")
    hot.run(mark)
    hot.run("delete from payments where payment_date = %s", [start + 20 * minute])
    assert gross(hot.clock) == before + 6
    hot.check("payments deleted that had been added")


def test_a_view_that_is_as_it_would_be_made_is_left_alone(hot: Hot) -> None:
    """REFRESH would lock it against another. What no summary tells, a garage's name, is noticed all the same."""

    def was_refreshed(view: str) -> bool:
        with psycopg.connect(hot.dsn) as session:
            session.execute("select hot.refresh_one(%s)", [view])
            locks = "select count(*) from pg_locks where relation = %s::regclass and mode = 'ExclusiveLock'"
            found = session.execute(locks.encode(), [f"hot.{view}"]).fetchone()
        assert found is not None
        return bool(found[0])

    hot.refresh()
    assert [view for view in HOT if was_refreshed(view)] == []
    assert all(result.rows for result in hot.refresh().values())
    hot.run("update garages set capacity = capacity + 1, updated_at = now()")
    assert [view for view in HOT if was_refreshed(view)] == ["mv_current_occupancy"]
    hot.run("update garages set name = name || ' ' where id = (select id from garages order by id limit 1)")
    assert {view for view in HOT if was_refreshed(view)} >= HOT.keys() - {"mv_failed_payments"}
    hot.check("a space in a name")


def until_it_waits_for_a_lock(connection: Connection, pid: int, work: Future[Any]) -> None:
    waits = "select count(*) from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
    while connection.execute(waits.encode(), [pid]).fetchone() != (1,):
        assert not work.done()


def test_what_commits_while_a_merge_reads_is_left_for_the_next(hot: Hot) -> None:
    """A payment dated after the refresh before and before this one, which its writer keeps open over the snapshot."""
    hot.run(PAY, [[hot.clock - TICK]])
    hot.refresh()
    with psycopg.connect(hot.dsn) as late, psycopg.connect(hot.dsn) as holder, ThreadPoolExecutor() as pool:
        late.execute(PAY.encode(), [[hot.clock, hot.clock + TICK]])
        hot.run(PAY, [[hot.clock]])
        hot.move(hot.clock + DAY / 24)
        holder.execute("select * from hot.sum_daily_payments for update")
        with psycopg.connect(hot.dsn) as refresher:
            merging = pool.submit(refresher.execute, "select hot.merge_summary('sum_daily_payments')")
            until_it_waits_for_a_lock(holder, refresher.info.backend_pid, merging)
            late.commit()
            holder.rollback()
            merging.result()
    assert hot.ask("select count(*) from hot.changed_key where summary = 'sum_daily_payments'") == 1
    hot.refresh()
    hot.check("the next refresh")


def test_who_owes_is_called_as_they_are(hot: Hot) -> None:
    """A new name before, after and while the subscription falls due; another subscriber; nothing that shows."""
    due = "update subscriptions set status = 'past_due' where user_id = '{}'"
    name = "update users set first_name = first_name || '!', email = 'x' || email where id = '{}'"
    user, other = (hot.ask(f"select id from users where role = 'user' order by id limit 1 offset {n}") for n in (0, 1))
    hot.run(
        "update subscriptions set user_id = %s where id in (select id from subscriptions order by id limit 2)", [user]
    )
    with psycopg.connect(hot.dsn) as late:
        late.execute(name.format(user).encode())
        hot.run(due.format(user))
        hot.refresh()
        hot.check("a name that waits")
    hot.refresh()
    hot.check("the name")
    with psycopg.connect(hot.dsn) as late:
        late.execute(due.format(other).encode())
        hot.run(name.format(other))
        hot.refresh()
    hot.refresh()
    hot.check("the name before the debt")
    hot.run("update subscriptions set user_id = %s where user_id = %s", [other, user])
    hot.refresh()
    hot.check("another subscriber")
    hot.run("update users set phone = '1', updated_at = updated_at + interval '1 day'")
    assert hot.ask("select count(*) from hot.changed_key") == 0


def test_a_prepared_transaction_is_noted(hot: Hot) -> None:
    with psycopg.connect(hot.dsn, autocommit=True) as writer:
        writer.execute("begin")
        writer.execute("update payments set payment_date = payment_date - interval '3 days' where status = 'succeeded'")
        writer.execute("update subscriptions set status = 'past_due'")
        writer.execute("prepare transaction 'vend_later'")
    hot.refresh(reconcile=True)
    hot.check("a reconcile that cannot see it")
    hot.run("commit prepared 'vend_later'")
    hot.refresh()
    hot.check("a refresh that can")


def test_what_was_written_past_the_triggers_is_noticed(hot: Hot) -> None:
    """As a tool that copies rows does, and as pg_restore --disable-triggers does."""
    raise_all = "update payments set amount = amount + 1"
    with psycopg.connect(hot.dsn) as writer:
        writer.execute("set session_replication_role = replica")
        writer.execute(raise_all.encode())
    hot.refresh()
    hot.check("a session that plays a replica")
    for statement in (
        "alter table payments disable trigger all",
        raise_all,
        "alter table payments enable trigger all",
    ):
        hot.run(statement)
    hot.refresh()
    hot.check("triggers switched off and on between two refreshes")
    hot.run(raise_all)
    assert all(result.status == "success" for result in hot.refresh().values())
    hot.check("and on again")


@pytest.mark.parametrize("date", ["294276-12-31 23:59:59", "infinity", "-infinity", "4713-01-01 BC"])
def test_a_date_at_the_end_of_time_stops_nothing(hot: Hot, date: str) -> None:
    pay = (
        "insert into payments (garage_id, amount, status, payment_date)"
        " select id, 7, 'succeeded', %s::timestamp from garages order by id limit 1"
    )
    hot.run(pay, [date])
    hot.run(pay, [str(hot.clock - DAY)])
    hot.run(
        "update subscriptions set status = 'past_due' where id = (select id from subscriptions order by id limit 1)"
    )
    hot.run(
        "insert into payments (garage_id, subscription_id, amount, status, payment_date)"
        " select garage_id, id, 7, 'failed', %s::timestamp from subscriptions order by id limit 1",
        [date],
    )
    hot.refresh()
    uncounted = (
        "select count(*) from hot.mv_failed_payments where days_past_due is null and first_failed_at is not null"
    )
    assert hot.ask(uncounted) == (date == "-infinity")
    hot.run("delete from payments where payment_date > '9999-01-01' or payment_date < '1900-01-01'")
    hot.refresh()
    hot.check(date)


def test_a_reconcile_repairs_and_says_what_it_found(hot: Hot) -> None:
    hot.run("update hot.sum_daily_payments set gross_revenue = gross_revenue + 1 where payment_count = 1")
    wrong = hot.ask("select count(*) from hot.sum_daily_payments where payment_count = 1")
    hot.run("delete from hot.sum_stays")
    stays = hot.refresh(reconcile=True)["sum_stays"]
    note = hot.ask(
        "select note from hot.refresh_log where relation = 'sum_daily_payments' order by started_at desc limit 1"
    )
    assert note == f"reconciled: 0 rows were missing, {wrong} wrong, 0 too many"
    assert stays.note == f"reconciled: {stays.rows} rows were missing, 0 wrong, 0 too many"
    hot.check("a reconcile")
    assert not hot.ask("select hot.reconcile_is_due()")
    assert refresh.refresh(hot.dsn, reconcile=None)[0].relation == "mv_active_subscriptions"


def test_the_procedures_do_what_the_command_does(hot: Hot) -> None:
    hot.run("update payments set amount = amount + 1")
    hot.run("call hot.refresh()")
    hot.check("call hot.refresh()")
    hot.run("update hot.sum_daily_payments set gross_revenue = 0")
    hot.run("call hot.reconcile()")
    hot.check("call hot.reconcile()")


def test_writers_neither_fail_nor_wait(hot: Hot) -> None:
    """Whoever may write payments may go on, without any right on hot, also while a refresh is in the middle."""
    hot.run("create role vend_writer login")
    hot.run("grant select, insert, update, delete on payments, parked, subscriptions to vend_writer")
    hot.run("grant select on garages to vend_writer")
    hot.run("grant select, update on users to vend_writer")
    try:
        with psycopg.connect(hot.dsn) as refresher:
            refresher.execute("select hot.refresh_one(name) from unnest(hot.views_to_refresh()) as name")
            with psycopg.connect(hot.dsn) as writer:
                writer.execute("set role vend_writer")
                writer.execute("set lock_timeout to '1s'")
                with pytest.raises(errors.InsufficientPrivilege):
                    writer.execute("select * from hot.changed_key")
                writer.rollback()
                writer.execute("set role vend_writer")
                writer.execute("set lock_timeout to '1s'")
                for table in ("payments", "subscriptions", "parked"):
                    assert writer.execute(f"update {table} set id = id".encode()).rowcount > 0
                assert writer.execute("update users set last_name = 'Written'").rowcount > 0
                writer.execute("delete from parked")
                writer.rollback()
    finally:
        hot.run("drop owned by vend_writer")
        hot.run("drop role vend_writer")
    hot.refresh()
    hot.check("writers")


def test_without_triggers(hot: Hot) -> None:
    """Whole where there is no index on updated_at; by it where there is one, and the rest at night."""
    hot.build(hot_triggers="false")
    assert refresh.captures(hot.dsn) == dict.fromkeys(("parked", "payments", "subscriptions", "users"), "whole")
    hot.run("delete from payments where status = 'succeeded' and payment_date > %s", [hot.clock - 20 * DAY])
    hot.refresh()
    hot.check("a delete")
    hot.run("create index idx_payments_updated on payments (updated_at)")
    assert refresh.captures(hot.dsn)["payments"] == "updated_at"
    hot.refresh()
    late = psycopg.connect(hot.dsn)
    later = "(select max(updated_at) from payments) + %s"
    change = f"update payments set amount = amount + 1, updated_at = {later} where id = %s"
    ids = [
        row for (row,) in late.execute("select id from payments where status = 'succeeded' order by payment_date desc")
    ]
    late.execute(change, [timedelta(minutes=1), ids[0]])
    hot.run(change, [timedelta(minutes=30), ids[1]])
    hot.refresh()
    hot.check("an update while another waits")
    late.commit()
    late.close()
    hot.refresh()
    hot.check("the one that waited, within the overlap")
    old = [hot.clock - 80 * DAY, hot.clock - 30 * DAY]
    assert hot.run("delete from payments where status = 'succeeded' and payment_date between %s and %s", old)
    hot.refresh()
    with pytest.raises(AssertionError, match="mv_daily_revenue"):
        hot.check("a delete, which updated_at does not show")
    assert (
        hot.refresh(reconcile=True)["sum_daily_payments"].note != "reconciled: 0 rows were missing, 0 wrong, 0 too many"
    )
    hot.check("the reconcile")
    # and back: what was done meanwhile is not lost
    hot.run("delete from payments where id = %s", [ids[1]])
    hot.variables.clear()
    hot.build()
    assert set(refresh.captures(hot.dsn).values()) == {"triggers"}
    hot.check("triggers again")


def test_lost_triggers_cost_time_and_no_figure(hot: Hot) -> None:
    hot.run("drop trigger vend_note_update on payments")
    hot.run("alter table parked disable trigger vend_note_insert")
    hot.run("drop trigger vend_note_update on users")
    try:
        lost = {"parked": "whole", "payments": "whole", "subscriptions": "triggers", "users": "whole"}
        assert refresh.captures(hot.dsn) == lost
        hot.run("update payments set amount = amount + 1")
        hot.run("update users set last_name = 'Unnoted'")
        hot.refresh()
        hot.check("an update without its trigger")
    finally:
        hot.run("alter table parked enable trigger vend_note_insert")
        hot.build("--select", "mv_daily_revenue")
    assert set(refresh.captures(hot.dsn).values()) == {"triggers"}


def test_a_clock_that_is_set_while_a_merge_waits(hot: Hot) -> None:
    """The rows are counted up to the new instant. Noted as of the old one, the next merge would add some once more."""
    hot.refresh()
    hot.run(PAY, [[hot.clock - TICK, hot.clock + TICK]])
    with psycopg.connect(hot.dsn) as build, psycopg.connect(hot.dsn) as refresher, ThreadPoolExecutor() as pool:
        build.execute("select from hot.summary where name = 'sum_daily_payments' for update")
        merging = pool.submit(refresher.execute, "select hot.refresh_one('mv_daily_revenue')")
        with psycopg.connect(hot.dsn, autocommit=True) as watcher:
            until_it_waits_for_a_lock(watcher, refresher.info.backend_pid, merging)
        hot.move(hot.clock + DAY / 24)
        build.rollback()
        merging.result()
        refresher.commit()
    for _ in range(2):
        hot.refresh()
        hot.check("a clock set amid a merge")


def test_other_columns_of_a_summary(hot: Hot) -> None:
    """The views go on reading the old table until each is built anew; then it goes."""
    hot.run("alter table hot.sum_stays add column plate text")
    hot.run("alter table hot.changed_key drop column first_at")  # as of an older version
    hot.run("insert into hot.changed_key select 'sum_daily_payments', id, %s from garages", [hot.clock])
    hot.run("update hot.summary set fingerprint = 'another' where name = 'sum_stays'")
    hot.build("--select", "sum_stays")
    old = "select count(*) from pg_class where relname ~ '__old_[0-9]+$' and relkind = 'r'"
    assert hot.ask(old) == 1
    hot.refresh()
    hot.build("--select", "mv_current_occupancy")
    hot.build("--select", "mv_current_occupancy")
    assert hot.ask(old) == 0
    hot.run("update parked set exited_at = null where id in (select id from parked limit 5)")
    hot.refresh()
    hot.check("another table")


def test_the_log_is_kept_for_a_time_and_the_last_success_for_good(hot: Hot) -> None:
    hot.run(
        "insert into hot.refresh_log (relation, started_at, status) values"
        " ('gone', now() - interval '40 days', 'success'), ('gone', now() - interval '50 days', 'success'),"
        " ('gone', now() - interval '35 days', 'error'), ('gone', now() - interval '20 days', 'error')"
    )
    hot.refresh()
    kept = "select string_agg(status || (now()::date - started_at::date), ' ' order by started_at) from hot.refresh_log"
    assert hot.ask(f"{kept} where relation = 'gone'") == "success40 error20"
    hot.run("delete from hot.refresh_log where relation = 'gone'")


def test_freshness_of_every_view(hot: Hot) -> None:
    hot.refresh()
    hot.run("create materialized view hot.mv_never as select 1 as one")
    try:
        with psycopg.connect(hot.dsn) as connection:
            rows = dict(connection.execute("select relation, age from hot.freshness").fetchall())
        assert rows.keys() == {*HOT, "mv_never"}
        assert rows.pop("mv_never") is None
        assert all(timedelta(0) < age < timedelta(hours=1) for age in rows.values())
    finally:
        hot.run("drop materialized view hot.mv_never")


def test_monitoring_reads_freshness_and_no_figure(hot: Hot) -> None:
    with psycopg.connect(hot.dsn, autocommit=True) as connection:
        connection.execute("set role pg_monitor")
        assert len(connection.execute("select * from hot.freshness").fetchall()) == len(HOT)
        for relation in ("hot.mv_daily_revenue", "hot.sum_daily_payments", "hot.changed_key"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(f"select * from {relation}".encode())


def test_status_tells_views_and_the_last_reconcile(hot: Hot) -> None:
    told = status.as_text(hot.settings)
    assert "summaries reconciled        never" in told
    hot.run("delete from hot.sum_stays")
    hot.refresh(reconcile=True)
    lines = [line for line in status.as_text(hot.settings).splitlines() if line.startswith("Hot ")]
    assert [line.split()[1] for line in lines if " at " not in line] == [*sorted(HOT), "summaries"]
    assert lines[-1].endswith("UTC  see hot.refresh_log")
    hot.refresh(reconcile=True)
    assert status.as_text(hot.settings).count("see hot.refresh_log") == 0


# ----------------------------------------------------------------------------------------------- the lock

WAITING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"


@pytest.mark.parametrize("statement", ["call hot.refresh()", "call hot.reconcile()"])
def test_what_is_cancelled_or_refused_leaves_no_lock(hot: Hot, statement: str) -> None:
    """The session lives on, as one of a pool does."""
    with psycopg.connect(hot.dsn, autocommit=True) as session:
        with psycopg.connect(hot.dsn) as other:
            other.execute("select * from hot.summary for update")  # the first merge waits for it
            session.execute("set statement_timeout to '200ms'")
            with pytest.raises(errors.QueryCanceled):
                session.execute(statement.encode())
        with session.transaction(), pytest.raises(errors.InvalidTransactionTermination), session.transaction():
            session.execute(statement.encode())
        hot.refresh()


# a lock on which a refresh waits in the middle: of a merge, with rows to put; of REFRESH, with rows to read
MIDDLES = {
    "merge": ("mv_current_month_metrics", "select * from hot.sum_daily_payments for update"),
    "refresh": ("mv_active_subscriptions", "lock table garages"),
}


@pytest.mark.parametrize("middle", MIDDLES)
def test_a_killed_refresh_leaves_no_lock_and_nothing_done_by_half(hot: Hot, middle: str) -> None:
    """Its session is ended from outside while it waits; its view is as old as it says, and the next one is right."""
    cut, lock = MIDDLES[middle]
    state = f"""
        select string_agg(relation || last_success_at, ' ' order by relation) || (select count(*) from hot.changed_key)
        from hot.freshness where relation >= '{cut}'
    """
    hot.refresh()
    hot.run("update payments set amount = amount + 1")
    hot.run("update subscriptions set monthly_amount = monthly_amount + 1")
    hot.move(hot.clock + DAY / 24)
    with psycopg.connect(hot.dsn) as holder, psycopg.connect(hot.dsn, autocommit=True) as session:
        holder.execute(lock.encode())
        with ThreadPoolExecutor() as pool:
            refreshing = pool.submit(session.execute, "call hot.refresh()")
            until_it_waits_for_a_lock(holder, session.info.backend_pid, refreshing)
            before = hot.ask(state)
            holder.execute("select pg_terminate_backend(%s, 10000)", [session.info.backend_pid])
            with pytest.raises(errors.AdminShutdown):
                refreshing.result()
        assert hot.ask("select count(*) from pg_locks where locktype = 'advisory'") == 0
        assert hot.ask(state) == before
    hot.refresh()
    hot.check(f"a kill in the middle of a {middle}")


def test_a_reconcile_waits_for_the_refresh_of_the_same_minute(hot: Hot) -> None:
    with psycopg.connect(hot.dsn, autocommit=True) as other, ThreadPoolExecutor() as pool:
        for reconcile in (lambda: hot.run("call hot.reconcile()"), lambda: hot.refresh(reconcile=True)):
            other.execute("select hot.begin_refresh()")
            waiting = pool.submit(reconcile)
            while other.execute(WAITING.encode()).fetchone() == (0,):
                assert not waiting.done()
            other.execute("select hot.end_refresh()")
            waiting.result()
    assert hot.ask("select count(*) from hot.refresh_log where note is not null") == 8


def test_a_refresh_under_a_short_timeout_of_its_role(hot: Hot) -> None:
    name = conninfo.conninfo_to_dict(hot.dsn)["dbname"]
    hot.run(f"alter database {name} set statement_timeout to '1ms'")
    hot.refresh(reconcile=True)


# ------------------------------------------------------------------------------------------ again and again


class Time:
    """A clock that only waiting and working moves."""

    def __init__(self, work: list[float | VendError], rounds: int) -> None:
        self.now, self.work, self.rounds = 1000.0, work, rounds
        self.begun: list[float] = []
        self.lines: list[str] = []

    def once(self) -> list[Refreshed]:
        self.begun.append(self.now - 1000)
        took = self.work.pop(0) if self.work else 1.0
        if isinstance(took, VendError):
            raise took
        self.now += took
        return [Refreshed("mv", "success", 1, took, None)]

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return len(self.begun) == self.rounds

    def run(self, seconds: float) -> list[float]:
        refresh.every(seconds, self.once, wait=self.wait, say=self.lines.append, now=lambda: self.now)
        return self.begun


def test_every_keeps_to_the_grid() -> None:
    assert Time([7, 150, 0], 4).run(300) == [0, 300, 600, 900]


def test_every_never_overlaps_and_skips_what_it_missed() -> None:
    assert Time([700, 1], 3).run(300) == [0, 900, 1200]


def test_every_backs_off_and_returns_to_the_grid() -> None:
    lost = VendError("Postgres does not answer.")
    clock = Time([1, lost, lost, lost, 1], 6)
    assert clock.run(300) == [0, 300, 302, 306, 314, 600]
    assert clock.lines[1] == "Error: Postgres does not answer. Trying again in 2 s."
    assert len(clock.lines) == 6
    assert Time([lost] * 9, 9).run(5)[-3:] == [62 + 60 * n for n in range(1, 3 + 1)]


def test_every_lets_another_refresh_have_its_turn() -> None:
    assert Time([BusyError("Another refresh"), 1], 2).run(300) == [0, 300]


def test_every_ends_on_wrong_usage() -> None:
    with pytest.raises(UsageError):
        Time([UsageError("no address")], 2).run(300)


def test_a_round_stops_between_relations(hot: Hot) -> None:
    answers = iter([False, False, True])
    done = refresh.refresh(hot.dsn, stopped=lambda: next(answers))
    assert [result.relation for result in done] == ["mv_active_subscriptions", "mv_current_month_metrics"]
    hot.refresh()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 1)])
def test_a_signal_ends_the_command(hot: Hot, number: int, code: int) -> None:
    """Between two rounds. One line was said of the clock, one for the round, and no lock is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vend", "refresh", "--every", "3600"],
        env=os.environ | {"VEND_POSTGRES_DSN": hot.dsn, "VEND_HOME": str(hot.settings.home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "clock of the hot views stands" in process.stderr.readline()
    assert "relations brought up to date" in process.stderr.readline()
    process.send_signal(number)
    process.stderr.read()
    assert process.wait(30) == code
    hot.refresh()


def test_a_restarted_connection_is_one_failed_round(hot: Hot) -> None:
    """The server ends the session in the middle; the next round is as good as any."""
    with psycopg.connect(hot.dsn, autocommit=True) as other:

        def cut() -> bool:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = 'vend'"
            )
            return False

        with pytest.raises(VendError, match="The refresh failed"):
            refresh.refresh(hot.dsn, stopped=cut)
    assert len(hot.refresh()) == 5


# ------------------------------------------------------------------------------------------------ pg_cron


def test_schedule_without_pg_cron_says_what_to_do(hot: Hot) -> None:
    with pytest.raises(VendError, match=r"pg_cron is not installed .* --every 300"):
        refresh.schedule(hot.dsn)


@pytest.mark.parametrize("seconds", [30, 90, 420, 7200])
def test_schedule_refuses_what_cron_cannot_say(hot: Hot, seconds: int) -> None:
    with pytest.raises(UsageError, match="300"):
        refresh.schedule(hot.dsn, seconds)

"""Purchases that nobody here made up: what the customers of CDNOW bought from January 1997 to June 1998.

The text file is in the package lifetimes (requirements-no-deps.txt). Its days are shifted by 28 years, which keeps the
day of the week. Each customer buys in one garage and has one subscription there: from the first instant of the day of
the first purchase to the last instant of the day of the last one, so in force on exactly those days. Whoever bought in
the file's last month has not ended. What is expected is counted from the lines of the file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest
from conftest import settings_in
from psycopg import sql

from vend import dbt, source, sync
from vend.settings import Settings

FILE = "CDNOW_master.txt"
YEARS = 28
FIRST_DAY, LAST_DAY = date(2025, 1, 1), date(2026, 6, 30)
LAST_MONTH = LAST_DAY.replace(day=1)
DAY = timedelta(days=1)
EVENING = datetime.combine(LAST_DAY, time(18))
GARAGES = 7
PRICES = [Decimal(n) + Decimal("19.95") for n in range(GARAGES)]
# unit tests bring rows of their own
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
NO_TESTS = (*NO_UNIT_TESTS, "--exclude-resource-type", "test")


@dataclass(frozen=True)
class Purchase:
    """A line of the file. day: shifted; dollars: 0 for what was free."""

    customer: int
    day: date
    dollars: Decimal

    @property
    def stripe_fee(self) -> Decimal | None:
        """None where there was nothing to take it from."""
        return cents(self.dollars * Decimal("0.029") + Decimal("0.30")) if self.dollars else None

    @property
    def platform_fee(self) -> Decimal:
        return cents(self.dollars * Decimal("0.10"))


@dataclass
class Customer:
    """Days of the first and the last purchase."""

    first: date
    last: date

    @property
    def ended_on(self) -> date | None:
        return self.last if self.last < LAST_MONTH else None


# ------------------------------------------------------------------------------------------- the file


@cache
def purchases() -> list[Purchase]:
    try:
        packed = metadata.files("lifetimes") or []
    except metadata.PackageNotFoundError:
        packed = []
    found = [Path(str(path.locate())) for path in packed if path.name == FILE]
    if not found or not found[0].exists():
        install = "python -m pip install --no-deps -r requirements-no-deps.txt"
        pytest.fail(f"{FILE} of the package lifetimes is not here. Run `.venv/bin/{install}`.", pytrace=False)
    header, *lines = found[0].read_text(encoding="ascii").splitlines()
    assert header.split() == ["customer_id", "date", "number_of_cds", "dollar_value"]
    bought = []
    for line in lines:
        customer, digits, _, dollars = line.split()
        day = date(int(digits[:4]) + YEARS, int(digits[4:6]), int(digits[6:]))
        bought.append(Purchase(int(customer), day, Decimal(dollars)))
    return bought


@cache
def customers() -> dict[int, Customer]:
    found: dict[int, Customer] = {}
    for purchase in purchases():
        known = found.setdefault(purchase.customer, Customer(purchase.day, purchase.day))
        known.first, known.last = min(known.first, purchase.day), max(known.last, purchase.day)
    return found


def garage_of(customer: int) -> int:
    return customer % GARAGES


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def month_of(day: date) -> date:
    return day.replace(day=1)


def months(first: date, last: date) -> list[date]:
    """Those from the one day's to the other's."""
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]


def test_the_file_is_the_one_everybody_counts() -> None:
    bought = purchases()
    assert len(bought) == 69_659
    assert customers().keys() == set(range(1, 23_571))
    assert (min(p.day for p in bought), max(p.day for p in bought)) == (FIRST_DAY, LAST_DAY)
    assert FIRST_DAY.weekday() == date(1997, 1, 1).weekday()
    assert sum(p.dollars == 0 for p in bought) == 80
    assert len({(p.customer, p.day) for p in bought}) < len(bought)
    assert sum(c.first == c.last for c in customers().values()) > 10_000


# ------------------------------------------------------------------------------------------- the pipeline


Row = tuple[Any, ...]
Read = dict[Row, Row]
"""A relation's rows by their key."""
HotRows = Callable[[str, int, str], Read]
"""Call it with a hot view, the number of columns that are its key, and the columns."""


@dataclass(frozen=True)
class Stage:
    """What the cold side says, in the order of the columns below. until: the first day that does not count."""

    until: date
    revenue: Read
    people: Read
    platform_revenue: Read
    platform_people: Read
    cohorts: Read


REVENUE = "payment_count, gross_revenue, total_stripe_fees, total_platform_fees, garage_profit"
PEOPLE = (
    "opening_subscriptions, new_subscriptions, churned_subscriptions, active_subscriptions, unique_customers,"
    " monthly_recurring_revenue"
)
PLATFORM_REVENUE = (
    "total_payment_count, total_gross_revenue, total_stripe_fees, total_platform_fees, total_garage_profit"
)
PLATFORM_PEOPLE = (
    "total_opening_subscriptions, total_new_subscriptions, total_churned_subscriptions, total_active_subscriptions,"
    " total_unique_customers, total_monthly_recurring_revenue"
)
COHORTS = "garage_id, cohort_month, months_since_start, cohort_size, retained_users, retention_rate, cohort_value"


def key(kind: int, number: int) -> str:
    return f"{kind:08d}-0000-4000-8000-{number:012d}"


GARAGE_IDS = [key(1, garage) for garage in range(GARAGES)]


def rows() -> Iterator[tuple[str, tuple[str, ...], Iterable[tuple[Any, ...]]]]:
    """(table, columns, rows) of the operational schema."""
    opened = datetime.combine(FIRST_DAY, time())
    garages = range(GARAGES)
    yield (
        "garages",
        ("id", "name", "address", "capacity", "created_at", "updated_at"),
        ((id_, f"CDNOW {id_[-1]}", "1 Main St, Ambler, PA 19002", 100, opened, opened) for id_ in GARAGE_IDS),
    )
    yield (
        "passes",
        ("id", "garage_id", "name", "monthly_amount", "created_at", "updated_at"),
        ((key(2, n), GARAGE_IDS[n], "Records", PRICES[n], opened, opened) for n in garages),
    )
    began = {number: datetime.combine(customer.first, time()) for number, customer in customers().items()}
    yield (
        "users",
        ("id", "email", "created_at", "updated_at"),
        ((key(3, number), f"{number}@cdnow.example", at, at) for number, at in began.items()),
    )
    yield (
        "subscriptions",
        (
            *("id", "stripe_subscription_id", "user_id", "garage_id", "pass_id", "status", "canceled_at"),
            *("current_period_start", "current_period_end", "monthly_amount", "created_at", "updated_at"),
        ),
        (subscription(number, customer) for number, customer in customers().items()),
    )
    yield (
        "payments",
        (
            *("id", "stripe_payment_intent_id", "subscription_id", "garage_id", "amount", "stripe_fee"),
            *("status", "payment_date", "created_at", "updated_at"),
        ),
        (payment(number, purchase) for number, purchase in enumerate(purchases(), start=1)),
    )


def subscription(number: int, customer: Customer) -> tuple[Any, ...]:
    garage, began = garage_of(number), datetime.combine(customer.first, time())
    ended = customer.ended_on and datetime.combine(customer.ended_on, time.max)
    return (
        *(key(4, number), f"sub_{number}", key(3, number), GARAGE_IDS[garage], key(2, garage)),
        *("canceled" if ended else "active", ended, began, datetime.combine(customer.last, time.max)),
        *(PRICES[garage], began, ended or began),
    )


def payment(number: int, purchase: Purchase) -> tuple[Any, ...]:
    """At midnight, where the day, and now and then the month, begins."""
    at = datetime.combine(purchase.day, time())
    return (
        *(key(5, number), f"pi_{number}", key(4, purchase.customer), GARAGE_IDS[garage_of(purchase.customer)]),
        *(purchase.dollars, purchase.stripe_fee, "succeeded", at, at, at),
    )


def build(settings: Settings, side: str, dsn: str | None, as_of: datetime, *arguments: str) -> None:
    outcome = dbt.build(settings, side, dsn=dsn, as_of=as_of, arguments=arguments)
    assert outcome.ok, outcome.failures
    assert outcome.count("warn") == 0


@pytest.fixture(scope="module")
def pipeline(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    purchases()  # fails here, in a sentence, where the file is missing
    dsn = make_database()
    source.init(dsn)
    with psycopg.connect(dsn) as connection:
        for table, columns, content in rows():
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table), names)
            with connection.cursor().copy(statement) as copy:
                for row in content:
                    copy.write_row(row)
    settings = settings_in(tmp_path_factory.mktemp("cdnow") / "home", postgres_dsn=dsn)
    run = sync.sync(settings, dsn)
    assert run.ok, sync.as_text(run)
    assert {table.table: table.raw_rows for table in run.tables if table.raw_rows} == {
        "garages": GARAGES,
        "passes": GARAGES,
        "users": 23_570,
        "subscriptions": 23_570,
        "payments": 69_659,
    }
    return settings, dsn


@pytest.fixture(scope="module")
def whole(pipeline: tuple[Settings, str]) -> Stage:
    """In the evening of the file's last day, with all of dbt's tests of data."""
    settings, _ = pipeline
    build(settings, "cold", None, EVENING, *NO_UNIT_TESTS)
    return stage(settings, LAST_DAY + DAY)


@pytest.fixture(scope="module")
def looking_back(pipeline: tuple[Settings, str], whole: Stage) -> Stage:
    """The same rows seen from a day in the middle, when most of the purchases and ends had yet to come."""
    settings, _ = pipeline
    until = date(2025, 10, 16)
    build(settings, "cold", None, datetime.combine(until, time()), *NO_TESTS)
    return stage(settings, until)


@pytest.fixture(scope="module")
def hot(pipeline: tuple[Settings, str]) -> HotRows:
    """The hot side in the evening of the file's last day."""
    settings, dsn = pipeline
    build(settings, "hot", dsn, EVENING, *NO_UNIT_TESTS)

    def read_view(view: str, keys: int, columns: str) -> Read:
        with psycopg.connect(dsn) as connection:
            return keyed(connection.execute(f"select {columns} from reporting.{view}".encode()).fetchall(), keys)

    return read_view


def stage(settings: Settings, until: date) -> Stage:
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:

        def read(relation: str, keys: int, columns: str) -> Read:
            return keyed(connection.execute(f"select {columns} from reports.{relation}").fetchall(), keys)

        return Stage(
            until,
            read("rpt_garage_monthly_pl", 2, f"garage_id, month, {REVENUE}"),
            read("rpt_garage_monthly_pl", 2, f"garage_id, month, {PEOPLE}"),
            read("rpt_executive_dashboard", 1, f"month, {PLATFORM_REVENUE}"),
            read("rpt_executive_dashboard", 1, f"month, {PLATFORM_PEOPLE}"),
            read("rpt_cohort_retention", 3, COHORTS),
        )


def keyed(found: Iterable[Row], keys: int) -> Read:
    """Rows by their first columns, ids as text. A key that comes twice fails."""
    rows = [tuple(str(value) if isinstance(value, UUID) else value for value in row) for row in found]
    result = {row[:keys]: row[keys:] for row in rows}
    assert len(result) == len(rows)
    return result


# ------------------------------------------------------------------------------------------- what is expected

STAGES = pytest.mark.parametrize("name", ["whole", "looking_back"])


def revenue(bought: Iterable[Purchase]) -> Row:
    """In the order of REVENUE."""
    bought = list(bought)
    gross = sum((p.dollars for p in bought), Decimal())
    stripe = sum((p.stripe_fee or Decimal() for p in bought), Decimal())
    platform = sum((p.platform_fee for p in bought), Decimal())
    return len(bought), gross, stripe, platform, gross - stripe - platform


def people(theirs: Iterable[Customer], month: date, until: date) -> Row:
    """In the order of PEOPLE. Each customer has one subscription, in force in each month from first to last."""
    opening = new = churned = active = 0
    for customer in theirs:
        if customer.first < until:
            first, last = month_of(customer.first), last_month(customer, until)
            opening += first < month <= last
            new += first == month
            churned += last == month
            active += first <= month < last
    return opening, new, churned, active, active


def last_month(customer: Customer, until: date) -> date:
    """The month in which the subscription ended, as far as it has ended."""
    ended = customer.ended_on
    return month_of(ended) if ended and ended < until else date.max


def by_garage() -> list[list[Customer]]:
    theirs: list[list[Customer]] = [[] for _ in range(GARAGES)]
    for number, customer in customers().items():
        theirs[garage_of(number)].append(customer)
    return theirs


def bought_by(until: date, place: Callable[[Purchase], Row]) -> dict[Row, list[Purchase]]:
    """The purchases before a day, by a place each has."""
    found = defaultdict(list)
    for purchase in purchases():
        if purchase.day < until:
            found[place(purchase)].append(purchase)
    return found


@STAGES
def test_revenue_by_month(request: pytest.FixtureRequest, name: str) -> None:
    stage: Stage = request.getfixturevalue(name)
    calendar = months(FIRST_DAY, stage.until - DAY)
    bought = bought_by(stage.until, lambda p: (GARAGE_IDS[garage_of(p.customer)], month_of(p.day)))
    places = [(garage, month) for garage in GARAGE_IDS for month in calendar]
    assert stage.revenue == {place: revenue(bought.get(place, [])) for place in places}
    bought = bought_by(stage.until, lambda p: (month_of(p.day),))
    assert stage.platform_revenue == {(month,): revenue(bought.get((month,), [])) for month in calendar}


@STAGES
def test_customers_and_subscriptions_by_month(request: pytest.FixtureRequest, name: str) -> None:
    stage: Stage = request.getfixturevalue(name)
    calendar = months(FIRST_DAY, stage.until - DAY)
    expected: Read = {}
    for garage, theirs in enumerate(by_garage()):
        for month in calendar:
            counts = people(theirs, month, stage.until)
            expected[GARAGE_IDS[garage], month] = (*counts, counts[3] * PRICES[garage])
    assert stage.people == expected
    platform = {(month,): people(customers().values(), month, stage.until) for month in calendar}
    assert {month: row[:-1] for month, row in stage.platform_people.items()} == platform
    assert {month: row[-1] for month, row in stage.platform_people.items()} == {
        (month,): sum(row[-1] for (_, m), row in expected.items() if m == month) for month in calendar
    }


@STAGES
def test_cohort_retention(request: pytest.FixtureRequest, name: str) -> None:
    stage: Stage = request.getfixturevalue(name)
    expected: Read = {}
    for garage, theirs in enumerate(by_garage()):
        known = [customer for customer in theirs if customer.first < stage.until]
        for cohort in {month_of(customer.first) for customer in known}:
            lasts = [last_month(customer, stage.until) for customer in known if month_of(customer.first) == cohort]
            for since, month in enumerate(months(cohort, stage.until - DAY)):
                retained = sum(last >= month for last in lasts)
                rate = cents(Decimal(100 * retained) / len(lasts))
                value = len(lasts) * PRICES[garage]
                expected[GARAGE_IDS[garage], f"{cohort:%Y-%m}", since] = (len(lasts), retained, rate, value)
    assert stage.cohorts == expected
    assert len(expected) == GARAGES * sum(len(months(date(2025, m, 1), stage.until - DAY)) for m in (1, 2, 3))


def test_what_is_known_of_the_file_comes_out(whole: Stage) -> None:
    """The file's own totals, and that it reaches the edges for which it was taken."""
    assert sum(row[0] for row in whole.platform_revenue.values()) == 69_659
    assert sum(row[1] for row in whole.platform_revenue.values()) == sum(p.dollars for p in purchases())
    new = {month: row[1] for (month,), row in whole.platform_people.items() if row[1]}
    assert set(new) == {date(2025, 1, 1), date(2025, 2, 1), date(2025, 3, 1)}
    assert sum(new.values()) == 23_570
    churned = {month for (month,), row in whole.platform_people.items() if row[2]}
    assert churned == set(months(FIRST_DAY, LAST_MONTH - DAY))
    assert any(p.day == month_of(p.day) for p in purchases())


def test_hot_daily_revenue(hot: HotRows) -> None:
    found = hot("mv_daily_revenue", 2, f"garage_id, payment_date, {REVENUE}")
    bought = bought_by(LAST_DAY + DAY, lambda p: (GARAGE_IDS[garage_of(p.customer)], p.day))
    days = [LAST_DAY - n * DAY for n in range(91)]
    assert found == {(garage, day): revenue(bought.get((garage, day), [])) for garage in GARAGE_IDS for day in days}


def test_hot_subscriptions_and_current_month(hot: HotRows) -> None:
    counts = [people(theirs, LAST_MONTH, LAST_DAY + DAY) for theirs in by_garage()]
    active = hot("mv_active_subscriptions", 1, "garage_id, active_count, unique_customers, monthly_recurring_revenue")
    assert active == {
        (GARAGE_IDS[garage],): (count[3], count[4], count[3] * PRICES[garage]) for garage, count in enumerate(counts)
    }
    found = hot(
        "mv_current_month_metrics",
        1,
        "garage_id, month, mtd_payment_count, mtd_revenue, mtd_stripe_fees, mtd_platform_fees, mtd_garage_profit,"
        " opening_subscriptions, mtd_new_subscriptions, mtd_cancellations, active_subscriptions",
    )
    bought = bought_by(LAST_DAY + DAY, lambda p: (GARAGE_IDS[garage_of(p.customer)], month_of(p.day)))
    assert found == {
        (GARAGE_IDS[garage],): (LAST_MONTH, *revenue(bought[GARAGE_IDS[garage], LAST_MONTH]), *count[:4])
        for garage, count in enumerate(counts)
    }

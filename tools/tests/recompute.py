"""The figures once more, in plain Python: operational rows in, the rows that a relation must hold out.

Written from the rulings in the design and not from the SQL, so that a slip in either shows. A source is
{table: [row, ...]}, a row is {column: value}: ids and enums as text, money as Decimal, instants as naive
UTC datetimes. Every function below returns a list of rows in no particular order.
"""

from __future__ import annotations

import calendar
import importlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import recompute_customers
from psycopg.rows import dict_row

UTC_ZONE = ZoneInfo("UTC")

Row = dict[str, Any]
Source = dict[str, list[Row]]

TABLES = (
    *("users", "garages", "passes", "subscriptions", "payments", "parked", "garage_daily_occupancy"),
    "pass_price_history",
)
CENT = Decimal("0.01")
ZERO = Decimal(0)
NOT_BEGUN = ("incomplete", "incomplete_expired")
DUNNING = ("past_due", "unpaid", "trialing", "paused")

REGIONS = {
    "Northeast": "CT Connecticut,ME Maine,MA Massachusetts,NH New Hampshire,RI Rhode Island,VT Vermont,"
    "NJ New Jersey,NY New York,PA Pennsylvania",
    "Midwest": "IL Illinois,IN Indiana,MI Michigan,OH Ohio,WI Wisconsin,IA Iowa,KS Kansas,MN Minnesota,"
    "MO Missouri,NE Nebraska,ND North Dakota,SD South Dakota",
    "South": "DE Delaware,DC District of Columbia,FL Florida,GA Georgia,MD Maryland,NC North Carolina,"
    "SC South Carolina,VA Virginia,WV West Virginia,AL Alabama,KY Kentucky,MS Mississippi,TN Tennessee,"
    "AR Arkansas,LA Louisiana,OK Oklahoma,TX Texas",
    "West": "AZ Arizona,CO Colorado,ID Idaho,MT Montana,NV Nevada,NM New Mexico,UT Utah,WY Wyoming,"
    "AK Alaska,CA California,HI Hawaii,OR Oregon,WA Washington",
}
REGION_OF = {
    name.casefold(): region
    for region, states in REGIONS.items()
    for state in states.split(",")
    for name in state.split(" ", 1)
}


@dataclass(frozen=True)
class Frame:
    """What a build is told. as_of: naive UTC. zone: of days and months."""

    as_of: datetime
    zone: ZoneInfo = UTC_ZONE
    currency: str = "usd"
    fee_rate: Decimal = Decimal("0.10")

    def local(self, instant: datetime) -> datetime:
        return instant.replace(tzinfo=UTC).astimezone(self.zone).replace(tzinfo=None)

    def day(self, instant: datetime | None) -> date | None:
        return None if instant is None else self.local(instant).date()

    def midnight(self, day: date) -> datetime:
        """The instant (naive UTC) at which the local day begins."""
        local = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return local.astimezone(UTC).replace(tzinfo=None)

    def month(self, instant: datetime) -> date:
        return self.local(instant).date().replace(day=1)


def read(dsn: str) -> Source:
    """The operational tables as they are now, all from one snapshot."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("set transaction isolation level repeatable read read only")
        return {table: [_plain(row) for row in connection.execute(f"select * from public.{table}")] for table in TABLES}


def _plain(row: Row) -> Row:
    return {
        name: str(value) if name == "id" or (name.endswith("_id") and value) else value for name, value in row.items()
    }


# ------------------------------------------------------------------------------------------ small rules


def rounded(exact: Fraction, digits: int) -> Decimal:
    """Half away from zero."""
    shifted = abs(exact) * 10**digits + Fraction(1, 2)
    whole = shifted.numerator // shifted.denominator
    return Decimal(whole if exact >= 0 else -whole).scaleb(-digits)


def ratio(
    over: Decimal | int | None, under: Decimal | int | None, *, times: int = 1, digits: int = 4
) -> Decimal | None:
    """over / under × times, None where there is no base."""
    if over is None or not under:
        return None
    return rounded(Fraction(over) / Fraction(under) * times, digits)


def growth(now: Decimal, before: Decimal | None) -> Decimal | None:
    return None if before is None else ratio(now - before, before, times=100)


def total(values: Iterable[Decimal | None]) -> Decimal:
    return sum((value for value in values if value is not None), ZERO)


def trim(text: str | None) -> str | None:
    return None if text is None else text.strip(" ")


def next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def net(payment: Row) -> Decimal:
    if payment["net_amount"] is not None:
        return Decimal(payment["net_amount"])
    return Decimal(payment["amount"] - (payment["stripe_fee"] or ZERO))


def platform_fee(payment: Row, frame: Frame) -> Decimal:
    return Decimal(payment["amount"] * frame.fee_rate).quantize(CENT, ROUND_HALF_UP)


def profit(payment: Row, frame: Frame) -> Decimal:
    return net(payment) - platform_fee(payment, frame)


def begun(subscription: Row) -> bool:
    return subscription["status"] not in NOT_BEGUN


def ended_at(subscription: Row) -> datetime | None:
    canceled: datetime | None = subscription["canceled_at"]
    period_end: datetime | None = subscription["current_period_end"]
    updated: datetime | None = subscription["updated_at"]
    created: datetime = subscription["created_at"]
    if canceled is None:
        return max(updated or created, created) if subscription["status"] == "canceled" else None
    if subscription["cancel_at_period_end"] and period_end is not None:
        return max(canceled, period_end, created)
    return max(canceled, created)


def in_force(subscription: Row, at: datetime) -> bool:
    end = ended_at(subscription)
    return begun(subscription) and subscription["created_at"] < at and (end is None or end >= at)


def in_force_within(subscription: Row, start: datetime, end: datetime) -> bool:
    """In force at some instant of [start, end)."""
    stop, created = ended_at(subscription), subscription["created_at"]
    return begun(subscription) and created < end and (stop is None or (stop >= start and stop > created))


def amounts(states: list[tuple[Source, datetime]]) -> list[Row]:
    """Rows of (subscription_id, since, monthly_amount): what the subscriptions cost, as successive syncs found them.

    states: what stood in the source at each sync, and when that began (naive UTC), in order. since: None for the
    first, which holds from the start. A change counts from updated_at if that moved since the sync before and is not
    ahead of the sync's own time, else from the sync on.
    """
    rows: list[Row] = []
    last: dict[str, tuple[Row, datetime]] = {}
    for source, synced in states:
        for row in source["subscriptions"]:
            before, since = last.get(row["id"], (None, min(row["updated_at"], synced)))
            if before is None or (before["status"], before["monthly_amount"]) != (row["status"], row["monthly_amount"]):
                if before is not None:
                    touched = max(since, before["updated_at"]) < row["updated_at"] <= synced
                    since = row["updated_at"] if touched else max(synced, since + timedelta(microseconds=1))
                rows.append(
                    {
                        "subscription_id": row["id"],
                        "since": None if before is None else since,
                        "monthly_amount": row["monthly_amount"],
                    }
                )
            last[row["id"]] = row, since
    return rows


def recurring(source: Source, subscriptions: list[Row], at: datetime) -> Decimal:
    """Sum of the monthly amounts that held just before the instant; today's where there is no history."""
    held = {
        row["subscription_id"]: row["monthly_amount"]
        for row in source.get("amounts", [])
        if row["since"] is None or row["since"] < at
    }
    return total(held.get(row["id"], row["monthly_amount"]) for row in subscriptions)


def within(instant: datetime | None, start: datetime, end: datetime) -> bool:
    return instant is not None and start <= instant < end


def currencies(source: Source, frame: Frame) -> dict[str, str]:
    """The currency of each garage, by id: of what went through there, else of what was attempted."""
    went_through_last = sorted(source["payments"], key=lambda row: row["status"] in ("succeeded", "refunded"))
    seen = {row["garage_id"]: row["currency"].strip(" ").lower() for row in went_through_last}
    return {row["id"]: seen.get(row["id"], frame.currency) for row in source["garages"]}


def amount_in(currency: str, payment: Row) -> Decimal | None:
    """What was asked for, None where that was in another currency."""
    return payment["amount"] if payment["currency"].strip(" ").lower() == currency else None


def region(address: str | None) -> str:
    """By the US state near the end of a one-line address: '…, Austin, TX 78701' or '…, Texas, USA'."""
    parts = [part.strip() for part in (address or "").split(",")]
    if parts and parts[-1].casefold() in ("usa", "us", "united states"):
        parts.pop()
    words = parts[-1].split() if len(parts) > 1 else []
    if words and words[-1].replace("-", "").isdigit():
        words.pop()
    if not words and len(parts) > 2:
        words = parts[-2].split()
    return REGION_OF.get(" ".join(words).casefold(), "Other")


def by_id(rows: list[Row]) -> dict[str, Row]:
    return {row["id"]: row for row in rows}


def grouped(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    return groups


def succeeded(source: Source) -> list[Row]:
    return [row for row in source["payments"] if row["status"] == "succeeded"]


def list_price(offer: Row, changes: list[Row], at: datetime) -> Decimal | None:
    """What a pass is sold at, at the instant; changes: those of its price, in any order.

    A change counts from its effective_date on, of several at one instant the one recorded last. Before the first: what
    that one says the price had been. No change at all: the pass's own price.
    """
    if not changes:
        return Decimal(offer["monthly_amount"])
    in_order = sorted(changes, key=lambda row: (row["effective_date"], row["created_at"], row["id"]))
    past = [row["new_price"] for row in in_order if row["effective_date"] <= at]
    price: Decimal | None = past[-1] if past else in_order[0]["old_price"]
    return price


# ------------------------------------------------------------------------------------------- dimensions


def dim_users(source: Source, frame: Frame) -> list[Row]:
    return [
        {
            "user_id": row["id"],
            "first_name": trim(row["first_name"]),
            "last_name": trim(row["last_name"]),
            "email": row["email"].strip(" ").lower(),
            "phone": row["phone"],
            "stripe_customer_id": row["stripe_customer_id"],
            "user_created_at": row["created_at"],
            "user_cohort_month": f"{frame.local(row['created_at']):%Y-%m}",
        }
        for row in source["users"]
    ]


def dim_garages(source: Source, frame: Frame) -> list[Row]:
    currency = currencies(source, frame)
    return [
        {
            "garage_id": row["id"],
            "garage_name": trim(row["name"]),
            "garage_address": trim(row["address"]),
            "garage_capacity": row["capacity"],
            "stripe_account_id": row["stripe_account_id"],
            "garage_region": region(row["address"]),
            "garage_created_at": row["created_at"],
            "currency": currency[row["id"]],
        }
        for row in source["garages"]
    ]


def dim_passes(source: Source, frame: Frame) -> list[Row]:
    garages = by_id(source["garages"])
    return [
        {
            "pass_id": row["id"],
            "garage_id": row["garage_id"],
            "garage_name": trim(garages[row["garage_id"]]["name"]),
            "pass_name": trim(row["name"]),
            "description": row["description"],
            "current_price": row["monthly_amount"],
            "is_active": row["active"],
            "pass_created_at": row["created_at"],
        }
        for row in source["passes"]
    ]


def holidays(year: int) -> set[date]:
    """US federal holidays on their own date."""

    def nth(month: int, weekday: int, n: int) -> date:
        days = [d for d in calendar.Calendar().itermonthdates(year, month) if d.month == month]
        return [d for d in days if d.weekday() == weekday][n]

    fixed = {date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)}
    moving = {nth(1, 0, 2), nth(2, 0, 2), nth(5, 0, -1), nth(9, 0, 0), nth(10, 0, 1), nth(11, 3, 3)}
    return fixed | moving | ({date(year, 6, 19)} if year >= 2021 else set())


def dim_date(source: Source, frame: Frame) -> list[Row]:
    rows = []
    for year in range(2020, frame.local(frame.as_of).year + 16):
        free = holidays(year)
        day = date(year, 1, 1)
        while day.year == year:
            last = calendar.monthrange(year, day.month)[1]
            rows.append(
                {
                    "date_day": day,
                    "year": year,
                    "quarter": (day.month + 2) // 3,
                    "month": day.month,
                    "month_name": "JanFebMarAprMayJunJulAugSepOctNovDec"[day.month * 3 - 3 : day.month * 3],
                    "day": day.day,
                    "day_name": "MonTueWedThuFriSatSun"[day.weekday() * 3 : day.weekday() * 3 + 3],
                    "day_of_week": day.isoweekday() % 7,
                    "week_of_year": day.isocalendar().week,
                    "first_day_of_month": day.replace(day=1),
                    "last_day_of_month": day.replace(day=last),
                    "is_weekend": day.weekday() >= 5,
                    "is_holiday": day in free,
                }
            )
            day += timedelta(days=1)
    return rows


# ------------------------------------------------------------------------------------------------ facts


def fact_subscriptions(source: Source, frame: Frame) -> list[Row]:
    users, garages, passes = (by_id(source[name]) for name in ("users", "garages", "passes"))
    rows = []
    for row in source["subscriptions"]:
        end, user = ended_at(row), users[row["user_id"]]
        over = end is not None and end < frame.as_of
        stop = end if end is not None and over else frame.as_of
        counts = begun(row) and row["created_at"] < frame.as_of
        lifetime = frame.local(stop).date() - frame.local(row["created_at"]).date()
        rows.append(
            {
                "subscription_id": row["id"],
                "stripe_subscription_id": row["stripe_subscription_id"],
                "user_id": row["user_id"],
                "garage_id": row["garage_id"],
                "pass_id": row["pass_id"],
                "status": row["status"],
                "monthly_amount": row["monthly_amount"],
                "subscription_start_date": frame.day(row["created_at"]),
                "subscription_end_date": frame.day(end),
                "canceled_date": frame.day(row["canceled_at"]),
                "cancel_at_period_end": row["cancel_at_period_end"],
                "subscription_month": f"{frame.local(row['created_at']):%Y-%m}",
                "subscription_lifetime_days": lifetime.days if counts else None,
                "is_churned": begun(row) and over,
                "is_begun": begun(row),
                "created_at": row["created_at"],
                "ended_at": end,
                "canceled_at": row["canceled_at"],
                "current_period_start": row["current_period_start"],
                "current_period_end": row["current_period_end"],
                "first_name": trim(user["first_name"]),
                "last_name": trim(user["last_name"]),
                "email": user["email"].strip(" ").lower(),
                "garage_name": trim(garages[row["garage_id"]]["name"]),
                "pass_name": trim(passes[row["pass_id"]]["name"]),
            }
        )
    return rows


def fact_payment_attempts(source: Source, frame: Frame) -> list[Row]:
    garages, subscriptions, passes = (by_id(source[name]) for name in ("garages", "subscriptions", "passes"))
    changes = grouped(source.get("pass_price_history", []), "pass_id")

    def price(row: Row) -> Decimal | None:
        offer = passes.get(subscriptions.get(row["subscription_id"], {}).get("pass_id"), None)
        return offer and list_price(offer, changes.get(offer["id"], []), row["payment_date"])

    return [
        {
            "payment_id": row["id"],
            "stripe_payment_intent_id": row["stripe_payment_intent_id"],
            "subscription_id": row["subscription_id"],
            "garage_id": row["garage_id"],
            "gross_amount": row["amount"],
            "stripe_fee": row["stripe_fee"],
            "status": row["status"],
            "currency": row["currency"].strip(" ").lower(),
            "payment_date": row["payment_date"],
            "payment_date_day": frame.day(row["payment_date"]),
            "payment_month": frame.month(row["payment_date"]),
            "payment_year": frame.month(row["payment_date"]).replace(month=1),
            "garage_name": trim(garages[row["garage_id"]]["name"]),
            "user_id": subscriptions.get(row["subscription_id"], {}).get("user_id"),
            "pass_id": subscriptions.get(row["subscription_id"], {}).get("pass_id"),
            "list_price": price(row),
        }
        for row in source["payments"]
    ]


def fact_payments(source: Source, frame: Frame) -> list[Row]:
    users, subscriptions, passes = (by_id(source[name]) for name in ("users", "subscriptions", "passes"))
    attempts = {row["payment_id"]: row for row in fact_payment_attempts(source, frame)}
    rows = []
    for row in succeeded(source):
        subscription = subscriptions.get(row["subscription_id"])
        attempt = {name: value for name, value in attempts[row["id"]].items() if name != "status"}
        rows.append(
            attempt
            | {
                "net_amount": net(row),
                "platform_fee": platform_fee(row, frame),
                "garage_profit": profit(row, frame),
                "user_email": users[subscription["user_id"]]["email"].strip(" ").lower() if subscription else None,
                "pass_name": trim(passes[subscription["pass_id"]]["name"]) if subscription else None,
            }
        )
    return rows


def fact_parking_events(source: Source, frame: Frame) -> list[Row]:
    users, garages = by_id(source["users"]), by_id(source["garages"])

    def minute(instant: datetime) -> datetime:
        return instant.replace(second=0, microsecond=0)

    rows = []
    for row in source["parked"]:
        entered, exited, user = row["entered_at"], row["exited_at"], users.get(row["user_id"], {})
        rows.append(
            {
                "parking_id": row["id"],
                "garage_id": row["garage_id"],
                "user_id": row["user_id"],
                "pass_id": row["pass_id"],
                "vehicle_plate": row["vehicle_plate"],
                "entered_at": entered,
                "exited_at": exited,
                "duration_minutes": (minute(exited) - minute(entered)) // timedelta(minutes=1) if exited else None,
                "parking_date": frame.day(entered),
                "hour_of_day": frame.local(entered).hour,
                "garage_name": trim(garages[row["garage_id"]]["name"]),
                "first_name": trim(user.get("first_name")),
                "last_name": trim(user.get("last_name")),
            }
        )
    return rows


def fact_daily_occupancy(source: Source, frame: Frame) -> list[Row]:
    capacities = {row["id"]: row["capacity"] for row in source["garages"]}
    standing: dict[tuple[str, date], Row] = {}
    for sheet in sorted(source["garage_daily_occupancy"], key=lambda row: (row["created_at"], row["id"])):
        standing[sheet["garage_id"], sheet["day"].date()] = sheet
    rows = []
    for (garage, day), sheet in standing.items():
        capacity = capacities[garage]
        for hour, count in enumerate(sheet["hourly_occupancy"] or ()):
            rows.append(
                {
                    "garage_id": garage,
                    "occupancy_date": day,
                    "hour": hour,
                    "occupancy_count": count,
                    "capacity": capacity,
                    "occupancy_rate": ratio(count, capacity, times=100, digits=2),
                    "is_peak_hour": count is not None and capacity > 0 and 100 * count >= 80 * capacity,
                }
            )
    return rows


# ---------------------------------------------------------------------------------------------- reports


@dataclass(frozen=True)
class Period:
    """What happened in [start, end) to some payments and subscriptions, and what is in force at its end."""

    paid: list[Row]
    opening: list[Row]
    new: list[Row]
    churned: list[Row]
    closing: list[Row]

    @classmethod
    def of(cls, payments: list[Row], subscriptions: list[Row], start: datetime, end: datetime) -> Period:
        known = [row for row in subscriptions if begun(row)]
        return cls(
            paid=[row for row in payments if row["status"] == "succeeded" and within(row["payment_date"], start, end)],
            opening=[row for row in known if in_force(row, start)],
            new=[row for row in known if within(row["created_at"], start, end)],
            churned=[row for row in known if within(ended_at(row), start, end)],
            closing=[row for row in known if in_force(row, end)],
        )

    @property
    def customers(self) -> int:
        return len({row["user_id"] for row in self.closing})

    @property
    def mrr(self) -> Decimal:
        return total(row["monthly_amount"] for row in self.closing)

    @property
    def churn(self) -> Decimal | None:
        return ratio(len(self.churned), len(self.opening), times=100)

    def money(self, frame: Frame) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Gross, Stripe's fees, platform fees, the garages' profit."""
        return (
            total(row["amount"] for row in self.paid),
            total(row["stripe_fee"] for row in self.paid),
            total(platform_fee(row, frame) for row in self.paid),
            total(profit(row, frame) for row in self.paid),
        )

    def dunning(self) -> Row:
        by_status = Counter(row["status"] for row in self.closing)
        return {f"{status}_subscriptions": by_status[status] for status in DUNNING}


def months(first: date, frame: Frame) -> Iterator[tuple[date, datetime, datetime]]:
    """Each month that starts before as_of: its first day, its start, and t (naive UTC)."""
    while frame.midnight(first) < frame.as_of:
        yield first, frame.midnight(first), min(frame.midnight(next_month(first)), frame.as_of)
        first = next_month(first)


def rpt_garage_monthly_pl(source: Source, frame: Frame) -> list[Row]:
    payments = grouped(succeeded(source), "garage_id")
    subscriptions = grouped(filter(begun, source["subscriptions"]), "garage_id")
    currency = currencies(source, frame)
    rows: list[Row] = []
    for garage in source["garages"]:
        paid, subscribed = payments.get(garage["id"], []), subscriptions.get(garage["id"], [])
        events = [row["payment_date"] for row in paid] + [row["created_at"] for row in subscribed]
        events = [instant for instant in events if instant < frame.as_of]
        if not events:
            continue
        previous: Decimal | None = None
        for month, start, end in months(frame.month(min(events)), frame):
            period = Period.of(paid, subscribed, start, end)
            gross, stripe, platform, kept = period.money(frame)
            rows.append(
                {
                    "garage_id": garage["id"],
                    "garage_name": trim(garage["name"]),
                    "month": month,
                    "month_key": f"{month:%Y-%m}",
                    "is_complete_month": frame.midnight(next_month(month)) <= frame.as_of,
                    "currency": currency[garage["id"]],
                    "payment_count": len(period.paid),
                    "gross_revenue": gross,
                    "total_stripe_fees": stripe,
                    "total_platform_fees": platform,
                    "garage_profit": kept,
                    "opening_subscriptions": len(period.opening),
                    "new_subscriptions": len(period.new),
                    "churned_subscriptions": len(period.churned),
                    "active_subscriptions": len(period.closing),
                    "unique_customers": period.customers,
                    "monthly_recurring_revenue": recurring(source, period.closing, end),
                    "arpu": ratio(gross, period.customers),
                    "revenue_per_subscription": ratio(gross, len(period.closing)),
                    "churn_rate_percent": period.churn,
                    "previous_month_revenue": previous,
                    "revenue_growth_pct": growth(gross, previous),
                }
                | period.dunning()
            )
            previous = gross
    return rows


def rpt_executive_dashboard(source: Source, frame: Frame) -> list[Row]:
    covered = {garage for garage, currency in currencies(source, frame).items() if currency == frame.currency}
    payments = [row for row in source["payments"] if row["garage_id"] in covered]
    subscriptions = [row for row in source["subscriptions"] if row["garage_id"] in covered]
    arpus: dict[date, list[Decimal]] = defaultdict(list)
    for row in rpt_garage_monthly_pl(source, frame):
        if row["garage_id"] in covered:
            arpus[row["month"]] += [row["arpu"]] if row["arpu"] is not None else []
    rows: list[Row] = []
    previous: Decimal | None = None
    for month, start, end in months(min(arpus), frame) if arpus else ():
        period = Period.of(payments, subscriptions, start, end)
        gross, stripe, platform, kept = period.money(frame)
        rows.append(
            {
                "month": month,
                "month_key": f"{month:%Y-%m}",
                "is_complete_month": frame.midnight(next_month(month)) <= frame.as_of,
                "active_garages": len({row["garage_id"] for row in period.closing + period.paid}),
                "total_payment_count": len(period.paid),
                "total_gross_revenue": gross,
                "total_stripe_fees": stripe,
                "total_platform_fees": platform,
                "total_garage_profit": kept,
                "total_opening_subscriptions": len(period.opening),
                "total_new_subscriptions": len(period.new),
                "total_churned_subscriptions": len(period.churned),
                "total_active_subscriptions": len(period.closing),
                "total_unique_customers": period.customers,
                "total_monthly_recurring_revenue": recurring(source, period.closing, end),
                "avg_arpu": ratio(total(arpus[month]), len(arpus[month])),
                "revenue_per_customer": ratio(gross, period.customers),
                "platform_churn_rate": period.churn,
                "previous_month_revenue": previous,
                "revenue_growth_pct": growth(gross, previous),
            }
        )
        previous = gross
    return rows


def rpt_cohort_retention(source: Source, frame: Frame) -> list[Row]:
    currency = currencies(source, frame)
    known = [row for row in source["subscriptions"] if begun(row) and row["created_at"] < frame.as_of]
    rows: list[Row] = []
    for garage in source["garages"]:
        theirs = grouped((row for row in known if row["garage_id"] == garage["id"]), "user_id")
        cohorts: dict[date, list[str]] = defaultdict(list)
        for who, subscribed in theirs.items():
            cohorts[frame.month(min(row["created_at"] for row in subscribed))].append(who)
        for cohort, members in cohorts.items():
            first = [row for who in members for row in theirs[who] if frame.month(row["created_at"]) == cohort]
            _, _, first_end = next(months(cohort, frame))
            value = recurring(source, first, first_end)
            for since, (month, start, end) in enumerate(months(cohort, frame)):
                retained = [who for who in members if any(in_force_within(row, start, end) for row in theirs[who])]
                rows.append(
                    {
                        "garage_id": garage["id"],
                        "garage_name": trim(garage["name"]),
                        "cohort_month": f"{cohort:%Y-%m}",
                        "months_since_start": since,
                        "month": month,
                        "currency": currency[garage["id"]],
                        "cohort_size": len(members),
                        "retained_users": len(retained),
                        "retention_rate": ratio(len(retained), len(members), times=100, digits=2),
                        "cohort_value": value,
                    }
                )
    return rows


def mean(values: Iterable[Decimal | int | None]) -> Decimal | None:
    known = [Decimal(value) for value in values if value is not None]
    return ratio(total(known), len(known))


def rpt_occupancy_analytics(source: Source, frame: Frame) -> list[Row]:
    now = frame.local(frame.as_of)
    by_month: dict[tuple[str, date], list[Row]] = defaultdict(list)
    for row in fact_daily_occupancy(source, frame):
        day = row["occupancy_date"]
        if datetime(day.year, day.month, day.day) < now:
            by_month[row["garage_id"], day.replace(day=1)].append(row)
    names = {row["id"]: trim(row["name"]) for row in source["garages"]}
    rows = []
    for (garage, month), hours in by_month.items():
        rates = [row["occupancy_rate"] for row in hours if row["occupancy_rate"] is not None]
        peaks = Counter(row["hour"] for row in hours if row["is_peak_hour"])
        means = {hour: mean(row["occupancy_rate"] for row in hours if row["hour"] == hour) for hour in peaks}
        ranked = sorted(peaks, key=lambda hour: (-peaks[hour], -(means[hour] or ZERO), hour))
        rows.append(
            {
                "garage_id": garage,
                "garage_name": names[garage],
                "month": month,
                "avg_occupancy_rate": mean(rates),
                "peak_occupancy_rate": max(rates, default=None),
                "min_occupancy_rate": min(rates, default=None),
                "peak_hours_count": peaks.total(),
                "days_tracked": len({row["occupancy_date"] for row in hours}),
                "most_common_peak_hour": ranked[0] if ranked else None,
            }
        )
    return rows


def rpt_occupancy_hours(source: Source, frame: Frame) -> list[Row]:
    today = frame.local(frame.as_of).date()
    cells: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    for row in fact_daily_occupancy(source, frame):
        if row["occupancy_count"] is not None and today - timedelta(days=56) <= row["occupancy_date"] < today:
            cells[row["garage_id"], row["occupancy_date"].isoweekday() % 7, row["hour"]].append(row)
    names = {row["id"]: trim(row["name"]) for row in source["garages"]}
    rows = []
    for (garage, weekday, hour), counted in cells.items():
        rates = [row["occupancy_rate"] for row in counted if row["occupancy_rate"] is not None]
        days = [row["occupancy_date"] for row in counted]
        rows.append(
            {
                "garage_id": garage,
                "garage_name": names[garage],
                "day_of_week": weekday,
                "day_name": f"{days[0]:%a}",
                "hour": hour,
                "days_counted": len(days),
                "avg_occupancy_count": ratio(sum(row["occupancy_count"] for row in counted), len(days), digits=2),
                "avg_occupancy_rate": ratio(total(rates), len(rates), digits=2),
                "peak_occupancy_rate": max(rates, default=None),
                "peak_hours_count": sum(row["is_peak_hour"] for row in counted),
                "first_day": min(days),
                "last_day": max(days),
            }
        )
    return rows


def rpt_pass_performance(source: Source, frame: Frame) -> list[Row]:
    garages, currency = by_id(source["garages"]), currencies(source, frame)
    changes = grouped(source.get("pass_price_history", []), "pass_id")
    payments = grouped((row for row in fact_payments(source, frame) if row["payment_date"] < frame.as_of), "pass_id")
    lives = {row["subscription_id"]: row["subscription_lifetime_days"] for row in fact_subscriptions(source, frame)}
    rows = []
    for offer in source["passes"]:
        known = [
            row
            for row in source["subscriptions"]
            if row["pass_id"] == offer["id"] and begun(row) and row["created_at"] < frame.as_of
        ]
        active = [row for row in known if in_force(row, frame.as_of)]
        churned = [row for row in known if (ended_at(row) or datetime.max) < frame.as_of]
        paid = [row for row in payments.get(offer["id"], []) if row["garage_id"] == offer["garage_id"]]
        priced = [row for row in paid if row["list_price"] is not None]
        listed = total(row["list_price"] for row in priced)
        rows.append(
            {
                "pass_id": offer["id"],
                "pass_name": trim(offer["name"]),
                "garage_id": offer["garage_id"],
                "garage_name": trim(garages[offer["garage_id"]]["name"]),
                "total_subscriptions": len(known),
                "active_subscriptions": len(active),
                "monthly_revenue": recurring(source, active, frame.as_of),
                "avg_subscription_lifetime_days": mean(lives[row["id"]] for row in known),
                "churned_subscriptions": len(churned),
                "churn_rate": ratio(len(churned), len(known), times=100),
                "currency": currency[offer["garage_id"]],
                "list_price": list_price(offer, changes.get(offer["id"], []), frame.as_of - timedelta(microseconds=1)),
                "payment_count": len(paid),
                "gross_revenue": total(row["gross_amount"] for row in paid),
                "revenue_at_list_price": listed,
                "list_price_paid_percent": ratio(total(row["gross_amount"] for row in priced), listed, times=100),
            }
        )
    return rows


# ------------------------------------------------------------------------ hot views: names as they were typed


def mv_daily_revenue(source: Source, frame: Frame) -> list[Row]:
    paid: dict[tuple[str, date], list[Row]] = defaultdict(list)
    for payment in succeeded(source):
        if payment["payment_date"] < frame.as_of:
            paid[payment["garage_id"], frame.local(payment["payment_date"]).date()].append(payment)
    today = frame.local(frame.as_of).date()
    rows = []
    for garage in source["garages"]:
        for back in range(91):
            day = today - timedelta(days=back)
            here = paid[garage["id"], day]
            rows.append(
                {
                    "garage_id": garage["id"],
                    "garage_name": garage["name"],
                    "payment_date": day,
                    "payment_count": len(here),
                    "gross_revenue": total(row["amount"] for row in here),
                    "total_stripe_fees": total(row["stripe_fee"] for row in here),
                    "total_platform_fees": total(platform_fee(row, frame) for row in here),
                    "garage_profit": total(profit(row, frame) for row in here),
                }
            )
    return rows


def mv_active_subscriptions(source: Source, frame: Frame) -> list[Row]:
    subscriptions = grouped(source["subscriptions"], "garage_id")
    rows = []
    for garage in source["garages"]:
        period = Period.of([], subscriptions.get(garage["id"], []), frame.as_of, frame.as_of)
        count = len(period.closing)
        rows.append(
            {
                "garage_id": garage["id"],
                "garage_name": garage["name"],
                "active_count": count,
                "unique_customers": period.customers,
                "monthly_recurring_revenue": period.mrr,
                "avg_subscription_value": ratio(period.mrr, count),
                "pending_cancellations": sum(row["cancel_at_period_end"] for row in period.closing),
            }
            | period.dunning()
        )
    return rows


def mv_current_month_metrics(source: Source, frame: Frame) -> list[Row]:
    payments, subscriptions = (
        grouped(source["payments"], "garage_id"),
        grouped(source["subscriptions"], "garage_id"),
    )
    month = frame.month(frame.as_of)
    start = frame.midnight(month)
    rows = []
    for garage in source["garages"]:
        subscribed = subscriptions.get(garage["id"], [])
        period = Period.of(payments.get(garage["id"], []), subscribed, start, frame.as_of)
        gross, stripe, platform, kept = period.money(frame)
        asked = [row for row in subscribed if begun(row) and within(row["canceled_at"], start, frame.as_of)]
        rows.append(
            {
                "garage_id": garage["id"],
                "garage_name": garage["name"],
                "month": month,
                "mtd_revenue": gross,
                "mtd_payment_count": len(period.paid),
                "mtd_stripe_fees": stripe,
                "mtd_platform_fees": platform,
                "mtd_garage_profit": kept,
                "opening_subscriptions": len(period.opening),
                "mtd_new_subscriptions": len(period.new),
                "active_subscriptions": len(period.closing),
                "mtd_cancellations": len(period.churned),
                "mtd_cancellation_requests": len(asked),
                "churn_rate_percent": period.churn,
            }
        )
    return rows


def mv_current_occupancy(source: Source, frame: Frame) -> list[Row]:
    inside = Counter(
        row["garage_id"]
        for row in source["parked"]
        if row["entered_at"] < frame.as_of and (row["exited_at"] is None or row["exited_at"] >= frame.as_of)
    )
    return [
        {
            "garage_id": garage["id"],
            "garage_name": garage["name"],
            "capacity": garage["capacity"],
            "current_occupancy": inside[garage["id"]],
            "occupancy_rate": ratio(inside[garage["id"]], garage["capacity"], times=100, digits=2),
            "available_spots": garage["capacity"] - inside[garage["id"]],
        }
        for garage in source["garages"]
    ]


def mv_failed_payments(source: Source, frame: Frame) -> list[Row]:
    users, garages = by_id(source["users"]), by_id(source["garages"])
    attempts = grouped((row for row in source["payments"] if row["payment_date"] < frame.as_of), "subscription_id")
    rows = []
    for row in source["subscriptions"]:
        if row["status"] not in ("past_due", "unpaid") or row["created_at"] >= frame.as_of:
            continue
        tried = attempts.get(row["id"], [])
        last_success = max((p["payment_date"] for p in tried if p["status"] == "succeeded"), default=datetime.min)
        failed = [p["payment_date"] for p in tried if p["status"] == "failed" and p["payment_date"] > last_success]
        period_end = row["current_period_end"]
        passed = period_end is not None and period_end < frame.as_of
        since = min(failed) if failed else period_end if passed else row["current_period_start"]
        user = users[row["user_id"]]
        rows.append(
            {
                "subscription_id": row["id"],
                "stripe_subscription_id": row["stripe_subscription_id"],
                "garage_id": row["garage_id"],
                "garage_name": garages[row["garage_id"]]["name"],
                "user_id": row["user_id"],
                "first_name": user["first_name"],
                "last_name": user["last_name"],
                "email": user["email"],
                "monthly_amount": row["monthly_amount"],
                "current_period_end": period_end,
                "status": row["status"],
                "past_due_since": since,
                "days_past_due": (frame.local(frame.as_of).date() - frame.local(since).date()).days if since else None,
                "first_failed_at": min(failed, default=None),
                "last_failed_at": max(failed, default=None),
                "failed_attempts": len(failed),
            }
        )
    return rows


# ------------------------------------------------------------------------------------------- comparison

Recompute = Callable[[Source, Frame], list[Row]]


def _in(module: str, name: str) -> Recompute:
    """A recomputation in a module of its own, which takes its small rules from here; so not imported until asked."""

    def rows(source: Source, frame: Frame) -> list[Row]:
        function: Recompute = getattr(importlib.import_module(module), name)
        return function(source, frame)

    return rows


COLD: dict[str, tuple[Recompute, tuple[str, ...]]] = {
    "marts.dim_date": (dim_date, ("date_day",)),
    "marts.dim_users": (dim_users, ("user_id",)),
    "marts.dim_garages": (dim_garages, ("garage_id",)),
    "marts.dim_passes": (dim_passes, ("pass_id",)),
    "marts.fact_subscriptions": (fact_subscriptions, ("subscription_id",)),
    "marts.fact_payment_attempts": (fact_payment_attempts, ("payment_id",)),
    "marts.fact_payments": (fact_payments, ("payment_id",)),
    "marts.fact_parking_events": (fact_parking_events, ("parking_id",)),
    "marts.fact_daily_occupancy": (fact_daily_occupancy, ("garage_id", "occupancy_date", "hour")),
    "reports.rpt_garage_monthly_pl": (rpt_garage_monthly_pl, ("garage_id", "month")),
    "reports.rpt_executive_dashboard": (rpt_executive_dashboard, ("month",)),
    "reports.rpt_cohort_retention": (rpt_cohort_retention, ("garage_id", "cohort_month", "months_since_start")),
    "reports.rpt_occupancy_analytics": (rpt_occupancy_analytics, ("garage_id", "month")),
    "reports.rpt_occupancy_hours": (rpt_occupancy_hours, ("garage_id", "day_of_week", "hour")),
    "reports.rpt_pass_performance": (rpt_pass_performance, ("pass_id",)),
    "reports.rpt_mrr_movements": (_in("recompute_financials", "rpt_mrr_movements"), ("garage_id", "month")),
    "reports.rpt_financial_analytics": (_in("recompute_financials", "rpt_financial_analytics"), ("garage_id", "month")),
    "reports.rpt_garage_rankings": (_in("recompute_financials", "rpt_garage_rankings"), ("garage_id", "month")),
    "reports.rpt_platform_financials": (_in("recompute_financials", "rpt_platform_financials"), ("month",)),
    "reports.rpt_platform_health": (recompute_customers.rpt_platform_health, ("month",)),
    "reports.rpt_subscription_health": (recompute_customers.rpt_subscription_health, ("garage_id", "month")),
    "reports.rpt_failed_payments": (recompute_customers.rpt_failed_payments, ("subscription_id",)),
    "reports.rpt_customer_360": (recompute_customers.rpt_customer_360, ("user_id", "currency")),
    "reports.rpt_cohort_revenue": (
        recompute_customers.rpt_cohort_revenue,
        ("garage_id", "cohort_month", "months_since_start"),
    ),
}
HOT: dict[str, tuple[Recompute, tuple[str, ...]]] = {
    "mv_daily_revenue": (mv_daily_revenue, ("garage_id", "payment_date")),
    "mv_active_subscriptions": (mv_active_subscriptions, ("garage_id",)),
    "mv_current_month_metrics": (mv_current_month_metrics, ("garage_id",)),
    "mv_current_occupancy": (mv_current_occupancy, ("garage_id",)),
    "mv_failed_payments": (mv_failed_payments, ("subscription_id",)),
}


def differences(expected: list[Row], found: list[Row], key: tuple[str, ...]) -> list[str]:
    """One line per row that is missing, too many or twice, and per cell that differs or is inexact."""
    wanted = {tuple(row[name] for name in key): row for row in expected}
    assert len(wanted) == len(expected), f"the recomputation has {key} twice"
    lines = []
    seen: set[tuple[Any, ...]] = set()
    for row in found:
        place = tuple(row.get(name) for name in key)
        if place in seen:
            lines.append(f"{place}: twice")
        seen.add(place)
        if place not in wanted:
            lines.append(f"{place}: too many: {row}")
            continue
        for name, value in wanted[place].items():
            if name not in row:
                lines.append(f"{place}: no column {name}")
            elif row[name] != value or isinstance(row[name], float):
                lines.append(f"{place}.{name}: expected {value!r}, found {row[name]!r}")
    lines += [f"{place}: missing: {row}" for place, row in wanted.items() if place not in seen]
    return lines

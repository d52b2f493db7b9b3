"""Every figure of the cold reports and the hot views against an independent recomputation (recompute.py).

The first tests guard the recomputation itself with rows small enough to work out by hand; the others build
both sides from a seeded business with those same rows in it, and compare every cell.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import metabase_server
import psycopg
import pytest
import reading
import recompute
import recompute_financials
import sqlglot
from click.testing import CliRunner
from conftest import PROJECT, WITH_UNIT_TESTS, settings_in
from psycopg import conninfo, sql
from psycopg.types.json import Jsonb
from recompute import COLD, HOT, Frame, Row, Source, differences

import query_check
from vend import dbt, source, sync
from vend.cli import main
from vend.errors import VendError
from vend.metabase import content as metabase_content
from vend.metabase import embed
from vend.settings import Settings

AS_OF = datetime(2026, 3, 17, 14, 30)
TICK = timedelta(microseconds=1)
CHICAGO = ZoneInfo("America/Chicago")
APRIL_IN_CHICAGO = datetime(2026, 4, 1, 5)
IN_CHICAGO = [
    "marts.dim_users",
    "marts.fact_subscriptions",
    "marts.fact_payments",
    "reports.rpt_garage_monthly_pl",
    "reports.rpt_executive_dashboard",
    "marts.fact_parking_events",
    "marts.fact_daily_occupancy",
    "reports.rpt_cohort_retention",
    "reports.rpt_occupancy_analytics",
    "reports.rpt_occupancy_hours",
    "reports.rpt_pass_performance",
    "reports.rpt_mrr_movements",
    "reports.rpt_financial_analytics",
    "reports.rpt_garage_rankings",
    "reports.rpt_platform_financials",
    "reports.rpt_platform_health",
    "reports.rpt_subscription_health",
    "reports.rpt_failed_payments",
    "reports.rpt_customer_360",
    "reports.rpt_cohort_revenue",
]
# dbt's own tests run once, in the incremental build.
UNTESTED = ("--resource-type", "model", "--resource-type", "seed", "--resource-type", "snapshot")


# ------------------------------------------------------------------------------------- hand-made rows


def key(kind: int, number: int) -> str:
    return f"{kind:08d}-0000-4000-8000-{number:012d}"


GARAGES = [key(1, n) for n in range(1, 9)]
EDGE, CAD, REFUNDED, NAMESAKE, NEVER, UNSUBSCRIBED, LATE, REFUNDED_CAD = GARAGES
# of the second set of rows: sheets of occupancy, stays and cohorts
COUNTED, BIG, HUGE, SPOTLESS, CLUB, BRANCH = (key(1, n) for n in range(31, 37))
# of the third: movements of recurring revenue, and a second garage that is paid in Canadian dollars
MOVING, RIVAL = (key(1, n) for n in range(41, 43))
# of the third: charges and customers
DUNNING, ABROAD = (key(1, n) for n in (81, 82))
DUNNED, UNPAID, EARLIER, ENDED = (key(4, n) for n in (10, 11, 12, 20))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}")


def user(number: int, first_name: str | None = "Ada", last_name: str | None = "Lovelace") -> Row:
    return {
        "id": key(2, number),
        "first_name": first_name,
        "last_name": last_name,
        "email": f" Edge.{number}@Example.COM ",
        "phone": None,
        "stripe_customer_id": None,
        "role": "user",
        "created_at": instant("01-01 03:00"),
        "updated_at": instant("01-01 03:00"),
    }


def garage(id_: str, name: str, address: str | None, capacity: int) -> Row:
    return {
        "id": id_,
        "name": name,
        "address": address,
        "capacity": capacity,
        "stripe_account_id": None,
        "created_at": datetime(2025, 12, 31, 23, 59, 59, 999999),
        "updated_at": datetime(2025, 12, 31, 23, 59, 59, 999999),
    }


def offer(number: int, garage_id: str) -> Row:
    return {
        "id": key(3, number),
        "garage_id": garage_id,
        "name": f" Edge pass {number} ",
        "description": None,
        "stripe_product_id": None,
        "stripe_price_id": None,
        "monthly_amount": Decimal("50.00"),
        "active": number % 2 == 0,
        "created_at": instant("01-01"),
        "updated_at": instant("01-01"),
    }


def subscription(
    number: int,
    who: int,
    garage_id: str,
    status: str,
    created: datetime,
    amount: str,
    *,
    canceled: datetime | None = None,
    at_period_end: bool = False,
    period: tuple[datetime | None, datetime | None] = (None, None),
    updated: datetime | None = None,
) -> Row:
    return {
        "id": key(4, number),
        "stripe_subscription_id": f"sub_edge_{number}",
        "user_id": key(2, who),
        "garage_id": garage_id,
        "pass_id": key(3, int(garage_id[-1])),
        "stripe_price_id": None,
        "status": status,
        "current_period_start": period[0] or created,
        "current_period_end": period[1],
        "cancel_at_period_end": at_period_end,
        "canceled_at": canceled,
        "monthly_amount": Decimal(amount),
        "renewal_status": None,
        "renewal_attempted_at": None,
        "next_renewal_date": None,
        "created_at": created,
        "updated_at": updated or created,
    }


def payment(
    number: int,
    garage_id: str,
    when: datetime,
    amount: str,
    fee: str | None = None,
    net: str | None = None,
    *,
    status: str = "succeeded",
    currency: str = "usd",
    subscription_id: str | None = None,
) -> Row:
    return {
        "id": key(5, number),
        "stripe_payment_intent_id": f"pi_edge_{number}",
        "subscription_id": subscription_id,
        "garage_id": garage_id,
        "amount": Decimal(amount),
        "stripe_fee": None if fee is None else Decimal(fee),
        "net_amount": None if net is None else Decimal(net),
        "status": status,
        "currency": currency,
        "payment_date": when,
        "created_at": when,
        "updated_at": when,
    }


def stay(number: int, garage_id: str, entered: datetime, exited: datetime | None, who: int | None = None) -> Row:
    return {
        "id": key(6, number),
        "garage_id": garage_id,
        "user_id": None if who is None else key(2, who),
        "pass_id": None,
        "vehicle_plate": f"EDGE {number}",
        "entered_at": entered,
        "exited_at": exited,
        "created_at": entered,
    }


def repricing(
    number: int, offered: int, effective: datetime, old: str | None, new: str, made: str | None = None
) -> Row:
    """A change of the price of a pass, by its number, recorded when it takes effect unless told."""
    return {
        "id": key(8, number),
        "pass_id": key(3, offered),
        "old_price": None if old is None else Decimal(old),
        "new_price": Decimal(new),
        "effective_date": effective,
        "created_at": effective if made is None else instant(made),
    }


def sheet(number: int, garage_id: str, day: str, hours: list[int | None] | None, created: str | None = None) -> Row:
    """An occupancy sheet, written in the night after its day unless told."""
    begins = instant(day)
    return {
        "id": key(7, number),
        "garage_id": garage_id,
        "day": begins,
        "hourly_occupancy": hours,
        "created_at": begins + timedelta(days=1, hours=1) if created is None else instant(created),
    }


def edge_cases() -> Source:
    """Eight garages whose every row sits on an edge of some rule, for AS_OF."""
    return {
        "users": [user(1, "  Ada "), user(2), user(3, None, None), user(4), user(5, "Łukasz\t", "O'Neil")],
        "garages": [
            garage(EDGE, "  Edge  ", "1 Edge St, Austin, TX 78701", 0),
            garage(CAD, "Maple", "2 King St W, Toronto, ON M5H 1A1, Canada", 3),
            garage(REFUNDED, "Refunded", None, 10),
            garage(NAMESAKE, "Edge", "4 Texas Ave, Seattle, WA 98101", 10),
            garage(NEVER, "Never\t", "", 10),
            garage(UNSUBSCRIBED, "Walk-in", "6 Main St, Columbus, Ohio 43215, USA", 10),
            garage(LATE, "Late", "7 Main St, Richmond, VA", 10),
            garage(REFUNDED_CAD, "Old Maple", "8 Washington St, Springfield", 10),
        ],
        "passes": [offer(number, id_) for number, id_ in enumerate([*GARAGES, EDGE], start=1)],
        "subscriptions": [
            subscription(1, 1, EDGE, "active", instant("02-01") - TICK, "100.00"),
            # ends exactly where March begins: in force at the end of February, churned in March
            subscription(2, 2, EDGE, "canceled", instant("01-10"), "50.00", canceled=instant("03-01")),
            subscription(3, 3, EDGE, "active", AS_OF, "70.00"),
            subscription(
                4, 2, EDGE, "active", instant("01-15"), "80.00",
                canceled=instant("02-10"), at_period_end=True, period=(instant("03-02"), instant("04-02")),
            ),
            subscription(
                5, 3, EDGE, "canceled", instant("02-01"), "60.00",
                canceled=instant("02-10"), at_period_end=True, period=(instant("01-20"), instant("02-20")),
            ),
            # canceled without an instant of it: ends when the row last changed
            subscription(6, 3, EDGE, "canceled", instant("01-05"), "40.00", updated=instant("03-05 12:00")),
            subscription(7, 1, EDGE, "incomplete", instant("01-02"), "999.00"),
            subscription(
                8, 1, EDGE, "incomplete_expired", instant("01-02"), "999.00", canceled=instant("01-03")
            ),
            # the same person in two garages
            subscription(9, 1, REFUNDED, "active", instant("02-15"), "90.00"),
            subscription(10, 4, EDGE, "past_due", instant("01-20"), "30.00", period=(None, instant("03-20"))),
            subscription(
                11, 4, EDGE, "unpaid", instant("02-02"), "31.00", period=(instant("03-05"), instant("04-05"))
            ),
            subscription(
                12, 4, EDGE, "past_due", instant("02-03"), "32.00",
                period=(instant("02-10"), instant("03-10")),
            ),
            subscription(13, 5, EDGE, "trialing", instant("03-16"), "33.00"),
            subscription(14, 5, EDGE, "paused", instant("03-16"), "34.00"),
            subscription(15, 2, CAD, "active", instant("02-05"), "45.00"),
            subscription(16, 2, NEVER, "incomplete", instant("02-05"), "999.00"),
            # asked for after the period that was paid, which access does not outlast
            subscription(
                17, 3, CAD, "canceled", instant("02-06"), "46.00",
                canceled=instant("03-10"), at_period_end=True, period=(instant("02-06"), instant("03-06")),
            ),
            subscription(18, 4, CAD, "canceled", instant("02-07"), "47.00", canceled=AS_OF),
            subscription(19, 4, CAD, "incomplete_expired", instant("03-02"), "48.00", canceled=instant("03-03")),
            # still owed, though it has ended
            subscription(20, 5, CAD, "past_due", instant("02-08"), "49.00", canceled=instant("03-01 08:00")),
            subscription(21, 5, LATE, "past_due", AS_OF, "51.00"),
        ],
        "payments": [
            payment(1, EDGE, AS_OF, "10.05"),
            payment(2, EDGE, AS_OF - TICK, "10.05"),
            payment(3, EDGE, instant("03-01"), "20.25", "0.89", "19.36", subscription_id=key(4, 1)),
            payment(4, EDGE, instant("03-01") - TICK, "0.05", currency="USD"),
            payment(5, EDGE, instant("01-15"), "10.15", "0.59"),
            # failures before and after the last success; what was refunded is no success
            payment(6, EDGE, instant("02-01 09:00"), "30.00", status="failed", subscription_id=DUNNED),
            payment(7, EDGE, instant("02-03"), "30.00", "1.17", "28.80", subscription_id=DUNNED),
            payment(8, EDGE, instant("03-01 09:00"), "30.00", status="failed", subscription_id=DUNNED),
            payment(9, EDGE, instant("03-03 09:00"), "30.00", status="failed", subscription_id=DUNNED),
            payment(10, EDGE, instant("03-04"), "30.00", "1.17", status="refunded", subscription_id=DUNNED),
            payment(11, EDGE, AS_OF, "31.00", status="failed", subscription_id=UNPAID),
            payment(12, EDGE, instant("02-11"), "32.00", status="failed", subscription_id=EARLIER),
            payment(13, EDGE, instant("02-12"), "32.00", "1.23", "30.77", subscription_id=EARLIER),
            # around Chicago's days and the hour it skips on 8 March
            payment(14, EDGE, instant("03-08 05:30"), "1.00", "0.00"),
            payment(15, EDGE, instant("03-08 06:00"), "2.00", "0.00"),
            payment(16, EDGE, instant("03-09 05:00") - TICK, "4.00", "0.00"),
            payment(17, EDGE, instant("03-09 05:00"), "8.00", "0.00"),
            payment(18, EDGE, instant("03-01 06:00") - TICK, "16.00", "0.00"),
            payment(19, CAD, instant("02-05"), "50.00", "1.75", "48.25", currency="cad"),
            payment(
                20, REFUNDED, instant("02-15"), "90.00", "2.91", status="refunded", subscription_id=key(4, 9)
            ),
            payment(21, NEVER, instant("02-05"), "9.00", status="failed", subscription_id=key(4, 16)),
            payment(22, EDGE, instant("03-02"), "7.00", status="pending"),
            payment(23, CAD, instant("01-20"), "5.00", "0.45", "4.55", currency="cad"),
            payment(24, UNSUBSCRIBED, instant("02-10"), "10.00"),
            payment(25, LATE, AS_OF + timedelta(hours=1), "51.00", currency="cad"),
            payment(26, REFUNDED_CAD, instant("02-10"), "10.00", status="refunded", currency="cad"),
        ],
        "parked": [
            stay(1, EDGE, AS_OF - TICK, None),
            stay(2, EDGE, instant("03-17"), AS_OF),
            stay(3, EDGE, instant("03-17"), AS_OF - TICK),
            stay(4, EDGE, AS_OF, None),
            stay(5, CAD, instant("03-17"), None),
        ],
        "pass_price_history": [
            # at the instants of payments 7 and 8; the last but one is not known yet, and of two at once 50 came last
            repricing(2, 1, instant("03-01 09:00"), "48.00", "49.00"),
            repricing(1, 1, instant("02-03"), "45.00", "48.00"),
            repricing(3, 1, instant("03-03 09:00"), "49.00", "51.00", "03-03 08:00"),
            repricing(4, 1, instant("03-03 09:00"), "51.00", "50.00", "03-03 08:30"),
            repricing(5, 1, AS_OF, "50.00", "55.00"),
            # never had a price before
            repricing(6, 2, instant("02-20"), None, "50.00"),
        ],
    }  # fmt: skip


def more_edge_cases() -> Source:
    """Six garages more, on the edges of parking, occupancy, cohorts and passes."""

    def member(number: int, who: int, garage_id: str, status: str, created: datetime, amount: str, **rest: Any) -> Row:
        row = subscription(number, who, garage_id, status, created, amount, **rest)
        return row | {"pass_id": key(3, 35 if garage_id == CLUB else 36)}

    return {
        "users": [user(number, "  Grace ") for number in range(31, 38)],
        "garages": [
            garage(COUNTED, " Counted ", "1 Sheet St, Austin, TX 78701", 10),
            garage(BIG, "Big", None, 10000),
            garage(HUGE, "Huge", None, 25000),
            garage(SPOTLESS, "Spotless", None, 0),
            garage(CLUB, "Club", None, 3),
            garage(BRANCH, "Club", None, 3),
        ],
        "passes": [offer(35, CLUB), offer(36, BRANCH), offer(37, CLUB)],
        "subscriptions": [
            # goes, and comes back after a month without
            member(101, 31, CLUB, "canceled", instant("01-10"), "10.00", canceled=instant("01-20")),
            member(102, 31, CLUB, "active", instant("03-05"), "11.00"),
            # ends the instant it begins: in force at no time
            member(103, 31, CLUB, "canceled", instant("01-25"), "12.00", canceled=instant("01-25")),
            member(104, 32, CLUB, "canceled", instant("02-03"), "13.00", canceled=instant("02-03")),
            member(105, 31, BRANCH, "active", instant("02-10"), "14.00"),
            member(106, 33, CLUB, "canceled", instant("02-01"), "15.00", canceled=instant("03-01")),
            member(107, 34, CLUB, "canceled", instant("02-10"), "16.00", canceled=instant("03-01") - TICK),
            member(108, 35, CLUB, "active", AS_OF, "17.00"),
            member(109, 36, CLUB, "incomplete", instant("01-05"), "999.00"),
            member(110, 36, CLUB, "active", instant("02-20"), "18.00"),
            member(111, 32, BRANCH, "active", AS_OF - TICK, "19.00"),
            # January in Chicago
            member(112, 37, BRANCH, "canceled", instant("02-01 05:59"), "20.00", canceled=instant("02-01 07:00")),
        ],
        # two years ago and more, with gaps
        "payments": [
            payment(31, HUGE, datetime(2023, 3, 15), "100.00"),
            payment(32, HUGE, datetime(2024, 3, 10), "150.00"),
            payment(33, HUGE, datetime(2024, 7, 10), "20.00"),
            payment(34, HUGE, datetime(2025, 3, 10), "50.00"),
            payment(35, HUGE, instant("03-10"), "60.00"),
        ],
        "parked": [
            stay(31, COUNTED, instant("02-02 10:00:59.999999"), instant("02-02 10:01"), 31),
            stay(32, COUNTED, instant("02-02 10:00"), instant("02-02 10:00:59"), 32),
            stay(33, COUNTED, instant("02-02 23:59:30"), instant("02-05 00:00:29"), 33),
            # over the hour that Chicago skips
            stay(34, COUNTED, instant("03-08 07:30"), instant("03-08 08:30"), 34),
            stay(35, COUNTED, instant("03-08 05:59:59"), None),
            stay(36, COUNTED, instant("03-16 22:00"), None, 35),
            stay(37, COUNTED, instant("03-16 23:00"), instant("03-17 01:00"), 36) | {"pass_id": key(3, 35)},
            stay(38, COUNTED, AS_OF + timedelta(hours=1), None, 36),
        ],
        "garage_daily_occupancy": [
            # written three times: the second is the last, though not in number
            sheet(31, COUNTED, "03-02", [1] * 24, "03-03 01:00"),
            sheet(32, COUNTED, "03-02", [2] * 24, "03-03 02:00"),
            sheet(33, COUNTED, "03-02 12:00", [3] * 20, "03-03 00:30"),
            # at one instant: the greater id
            sheet(34, COUNTED, "03-03", [4] * 22, "03-04 01:00"),
            sheet(35, COUNTED, "03-03", [8, 5, 9], "03-04 01:00"),
            sheet(36, COUNTED, "03-04", [6] * 24),
            sheet(37, COUNTED, "03-05", list(range(24))),
            sheet(38, COUNTED, "03-06", []),
            sheet(39, COUNTED, "03-07", None),
            sheet(40, COUNTED, "03-08", [5, None, 7]),
            # the last is empty, and it holds
            sheet(41, COUNTED, "03-09", [9] * 24, "03-10 01:00"),
            sheet(42, COUNTED, "03-09", [], "03-10 02:00"),
            sheet(43, COUNTED, "03-10", [3, 8]),
            sheet(44, COUNTED, "03-12", [9, 9]),
            # today counts as far as it is known; tomorrow does not, nor the day that begins at as_of in Chicago
            sheet(45, COUNTED, "03-17", [1, 2, 3], "03-17 04:00"),
            sheet(46, COUNTED, "03-18", [10] * 24),
            sheet(47, COUNTED, "03-31", [7] * 24),
            sheet(48, COUNTED, "04-01", [10] * 24),
            # as often at their peak: the higher mean; and where that ties too, the earlier
            sheet(51, BIG, "01-05", [0, 0, 9000, 9500]),
            sheet(52, BIG, "01-06", [None, 0, 100, 50]),
            sheet(53, BIG, "02-05", [8000, 7999, 0, 8000]),
            # 0.01 / 8 = 0.00125
            sheet(54, BIG, "03-05", [1, 0, 0, 0, 0, 0, 0, 0]),
            # the hour that is at its peak most often is not the fullest
            sheet(55, HUGE, "02-05", [19999, 20000, 24999]),
            sheet(56, HUGE, "02-06", [0, 20000, 0]),
            sheet(57, HUGE, "03-05", [19999]),
            sheet(58, SPOTLESS, "02-05", [0, 5]),
            sheet(59, CLUB, "02-05", [1, 2, 0, 3, 4]),
        ],
    }  # fmt: skip


def movement_edge_cases() -> Source:
    """A garage without spaces whose customers move in every way, and one that is CAD's equal in February."""

    def member(number: int, who: int, created: datetime, amount: str, ended: datetime | None = None) -> Row:
        status = "active" if ended is None else "canceled"
        return subscription(number, who, MOVING, status, created, amount, canceled=ended) | {"pass_id": key(3, 41)}

    return {
        "users": [user(number, "Emmy", "Noether") for number in range(41, 53)],
        "garages": [garage(MOVING, "Moving", None, 0), garage(RIVAL, "Rival", None, 4)],
        "passes": [offer(41, MOVING)],
        "subscriptions": [
            # one subscription more, and one less
            member(301, 41, instant("01-05"), "30.00"),
            member(302, 41, instant("02-10"), "12.00", instant("03-10")),
            # came and went within January, back in March
            member(303, 42, instant("01-05"), "10.00", instant("01-20")),
            member(304, 42, instant("03-05"), "11.00"),
            # a gap within a month, at the same price and at a higher one
            member(305, 43, datetime(2025, 12, 20), "20.00", instant("02-05")),
            member(306, 43, instant("02-20"), "20.00"),
            member(307, 44, instant("01-05"), "20.00", instant("02-05")),
            member(308, 44, instant("02-20"), "25.00"),
            # a gap within the first month
            member(309, 45, instant("01-05"), "5.00", instant("01-10")),
            member(310, 45, instant("01-20"), "6.00"),
            # in force at no time before
            member(311, 46, instant("01-25"), "5.00", instant("01-25")),
            member(312, 46, instant("02-05"), "7.00"),
            # free, and not free any more the day after; and the other way round
            member(313, 47, instant("01-05"), "0.00"),
            member(314, 48, instant("01-05"), "18.00"),
            # one ends and the next begins as March does
            member(315, 49, instant("01-05"), "9.00", instant("03-01")),
            member(316, 49, instant("03-01"), "9.00"),
            # leaves with two
            member(317, 50, instant("01-05"), "4.00", instant("03-05")),
            member(318, 50, instant("01-06"), "5.00", instant("03-06")),
            # leaves, comes back and leaves within a month
            member(319, 51, instant("01-05"), "8.00", instant("02-10")),
            member(320, 51, instant("03-02"), "8.00", instant("03-08")),
            member(321, 52, instant("01-05"), "999.00") | {"status": "incomplete"},
            member(322, 52, instant("02-05"), "3.00"),
        ],
        "payments": [
            payment(41, RIVAL, instant("01-20"), "6.00", currency="cad"),
            payment(42, RIVAL, instant("02-07"), "50.00", currency="cad"),
            payment(43, RIVAL, instant("03-05"), "1.00", currency="cad"),
            # today, which is not over; its fee is more than it brings
            payment(44, RIVAL, instant("03-17 10:00"), "0.50", "0.80", currency="cad"),
        ],
        "garage_daily_occupancy": [sheet(81, MOVING, "02-05", [0, 3]), sheet(82, RIVAL, "02-05", [2, 4])],
    }


def customer_edge_cases() -> Source:
    """Two garages more, in two currencies: bills paid at the second try or never, and customers on every edge."""

    def member(number: int, who: int, garage_id: str, status: str, created: datetime, amount: str, **rest: Any) -> Row:
        row = subscription(number, who, garage_id, status, created, amount, **rest)
        return row | {"pass_id": key(3, 81 if garage_id == DUNNING else 82)}

    def attempt(number: int, of: int | None, when: datetime, amount: str, status: str = "succeeded") -> Row:
        owner = None if of is None else key(4, of)
        return payment(number, DUNNING, when, amount, status=status, subscription_id=owner)

    return {
        "users": [user(number, " Alan") for number in range(81, 91)],
        "garages": [garage(DUNNING, "Dunning", None, 10), garage(ABROAD, "Abroad", None, 10)],
        "passes": [offer(81, DUNNING), offer(82, ABROAD)],
        "subscriptions": [
            member(801, 81, DUNNING, "active", instant("01-05"), "20.00"),
            member(802, 82, DUNNING, "past_due", datetime(2025, 11, 20), "30.00"),
            # one person, two debts in one garage
            member(803, 83, DUNNING, "unpaid", datetime(2025, 12, 5), "40.00"),
            member(804, 83, DUNNING, "past_due", instant("01-01"), "50.00"),
            # leaves without having paid, and is a customer in another currency
            member(805, 84, DUNNING, "canceled", instant("01-20"), "60.00", canceled=instant("03-10")),
            member(806, 84, ABROAD, "active", instant("02-10"), "70.00"),
            member(807, 85, DUNNING, "incomplete", instant("02-02"), "80.00"),
            # asked to end with the period, nobody knows when
            member(
                808, 86, DUNNING, "active", instant("01-05"), "10.00",
                at_period_end=True, period=(instant("03-05"), instant("04-05")),
            ),
            member(
                809, 87, DUNNING, "active", instant("01-05"), "11.00",
                canceled=instant("02-20"), at_period_end=True, period=(instant("03-05"), instant("04-05")),
            ),
            member(810, 87, DUNNING, "canceled", instant("01-10"), "12.00", canceled=instant("03-01")),
            member(811, 88, ABROAD, "active", instant("02-11"), "13.00"),
            # another plan within the hour
            member(812, 90, ABROAD, "canceled", instant("02-12 08:00"), "80.00", canceled=instant("02-12 09:00")),
            member(813, 90, ABROAD, "active", instant("02-12 09:30"), "120.00"),
        ],
        "payments": [
            # before anything else of the platform
            attempt(801, None, datetime(2023, 1, 15), "10.00", "failed"),
            # before there was a subscription
            attempt(802, 801, datetime(2025, 12, 28), "20.00"),
            attempt(803, 801, instant("01-05"), "20.00"),
            # one bill: what was called off is no answer, and what was refunded had gone through
            attempt(804, 801, instant("02-05"), "20.00", "failed"),
            attempt(805, 801, instant("02-08"), "20.00", "canceled"),
            attempt(806, 801, instant("02-13"), "21.00", "failed"),
            attempt(807, 801, instant("02-20"), "21.00", "refunded"),
            # at one instant: the lesser id comes first
            attempt(809, 801, instant("03-05"), "21.00"),
            attempt(808, 801, instant("03-05"), "21.00", "failed"),
            attempt(810, 802, datetime(2025, 11, 20), "30.00"),
            attempt(811, 802, datetime(2025, 12, 10), "30.00", "failed"),
            attempt(812, 802, datetime(2025, 12, 13), "31.00", "failed"),
            attempt(813, 803, instant("01-10"), "40.00", "failed"),
            attempt(814, 804, instant("02-01"), "55.00", "failed"),
            attempt(815, 805, instant("01-20"), "60.00"),
            attempt(816, 805, instant("02-20"), "60.00"),
            attempt(817, 805, instant("03-01"), "60.00", "failed"),
            attempt(818, 805, instant("03-04"), "60.00", "failed"),
            payment(819, ABROAD, instant("02-10"), "70.00", currency="cad", subscription_id=key(4, 806)),
            attempt(820, 807, instant("02-02"), "80.00", "failed"),
            # to a garage they never subscribed to
            attempt(821, 811, instant("02-11"), "13.00"),
            # on the day of as_of, after a month of nothing
            payment(822, ABROAD, instant("03-17 06:00"), "120.00", currency="cad", subscription_id=key(4, 813)),
        ],
        "parked": [
            stay(81, DUNNING, instant("03-10 08:00"), instant("03-10 10:00"), 85),
            stay(82, DUNNING, instant("03-17 08:00"), AS_OF, 81),
            stay(83, ABROAD, AS_OF, None, 88),
        ],
    }  # fmt: skip


def later_rows() -> Source:
    """What arrives the day after. Sheets: for a new day, over an older one, and one too old to hold."""
    return {
        "garage_daily_occupancy": [
            sheet(71, BIG, "02-06", [9000] * 24, "03-18 01:00"),
            sheet(72, BIG, "01-05", [9500, 1], "03-18 01:00"),
            sheet(73, HUGE, "02-05", [1], "02-05 23:00"),
        ],
        # failed, and in another currency than the garage's: before a success, and after
        "payments": [
            payment(28, EDGE, instant("03-12"), "41.00", status="failed", currency="cad", subscription_id=UNPAID),
            payment(29, EDGE, instant("03-13"), "42.00", status="failed", currency="cad", subscription_id=EARLIER),
            # the first one of a garage that had stays: those who parked there are customers in its currency by now
            payment(30, COUNTED, instant("03-12"), "5.00", status="failed", currency="cad"),
        ],
        # told of late, with effect on what was paid on that very day and after
        "pass_price_history": [repricing(7, 1, instant("02-11"), "48.00", "47.00", "03-18 01:00")],
    }


def edge_changes() -> list[tuple[str, str, Row]]:
    """(table, id, new values) for the day after; no values: the row is deleted. Few of them touch updated_at."""
    after = AS_OF + timedelta(hours=2)
    return [
        ("payments", key(5, 5), {"status": "refunded", "updated_at": after}),
        ("payments", key(5, 10), {"status": "succeeded"}),
        ("payments", key(5, 11), {"status": "succeeded"}),
        ("payments", key(5, 4), {"status": "processing"}),
        ("payments", key(5, 3), {"amount": Decimal("20.35"), "stripe_fee": None, "net_amount": None}),
        ("payments", key(5, 15), {"payment_date": instant("02-28 12:00")}),
        ("payments", key(5, 13), {"subscription_id": None}),
        ("payments", key(5, 17), {}),
        ("payments", key(5, 22), {}),
        ("payments", key(5, 24), {"payment_date": instant("01-31 12:00")}),
        # names that facts carry along
        ("garages", EDGE, {"name": " Edge II", "address": "1 Edge St, Boston, MA 02108", "capacity": 7}),
        ("users", key(2, 1), {"email": "Ada@example.com ", "first_name": None}),
        ("passes", key(3, 9), {"name": "Edge pass nine"}),
        ("subscriptions", key(4, 1), {"pass_id": key(3, 9), "monthly_amount": Decimal("101.00")}),
        # a price that changed in March leaves February alone, one that changes at as_of does not count yet
        ("subscriptions", key(4, 15), {"monthly_amount": Decimal("55.00"), "updated_at": instant("03-10")}),
        ("subscriptions", key(4, 10), {"monthly_amount": Decimal("35.00"), "updated_at": AS_OF + timedelta(days=1)}),
        ("subscriptions", key(4, 313), {"monthly_amount": Decimal("31.00"), "updated_at": instant("03-10")}),
        ("subscriptions", key(4, 314), {"monthly_amount": Decimal("0.00"), "updated_at": instant("03-10")}),
        ("subscriptions", key(4, 4), {"canceled_at": None, "cancel_at_period_end": False}),
        ("subscriptions", key(4, 7), {"status": "active"}),
        ("subscriptions", DUNNED, {"status": "active"}),
        ("subscriptions", key(4, 9), {"status": "past_due", "canceled_at": after, "updated_at": after}),
        ("parked", key(6, 1), {"exited_at": after}),
        ("parked", key(6, 31), {}),
        ("parked", key(6, 36), {"exited_at": after, "vehicle_plate": None}),
        ("parked", key(6, 37), {"user_id": None}),
        ("users", key(2, 32), {"first_name": "Edsger"}),
        # a debt paid long after, one forgiven, a customer who becomes one
        ("payments", key(5, 813), {"status": "succeeded"}),
        ("payments", key(5, 818), {"status": "canceled"}),
        ("subscriptions", key(4, 807), {"status": "active"}),
        ("users", key(2, 82), {"phone": "+1 555 0100"}),
        # who never was a customer, and is gone
        ("users", key(2, 89), {}),
        ("garages", COUNTED, {"name": "Recounted", "capacity": 8}),
        ("garages", SPOTLESS, {"capacity": 5}),
        ("garages", CLUB, {"capacity": 0}),
        ("subscriptions", key(4, 110), {"status": "incomplete"}),
        ("subscriptions", key(4, 104), {"canceled_at": instant("02-04")}),
        # the sheet before counts again, or the day is gone
        ("garage_daily_occupancy", key(7, 32), {}),
        ("garage_daily_occupancy", key(7, 35), {}),
        ("garage_daily_occupancy", key(7, 36), {}),
        ("garage_daily_occupancy", key(7, 42), {}),
        # a price that never was, one that was another, and one from another day on
        ("pass_price_history", key(8, 2), {}),
        ("pass_price_history", key(8, 4), {"new_price": Decimal("50.50")}),
        ("pass_price_history", key(8, 1), {"effective_date": instant("02-03") + TICK}),
        # fewer hours, another day, another garage
        ("garage_daily_occupancy", key(7, 37), {"hourly_occupancy": Jsonb([7, 8])}),
        ("garage_daily_occupancy", key(7, 43), {"day": instant("03-11")}),
        ("garage_daily_occupancy", key(7, 44), {"garage_id": BIG}),
    ]


# ------------------------------------------------------------------------ the recomputation, by hand


def pick(rows: list[Row], *names: str, **where: Any) -> list[tuple[Any, ...]]:
    chosen = [row for row in rows if all(row[name] == value for name, value in where.items())]
    return [tuple(str(v) if isinstance(v, Decimal) else v for v in (row[n] for n in names)) for row in chosen]


def test_recomputed_pl_of_hand_made_rows() -> None:
    rows = recompute.rpt_garage_monthly_pl(edge_cases(), Frame(AS_OF))
    # January: 10.15; fee 1.015 → 1.02; 10.15 − 0.59 − 1.02 = 8.54
    # February: 30.00 + 32.00 + 0.05; fees 3.00 + 3.20 + 0.01; (28.80 − 3) + (30.77 − 3.20) + (0.05 − 0.01)
    # March: 20.25 + 10.05 + 1 + 2 + 4 + 8 + 16; fees 2.03 + 1.01 + 1.50 + 1.60;
    #        (19.36 − 2.03) + (10.05 − 1.01) + 13.50 + 14.40
    money = (
        "month_key",
        "payment_count",
        "gross_revenue",
        "total_stripe_fees",
        "total_platform_fees",
        "garage_profit",
    )
    assert pick(rows, *money, garage_id=EDGE) == [
        ("2026-01", 1, "10.15", "0.59", "1.02", "8.54"),
        ("2026-02", 3, "62.05", "2.40", "6.21", "53.41"),
        ("2026-03", 7, "61.30", "0.89", "6.14", "54.27"),
    ]
    # January: 1, 2, 4, 6, 10 begin. February: 5, 11, 12 begin, 5 ends. March: 13, 14 begin, 2 and 6 end.
    life = ("opening_subscriptions", "new_subscriptions", "churned_subscriptions", "active_subscriptions")
    assert pick(rows, *life, "unique_customers", "monthly_recurring_revenue", garage_id=EDGE) == [
        (0, 5, 0, 5, 4, "300.00"),
        (5, 3, 1, 7, 4, "363.00"),
        (7, 2, 2, 7, 4, "340.00"),
    ]
    # 10.15 / 4, / 5; 62.05 / 4, / 7; 1 / 5; (62.05 − 10.15) / 10.15;
    # 61.30 / 4, / 7; 2 / 7; (61.30 − 62.05) / 62.05
    rates = (
        "arpu",
        "revenue_per_subscription",
        "churn_rate_percent",
        "previous_month_revenue",
        "revenue_growth_pct",
    )
    assert pick(rows, *rates, garage_id=EDGE) == [
        ("2.5375", "2.0300", None, None, None),
        ("15.5125", "8.8643", "20.0000", "10.15", "511.3300"),
        ("15.3250", "8.7571", "28.5714", "62.05", "-1.2087"),
    ]
    dunning = [f"{status}_subscriptions" for status in recompute.DUNNING]
    assert pick(rows, *dunning, garage_id=EDGE) == [(1, 0, 0, 0), (2, 1, 0, 0), (2, 1, 1, 1)]
    assert pick(rows, "month_key", "gross_revenue", "arpu", "revenue_growth_pct", garage_id=REFUNDED) == [
        ("2026-02", "0", "0.0000", None),
        ("2026-03", "0", "0.0000", None),
    ]
    # January has a payment and no subscription yet; 17 ends on 10 March, 18 at the very instant, 20 on the 1st.
    names = ("month_key", "currency", "gross_revenue", "active_subscriptions", "churned_subscriptions", "arpu")
    assert pick(rows, *names, garage_id=CAD) == [
        ("2026-01", "cad", "5.00", 0, 0, None),
        ("2026-02", "cad", "50.00", 4, 0, "12.5000"),
        ("2026-03", "cad", "0", 2, 2, "0.0000"),
    ]
    assert {row["garage_id"] for row in rows} == {EDGE, CAD, REFUNDED, UNSUBSCRIBED}


def test_recomputed_executive_dashboard_of_hand_made_rows() -> None:
    rows = recompute.rpt_executive_dashboard(edge_cases(), Frame(AS_OF))
    # Garages paid in dollars only; person 1 is in two of them in February and March and counts once.
    life = ("total_opening_subscriptions", "total_new_subscriptions", "total_churned_subscriptions")
    names = ("active_garages", *life, "total_active_subscriptions", "total_unique_customers")
    assert pick(rows, *names) == [(1, 0, 5, 0, 5, 4), (3, 5, 4, 1, 8, 4), (2, 8, 2, 2, 8, 4)]
    # The mean of 15.5125 and 0.0000 is 7.75625, which rounds away from zero; the unsubscribed garage has no
    # ARPU, but its 10.00 count: 72.05 / 4; (72.05 − 10.15) / 10.15; (61.30 − 72.05) / 72.05
    names = (
        "total_gross_revenue",
        "avg_arpu",
        "revenue_per_customer",
        "platform_churn_rate",
        "revenue_growth_pct",
    )
    assert pick(rows, *names) == [
        ("10.15", "2.5375", "2.5375", None, None),
        ("72.05", "7.7563", "18.0125", "20.0000", "609.8522"),
        ("61.30", "7.6625", "15.3250", "25.0000", "-14.9202"),
    ]


def test_recomputed_hot_views_of_hand_made_rows() -> None:
    rows, frame = edge_cases(), Frame(AS_OF)
    daily = recompute.mv_daily_revenue(rows, frame)
    assert len(daily) == 8 * 91
    assert {row["payment_date"] for row in daily} >= {date(2025, 12, 17), AS_OF.date()}
    assert pick(daily, "payment_count", "gross_revenue", garage_id=EDGE, payment_date=AS_OF.date()) == [(1, "10.05")]
    active = recompute.mv_active_subscriptions(rows, frame)
    names = ("active_count", "unique_customers", "monthly_recurring_revenue", "avg_subscription_value")
    assert pick(active, *names, "pending_cancellations", garage_id=EDGE) == [(7, 4, "340.00", "48.5714", 1)]
    assert pick(active, *names, "pending_cancellations", garage_id=NAMESAKE) == [(0, 0, "0", None, 0)]
    month = recompute.mv_current_month_metrics(rows, frame)
    names = ("mtd_revenue", "opening_subscriptions", "mtd_cancellations", "mtd_cancellation_requests")
    assert pick(month, *names, "churn_rate_percent", garage_id=EDGE) == [("61.30", 7, 2, 1, "28.5714")]
    inside = recompute.mv_current_occupancy(rows, frame)
    names = ("current_occupancy", "occupancy_rate", "available_spots")
    assert pick(inside, *names, garage_id=EDGE) == [(2, None, -2)]
    assert pick(inside, *names, garage_id=CAD) == [(1, "33.33", 2)]
    failed = recompute.mv_failed_payments(rows, frame)
    names = ("subscription_id", "past_due_since", "days_past_due", "failed_attempts")
    assert pick(failed, *names) == [
        (DUNNED, instant("03-01 09:00"), 16, 2),
        (UNPAID, instant("03-05"), 12, 0),
        (EARLIER, instant("03-10"), 7, 0),
        (ENDED, instant("02-08"), 37, 0),
    ]


def test_recomputed_days_and_months_are_those_of_the_zone() -> None:
    rows, frame = edge_cases(), Frame(AS_OF, CHICAGO)
    daily = recompute.mv_daily_revenue(rows, frame)
    # 8 March has 23 hours there: 06:00 to 05:00 the next day in UTC
    for day, gross in ((7, "1.00"), (8, "6.00"), (9, "8.00")):
        assert pick(daily, "gross_revenue", garage_id=EDGE, payment_date=date(2026, 3, day)) == [(gross,)]
    monthly = recompute.rpt_garage_monthly_pl(rows, frame)
    # The first six hours of March in UTC are February there: 20.25 and 16.00 move, and so does the end of 2.
    assert pick(monthly, "month_key", "gross_revenue", "churned_subscriptions", garage_id=EDGE) == [
        ("2026-01", "10.15", 0),
        ("2026-02", "98.30", 2),
        ("2026-03", "25.05", 1),
    ]


def test_recomputed_at_a_month_start_has_no_month_yet() -> None:
    frame = Frame(instant("03-01"))
    keys = [row["month_key"] for row in recompute.rpt_executive_dashboard(edge_cases(), frame)]
    assert keys == ["2026-01", "2026-02"]
    month = recompute.mv_current_month_metrics(edge_cases(), frame)
    names = ("month", "mtd_revenue", "opening_subscriptions", "active_subscriptions", "mtd_cancellations")
    assert pick(month, *names, garage_id=EDGE) == [(date(2026, 3, 1), "0", 7, 7, 0)]


def test_recomputed_parking_of_hand_made_rows() -> None:
    rows = sorted(
        recompute.fact_parking_events(more_edge_cases(), Frame(AS_OF, CHICAGO)), key=lambda row: row["parking_id"]
    )
    assert pick(rows, "duration_minutes", "parking_date", "hour_of_day", "first_name")[:5] == [
        (1, date(2026, 2, 2), 4, "Grace"),
        (0, date(2026, 2, 2), 4, "Grace"),
        (2 * 1440 + 1, date(2026, 2, 2), 17, "Grace"),
        (60, date(2026, 3, 8), 1, "Grace"),
        (None, date(2026, 3, 7), 23, None),
    ]


def test_recomputed_occupancy_of_hand_made_rows() -> None:
    rows = recompute.fact_daily_occupancy(more_edge_cases(), Frame(AS_OF))
    names = ("hour", "occupancy_count", "occupancy_rate", "is_peak_hour")
    march = {day: pick(rows, *names, garage_id=COUNTED, occupancy_date=date(2026, 3, day)) for day in range(2, 11)}
    assert {day: len(hours) for day, hours in march.items() if hours} == {2: 24, 3: 3, 4: 24, 5: 24, 8: 3, 10: 2}
    assert march[2][23] == (23, 2, "20.00", False)
    assert march[3] == [(0, 8, "80.00", True), (1, 5, "50.00", False), (2, 9, "90.00", True)]
    assert march[8] == [(0, 5, "50.00", False), (1, None, None, False), (2, 7, "70.00", False)]
    # 79.99 % is no peak, and neither is what only rounds to 80
    assert pick(rows, *names, garage_id=BIG, occupancy_date=date(2026, 2, 5))[1] == (1, 7999, "79.99", False)
    assert pick(rows, *names, garage_id=HUGE, occupancy_date=date(2026, 3, 5)) == [(0, 19999, "80.00", False)]
    assert pick(rows, *names, garage_id=SPOTLESS) == [(0, 0, None, False), (1, 5, None, False)]
    months = recompute.rpt_occupancy_analytics(more_edge_cases(), Frame(AS_OF))
    names = ("month", "avg_occupancy_rate", "peak_occupancy_rate", "min_occupancy_rate", "peak_hours_count")
    first, second, third = (date(2026, month, 1) for month in (1, 2, 3))
    # January: 90 + 95 + 1 + 0.5 over seven; February: 80 + 79.99 + 80 over four
    assert pick(months, *names, "days_tracked", "most_common_peak_hour", garage_id=BIG) == [
        (first, "26.6429", "95.00", "0.00", 2, 2, 3),
        (second, "59.9975", "80.00", "0.00", 2, 1, 0),
        (third, "0.0013", "0.01", "0.00", 0, 1, None),
    ]
    assert pick(months, *names[2:], "most_common_peak_hour", garage_id=HUGE, month=second) == [("100.00", "0.00", 3, 1)]
    assert pick(months, *names, "days_tracked", "most_common_peak_hour", garage_id=SPOTLESS) == [
        (second, None, None, None, 0, 1, None)
    ]
    assert pick(months, "month", "days_tracked", garage_id=COUNTED) == [(third, 8)]
    chicago = recompute.rpt_occupancy_analytics(more_edge_cases(), Frame(APRIL_IN_CHICAGO, CHICAGO))
    assert pick(chicago, "month", "days_tracked", garage_id=COUNTED) == [(third, 10)]


def test_recomputed_cohorts_and_passes_of_hand_made_rows() -> None:
    rows, frame = more_edge_cases(), Frame(AS_OF)
    cohorts = recompute.rpt_cohort_retention(rows, frame)
    names = ("cohort_month", "months_since_start", "cohort_size", "retained_users", "retention_rate", "cohort_value")
    assert pick(cohorts, *names, garage_id=CLUB) == [
        ("2026-01", 0, 1, 1, "100.00", "22.00"),
        ("2026-01", 1, 1, 0, "0.00", "22.00"),
        ("2026-01", 2, 1, 1, "100.00", "22.00"),
        ("2026-02", 0, 4, 3, "75.00", "62.00"),
        ("2026-02", 1, 4, 2, "50.00", "62.00"),
    ]
    assert pick(cohorts, *names, garage_id=BRANCH) == [
        ("2026-02", 0, 2, 2, "100.00", "34.00"),
        ("2026-02", 1, 2, 1, "50.00", "34.00"),
        ("2026-03", 0, 1, 1, "100.00", "19.00"),
    ]
    passes = recompute.rpt_pass_performance(rows, frame)
    names = ("total_subscriptions", "active_subscriptions", "monthly_revenue", "avg_subscription_lifetime_days")
    # 10 + 12 + 0 + 0 + 28 + 18 + 25 days over seven; the eighth begins at as_of
    assert pick(passes, *names, "churned_subscriptions", "churn_rate", "currency") == [
        (7, 2, "29.00", "13.2857", 5, "71.4286", "usd"),
        (3, 2, "33.00", "11.6667", 1, "33.3333", "usd"),
        (0, 0, "0", None, 0, None, "usd"),
    ]


def test_recomputed_list_prices_of_hand_made_rows() -> None:
    rows, frame = edge_cases(), Frame(AS_OF)
    rows["payments"].append(payment(27, CAD, instant("02-19"), "45.00", currency="cad", subscription_id=key(4, 15)))
    attempts = {row["payment_id"]: row["list_price"] for row in recompute.fact_payment_attempts(rows, frame)}
    found = {number: attempts[key(5, number)] for number in (6, 12, 7, 3, 8, 9, 11, 27, 1)}
    assert {number: price and str(price) for number, price in found.items()} == {
        6: "45.00", 7: "48.00", 12: "48.00", 3: "48.00", 8: "49.00", 9: "50.00", 11: "55.00", 27: None, 1: None,
    }  # fmt: skip
    passes = recompute.rpt_pass_performance(rows, frame)
    names = ("list_price", "payment_count", "gross_revenue", "revenue_at_list_price", "list_price_paid_percent")
    # 30.00, 32.00 and 20.25 of 48.00 each
    assert pick(passes, *names, pass_id=key(3, 1)) == [("50.00", 3, "82.25", "144.00", "57.1181")]
    assert pick(passes, *names, pass_id=key(3, 2)) == [("50.00", 1, "45.00", "0", None)]


def test_recomputed_movements_of_hand_made_rows() -> None:
    rows = {name: edge_cases().get(name, []) + content for name, content in movement_edge_cases().items()}
    moved = COLD["reports.rpt_mrr_movements"][0](rows, Frame(AS_OF))
    # December: 43 is new. January: 41, 44, 45, 47 (free), 48, 49, 50 and 51 are. February: 46 and 52 are, 41 and 44 pay
    # more, 51 leaves. March: 42 is back, 41 pays less, 50 leaves.
    movements = tuple(recompute_financials.MOVEMENTS.values())
    assert pick(moved, "month_key", "opening_mrr", *movements, "closing_mrr", garage_id=MOVING) == [
        ("2025-12", "0", "20.00", "0", "0", "0", "0", "20.00"),
        ("2026-01", "20.00", "100.00", "0", "0", "0", "0", "120.00"),
        ("2026-02", "120.00", "10.00", "0", "17.00", "0", "-8.00", "139.00"),
        ("2026-03", "139.00", "0", "11.00", "0", "-12.00", "-9.00", "129.00"),
    ]
    # 112 / 120, 129 / 120; 118 / 139
    assert pick(moved, "gross_retention_percent", "net_retention_percent", garage_id=MOVING) == [
        (None, None),
        ("100.0000", "100.0000"),
        ("93.3333", "107.5000"),
        ("84.8921", "84.8921"),
    ]
    customers = [f"{name}_customers" for name in ("opening", *recompute_financials.MOVEMENTS, "closing")]
    assert pick(moved, *customers, garage_id=MOVING) == [
        (0, 1, 0, 0, 0, 0, 1),
        (1, 8, 0, 0, 0, 0, 9),
        (9, 2, 0, 2, 0, 1, 10),
        (10, 0, 1, 0, 1, 1, 10),
    ]


def test_recomputed_financials_and_rankings_of_hand_made_rows() -> None:
    parts = (edge_cases(), more_edge_cases(), movement_edge_cases())
    rows = {name: [row for part in parts for row in part.get(name, [])] for name in recompute.TABLES}
    financials = COLD["reports.rpt_financial_analytics"][0](rows, Frame(AS_OF))
    # fees 0.60; 5.00; 0.10 + 0.05. March's 16 days that are over brought 1.00, so 31 bring 1.94
    names = ("garage_profit", "margin_percent", "stripe_fee_percent", "profit_change", "projected_revenue")
    assert pick(financials, *names, "is_complete_month", garage_id=RIVAL) == [
        ("5.40", "90.0000", "0.0000", None, "6.00", True),
        ("45.00", "90.0000", "0.0000", "39.60", "50.00", True),
        ("0.55", "36.6667", "53.3333", "-44.45", "1.94", False),
    ]
    # the source took 3 cents more than Stripe's fee
    assert pick(financials, "other_deductions", garage_id=EDGE, month_key="2026-02") == [("0.03",)]
    names = ("month_key", "previous_year_revenue", "yoy_growth_pct", "margin_percent")
    march = [row for row in pick(financials, *names, garage_id=HUGE) if row[0].endswith("-03")]
    assert march == [
        ("2023-03", None, None, "90.0000"),
        ("2024-03", "100.00", "50.0000", "90.0000"),
        ("2025-03", "150.00", "-66.6667", "90.0000"),
        ("2026-03", "50.00", "20.0000", "90.0000"),
    ]
    ranked = COLD["reports.rpt_garage_rankings"][0](rows, Frame(AS_OF))
    names = ("month_key", "revenue_rank", "revenue_rank_change", "growth_rank", "utilization_rank", "garages_ranked")
    assert pick(ranked, *names, garage_id=CAD) == [
        ("2026-01", 2, None, None, None, 2),
        ("2026-02", 1, 1, 1, None, 2),
        ("2026-03", 2, -1, 2, None, 2),
    ]
    assert pick(ranked, *names, "utilization_rate", "revenue_per_space", garage_id=RIVAL) == [
        ("2026-01", 1, None, None, None, 2, None, "1.5000"),
        ("2026-02", 1, 0, 2, 1, 2, "75.0000", "12.5000"),
        ("2026-03", 1, 0, 1, None, 2, None, "0.3750"),
    ]
    # below EDGE and UNSUBSCRIBED, beside those who had nothing either; without spaces there is no utilization
    february = pick(ranked, *names, "utilization_rate", "revenue_per_space", garage_id=MOVING, month_key="2026-02")
    assert february == [("2026-02", 3, -1, None, None, 7, None, None)]


def test_recomputed_health_of_hand_made_rows() -> None:
    rows, frame = customer_edge_cases(), Frame(AS_OF)
    platform = recompute.COLD["reports.rpt_platform_health"][0](rows, frame)
    assert (platform[0]["month_key"], len(platform)) == ("2023-01", 39)
    names = ("payment_attempts", "failed_attempts", "charge_count", "first_attempt_charge_count")
    names += ("collected_charge_count", "dunned_charge_count", "recovered_charge_count", "in_dunning_charge_count")
    # The bills of December: 802; and 811 with 812, still owed. February: 804 with 806 and 807; 814, still owed; 816;
    # 820, a sign-up; 821. March: 808 with 809; 817 with 818, given up.
    assert pick(platform, *names, month=date(2023, 1, 1)) == [(1, 1, 1, 0, 0, 0, 0, 0)]
    assert pick(platform, *names, month=date(2025, 12, 1)) == [(3, 2, 2, 1, 1, 1, 0, 1)]
    assert pick(platform, *names, month=date(2026, 2, 1)) == [(7, 4, 5, 2, 3, 2, 1, 1)]
    assert pick(platform, *names, month=date(2026, 3, 1)) == [(4, 3, 2, 0, 1, 2, 1, 0)]
    names = ("attempt_success_rate_percent", "first_attempt_success_rate_percent", "eventual_success_rate_percent")
    names += ("dunning_recovery_rate_percent", "dunned_amount", "recovered_amount", "avg_days_to_recovery")
    february = ("42.8571", "40.0000", "60.0000", "50.0000", "75.00", "21.00", "15.0000")
    assert pick(platform, *names, month=date(2026, 2, 1)) == [february]
    # 55 + 101 + 86 + 59 + 40 + 55 + 55 + 50 days over eight; then 71 + 117 + 102 + 75 + 49 + 71 + 71 + 50, and 49 + 50
    names = ("opening_subscriptions", "churned_subscriptions", "active_subscriptions", "churn_rate_percent")
    names += ("avg_subscription_lifetime_days", "avg_churned_lifetime_days")
    assert pick(platform, *names)[-2:] == [
        (8, 0, 8, "0.0000", "62.6250", None),
        (8, 2, 6, "25.0000", "75.7500", "49.5000"),
    ]
    health = recompute.COLD["reports.rpt_subscription_health"][0](rows, frame)
    names = ("pending_cancellations", "pending_cancellation_amount", "cancellation_requests")
    assert pick(health, *names, "churned_owing_subscriptions", garage_id=DUNNING)[-2:] == [
        (1, "11.00", 1, 0),
        (2, "21.00", 2, 1),
    ]


def test_recomputed_customers_of_hand_made_rows() -> None:
    rows, frame = customer_edge_cases(), Frame(AS_OF)
    failed = recompute.COLD["reports.rpt_failed_payments"][0](rows, frame)
    assert pick(failed, "subscription_id", "days_past_due", "ageing_bucket", "ageing_rank", "past_due_amount") == [
        (key(4, 802), 97, "over 90 days", 5, "31.00"),
        (key(4, 803), 66, "61 to 90 days", 4, "40.00"),
        (key(4, 804), 44, "31 to 60 days", 3, "55.00"),
    ]
    customers = recompute.COLD["reports.rpt_customer_360"][0](rows, frame)
    names = ("currency", "customer_status", "tenure_days", "lifetime_value", "refunded_amount", "failed_attempts")
    found = {number: sorted(pick(customers, *names, user_id=key(2, number))) for number in (81, 84, 85, 88, 89)}
    assert found == {
        81: [("usd", "active", 71, "61.00", "21.00", 3)],
        84: [("cad", "active", 35, "70.00", "0", 0), ("usd", "churned", 49, "120.00", "0", 2)],
        85: [("usd", "never subscribed", None, "0", "0", 1)],
        88: [("cad", "active", 34, "0", "0", 0), ("usd", "never subscribed", None, "13.00", "0", 0)],
        89: [("usd", "never subscribed", None, "0", "0", 0)],
    }
    seen = {row["user_id"]: (row["stay_count"], row["last_seen_at"]) for row in customers if row["stay_count"]}
    assert seen == {key(2, 85): (1, instant("03-10 10:00")), key(2, 81): (1, instant("03-17 08:00"))}
    cohorts = recompute.COLD["reports.rpt_cohort_revenue"][0](rows, frame)
    names = ("cohort_size", "monthly_recurring_revenue", "mrr_retention_rate", "revenue", "revenue_retention_rate")
    # 81, 84, 86 and 87: 20 + 60 + 10 + 11 + 12 a month; 20 before and 20 + 60 in January, 60, 21
    assert pick(cohorts, *names, "lifetime_value", garage_id=DUNNING, cohort_month="2026-01") == [
        (4, "113.00", "100.00", "100.00", "100.00", "25.0000"),
        (4, "113.00", "100.00", "60.00", "60.00", "40.0000"),
        (4, "41.00", "36.28", "21.00", "21.00", "45.2500"),
    ]
    # 84, 88 and 90: 70 + 13 + 120 a month, of a value of 283; who changes the plan within the month has kept it
    assert pick(cohorts, "cohort_value", *names, "lifetime_value", garage_id=ABROAD) == [
        ("283.00", 3, "203.00", "100.00", "70.00", "100.00", "23.3333"),
        ("283.00", 3, "203.00", "100.00", "120.00", "171.43", "63.3333"),
    ]
    # what came on the day of as_of is not projected from, and yet has come
    financials = recompute.COLD["reports.rpt_financial_analytics"][0](rows, frame)
    assert pick(financials, "gross_revenue", "projected_revenue", garage_id=ABROAD)[-1] == ("120.00", "120.00")


@pytest.mark.parametrize(
    ("over", "under", "expected"),
    [
        (1, 8, "0.1250"),
        (-1, 32, "-0.0313"),
        (1, 3, "0.3333"),
        (2, 3, "0.6667"),
        (5, 0, None),
        (0, 5, "0.0000"),
    ],
)
def test_ratios_round_half_away_from_zero(over: int, under: int, expected: str | None) -> None:
    found = recompute.ratio(over, under)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("1 Edge St, Austin, TX 78701", "South"),
        ("4 Texas Ave, Seattle, WA 98101-0001", "West"),
        ("5 Main St, New York, New York", "Northeast"),
        ("6 State St, Chicago, Illinois 60601, USA", "Midwest"),
        ("2 King St W, Toronto, ON M5H 1A1, Canada", "Other"),
        (None, "Other"),
    ],
)
def test_recomputed_region(address: str | None, region: str) -> None:
    assert recompute.region(address) == region


def test_recomputed_calendar() -> None:
    rows = {row["date_day"]: row for row in recompute.dim_date({}, Frame(AS_OF))}
    assert (min(rows), max(rows)) == (date(2020, 1, 1), date(2041, 12, 31))
    free = sorted(day for day, row in rows.items() if row["is_holiday"] and day.year == 2026)
    assert [f"{day:%m-%d}" for day in free] == [
        "01-01", "01-19", "02-16", "05-25", "06-19", "07-04", "09-07", "10-12", "11-11", "11-26", "12-25",
    ]  # fmt: skip
    assert not rows[date(2020, 6, 19)]["is_holiday"]
    assert (rows[date(2021, 1, 3)]["week_of_year"], rows[date(2021, 1, 3)]["day_of_week"]) == (53, 0)


# ------------------------------------------------------------------------------------- the real thing


@dataclass
class Stage:
    """What stood in the source, and what the two sides made of it."""

    source: Source
    frame: Frame
    cold: dict[str, list[Row]]
    hot: dict[str, list[Row]]
    rebuilt: dict[str, list[Row]] | None = None
    failures: dict[str, int | None] | None = None


def as_stored(row: Row, name: str) -> Any:
    return Jsonb(row[name]) if name == "hourly_occupancy" else row[name]


def insert(dsn: str, rows: Source) -> None:
    with psycopg.connect(dsn) as connection:
        insert_in(connection, rows)


def insert_in(connection: psycopg.Connection[Any], rows: Source) -> None:
    for table, content in rows.items():
        columns = list(content[0])
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier("public", table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        )
        with connection.cursor() as cursor:
            cursor.executemany(statement, [[as_stored(row, name) for name in columns] for row in content])


def change(dsn: str, changes: list[tuple[str, str, Row]]) -> None:
    with psycopg.connect(dsn) as connection:
        for table, id_, values in changes:
            assigned = [sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in values.items()]
            statement = (
                sql.SQL("update {} set {} where id = {}").format(
                    sql.Identifier("public", table), sql.SQL(", ").join(assigned), id_
                )
                if values
                else sql.SQL("delete from {} where id = {}").format(sql.Identifier("public", table), id_)
            )
            assert connection.execute(statement).rowcount == 1, (table, id_)


def build(
    settings: Settings,
    side: str,
    dsn: str | None,
    frame: Frame,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
) -> dbt.Outcome:
    zone = () if str(frame.zone) == "UTC" else ("--vars", json.dumps({"reporting_timezone": str(frame.zone)}))
    outcome = dbt.build(settings, side, dsn=dsn, as_of=frame.as_of, arguments=(*zone, *arguments), environ=environ)
    assert outcome.ok, outcome.failures
    return outcome


def load(settings: Settings, dsn: str) -> datetime:
    """Sync; returns when it began, naive UTC."""
    run = sync.sync(settings, dsn)
    assert run.ok, sync.as_text(run)
    return run.started_at


def read_cold(settings: Settings, *only: str) -> dict[str, list[Row]]:
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        found = {}
        for relation in only or COLD:
            found[relation] = rows_of(connection, f"select * from {relation}")
        return found


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    result = connection.execute(query)
    columns = [column[0] for column in result.description or []]
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def read_hot(dsn: str, *only: str) -> dict[str, list[Row]]:
    with psycopg.connect(dsn, row_factory=psycopg.rows.dict_row) as connection:
        found = {}
        for view in only or HOT:
            rows = connection.execute(sql.SQL("select * from {}").format(sql.Identifier("reporting", view))).fetchall()
            found[view] = [
                {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in row.items()}
                for row in rows
            ]
        return found


@pytest.fixture(scope="module")
def pipeline(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    """A seeded business with the hand-made rows in it, loaded into RAW."""
    dsn = make_database()
    source.init(dsn)
    source.seed(dsn, garages=12, months=8, payments=1500, seed=11, as_of=AS_OF)
    insert(dsn, edge_cases())
    insert(dsn, more_edge_cases())
    insert(dsn, movement_edge_cases())
    insert(dsn, customer_edge_cases())
    settings = settings_in(tmp_path_factory.mktemp("figures") / "home", postgres_dsn=dsn)
    load(settings, dsn)
    return settings, dsn


@pytest.fixture(scope="module")
def first(pipeline: tuple[Settings, str]) -> Stage:
    settings, dsn = pipeline
    frame = Frame(AS_OF)
    build(settings, "cold", None, frame, *UNTESTED)
    build(settings, "hot", dsn, frame, *UNTESTED)
    return Stage(recompute.read(dsn), frame, read_cold(settings), read_hot(dsn))


@pytest.fixture(scope="module")
def chicago(pipeline: tuple[Settings, str], first: Stage) -> Stage:
    """The same rows in a zone that changes its clocks in that time, as of exactly the start of a month there.

    Built upon the first build, so the other zone and instant have to be noticed; and so have a payment that came late,
    with a time before that of what was seen, and a stay that RAW has lost without a trace.
    """
    settings, dsn = pipeline
    frame = Frame(APRIL_IN_CHICAGO, CHICAGO)
    there = settings_in(settings.home / "chicago")  # by the same name, for dbt parses the project for each
    there.make_home()
    copy = there.duckdb_path
    copy.write_bytes(settings.duckdb_path.read_bytes())
    with duckdb.connect(str(copy)) as warehouse:
        warehouse.execute("delete from marts.fact_payment_attempts where payment_id = ?", [key(5, 14)])
        warehouse.execute(
            "insert into marts.fact_parking_events by name"
            " select * replace ('lost' as parking_id) from marts.fact_parking_events where parking_id = ?",
            [key(6, 31)],
        )
    wanted = [f"+{relation.split('.')[1]}" for relation in IN_CHICAGO]
    build(there, "cold", None, frame, *UNTESTED, "--select", *wanted)
    build(there, "hot", dsn, frame, *UNTESTED)
    return Stage(first.source, frame, read_cold(there, *IN_CHICAGO), read_hot(dsn))


@pytest.fixture(scope="module")
def second(pipeline: tuple[Settings, str], first: Stage, chicago: Stage) -> Stage:
    """A day of business later: an incremental load and build, and the same built from nothing."""
    settings, dsn = pipeline
    frame = Frame(AS_OF + timedelta(days=1))
    change(dsn, edge_changes())
    insert(dsn, later_rows())
    source.mutate(dsn, seed=12, as_of=frame.as_of)
    synced = load(settings, dsn)
    for side in ("cold", "hot"):
        outcome = build(settings, side, dsn, frame, environ=WITH_UNIT_TESTS)
        assert outcome.count("pass", kinds=["unit_test"])
    results = json.loads((dbt.target_path(settings, "cold") / "run_results.json").read_text())["results"]
    now = recompute.read(dsn)
    now["amounts"] = recompute.amounts([(first.source, synced), (now, synced)])
    stage = Stage(now, frame, read_cold(settings), read_hot(dsn))
    stage.failures = {node["unique_id"].split(".")[2]: node["failures"] for node in results}
    build(settings, "cold", None, frame, *UNTESTED, "--full-refresh")
    stage.rebuilt = read_cold(settings)
    return stage


def agree(expected: list[Row], found: list[Row], by: tuple[str, ...]) -> None:
    lines = differences(expected, found, by)
    assert not lines, f"{len(lines)} differences:\n" + "\n".join(lines[:20])


@pytest.mark.parametrize("relation", COLD)
def test_cold_after_a_full_build(first: Stage, relation: str) -> None:
    function, by = COLD[relation]
    agree(function(first.source, first.frame), first.cold[relation], by)


@pytest.mark.parametrize("view", HOT)
def test_hot_after_the_first_build(first: Stage, view: str) -> None:
    function, by = HOT[view]
    agree(function(first.source, first.frame), first.hot[view], by)


@pytest.mark.parametrize("relation", COLD)
def test_cold_after_a_day_and_an_incremental_build(second: Stage, relation: str) -> None:
    function, by = COLD[relation]
    agree(function(second.source, second.frame), second.cold[relation], by)


@pytest.mark.parametrize("relation", COLD)
def test_incremental_build_equals_a_full_refresh(second: Stage, relation: str) -> None:
    assert second.rebuilt is not None
    agree(second.rebuilt[relation], second.cold[relation], COLD[relation][1])


@pytest.mark.parametrize("view", HOT)
def test_hot_after_a_day(second: Stage, view: str) -> None:
    function, by = HOT[view]
    agree(function(second.source, second.frame), second.hot[view], by)


@pytest.mark.parametrize("relation", IN_CHICAGO)
def test_cold_in_a_zone_with_a_clock_change(chicago: Stage, relation: str) -> None:
    function, by = COLD[relation]
    agree(function(chicago.source, chicago.frame), chicago.cold[relation], by)


def test_a_month_that_begins_at_as_of(chicago: Stage) -> None:
    months = {row["month"] for row in chicago.cold["reports.rpt_executive_dashboard"]}
    assert max(months) == date(2026, 3, 1)
    current = chicago.hot["mv_current_month_metrics"]
    assert {(row["month"], row["mtd_revenue"]) for row in current} == {(date(2026, 4, 1), 0)}


@pytest.mark.parametrize("view", HOT)
def test_hot_in_a_zone_with_a_clock_change(chicago: Stage, view: str) -> None:
    function, by = HOT[view]
    agree(function(chicago.source, chicago.frame), chicago.hot[view], by)


@pytest.mark.parametrize("name", ["first", "chicago", "second"])
def test_hot_daily_revenue_is_the_cold_one(request: pytest.FixtureRequest, name: str) -> None:
    stage: Stage = request.getfixturevalue(name)
    sums: dict[tuple[str, date], list[Any]] = {}
    for row in stage.cold["marts.fact_payments"]:
        if row["payment_date"] < stage.frame.as_of:
            day = sums.setdefault((row["garage_id"], row["payment_date_day"]), [0, Decimal(0), Decimal(0), Decimal(0)])
            day[0] += 1
            for place, column in enumerate(("gross_amount", "platform_fee", "garage_profit"), start=1):
                day[place] += row[column]
    columns = ("payment_count", "gross_revenue", "total_platform_fees", "garage_profit")
    hot = {
        (row["garage_id"], row["payment_date"]): [row[name] for name in columns]
        for row in stage.hot["mv_daily_revenue"]
    }
    since = min(day for _, day in hot)
    assert hot.keys() >= {place for place in sums if place[1] >= since}
    assert hot == {place: sums.get(place, [0, 0, 0, 0]) for place in hot}


def test_pending_cancellations_are_those_of_the_hot_side(second: Stage) -> None:
    hot = {row["garage_id"]: row["pending_cancellations"] for row in second.hot["mv_active_subscriptions"]}
    months = second.cold["reports.rpt_subscription_health"]
    last = max(row["month"] for row in months)
    cold = {row["garage_id"]: row["pending_cancellations"] for row in months if row["month"] == last}
    assert sum(cold.values()) > 2
    assert hot == {garage: cold.get(garage, 0) for garage in hot}


def test_failed_payments_are_those_of_the_hot_side(second: Stage) -> None:
    names = ("subscription_id", "status", "past_due_since", "days_past_due", "first_failed_at", "last_failed_at")
    hot = sorted(pick(second.hot["mv_failed_payments"], *names, "failed_attempts"))
    assert sorted(pick(second.cold["reports.rpt_failed_payments"], *names, "failed_attempts")) == hot
    assert len(hot) > 10


def test_recurring_revenue_of_a_month_outlasts_a_change_of_price(second: Stage) -> None:
    """February: 45 + 46 + 47 + 49, of which the first costs 55 since 10 March, when the others are gone."""
    rows = second.cold["reports.rpt_garage_monthly_pl"]
    names = ("month_key", "active_subscriptions", "monthly_recurring_revenue")
    assert pick(rows, *names, garage_id=CAD) == [
        ("2026-01", 0, "0.00"),
        ("2026-02", 4, "187.00"),
        ("2026-03", 1, "55.00"),
    ]


def test_failed_attempts_in_another_currency(second: Stage) -> None:
    assert second.failures is not None
    assert second.failures["attempts_are_in_their_garages_currency"] == 2
    debts = second.cold["reports.rpt_failed_payments"]
    assert pick(debts, "past_due_amount", "currency", subscription_id=EARLIER) == [("32.00", "usd")]


def test_a_price_told_of_late_restates_what_was_paid(first: Stage, second: Stage) -> None:
    prices = [
        [
            dict(pick(stage.cold["marts.fact_payment_attempts"], "payment_id", "list_price"))[key(5, n)]
            for n in (7, 12, 8, 9)
        ]
        for stage in (first, second)
    ]
    assert prices == [["48.00", "48.00", "49.00", "50.00"], ["45.00", "47.00", "47.00", "50.50"]]


def test_movements_of_changed_prices(second: Stage) -> None:
    """In March 313 is no longer free and 314 is; CAD's 15 costs 10 more, and 17, 18 and 20 have ended."""
    rows = second.cold["reports.rpt_mrr_movements"]
    names = ("expansion_mrr", "contraction_mrr", "expanded_customers", "contracted_customers")
    assert pick(rows, *names, garage_id=MOVING, month_key="2026-03") == [("31.00", "-30.00", 1, 2)]
    names = ("opening_mrr", "expansion_mrr", "churned_mrr", "closing_mrr", "net_retention_percent")
    assert pick(rows, *names, garage_id=CAD, month_key="2026-03") == [
        ("187.00", "10.00", "-142.00", "55.00", "29.4118")
    ]


def test_sheets_that_count_more_than_was_there(second: Stage) -> None:
    """dbt warns of just the hours in which fewer vehicles had a stay than the sheet counts."""
    inside = recompute.grouped(second.source["parked"], "garage_id")
    expected = 0
    for row in recompute.fact_daily_occupancy(second.source, second.frame):
        stays = inside.get(row["garage_id"], [])
        if row["occupancy_count"] is None or not any(
            stay["entered_at"].date() == row["occupancy_date"] for stay in stays
        ):
            continue
        begins = datetime.combine(row["occupancy_date"], time(row["hour"]))
        ends = begins + timedelta(hours=1)
        there = [s for s in stays if s["entered_at"] < ends and (s["exited_at"] or datetime.max) >= begins]
        expected += row["occupancy_count"] > len(there)
    assert second.failures is not None
    assert second.failures["occupancy_within_stays"] == expected > 0


def test_occupancy_ids_are_unique_and_outlast_a_build(first: Stage, second: Stage) -> None:
    by = COLD["marts.fact_daily_occupancy"][1]
    before, after = (
        {tuple(row[name] for name in by): row["occupancy_id"] for row in stage.cold["marts.fact_daily_occupancy"]}
        for stage in (first, second)
    )
    assert len(set(after.values())) == len(after)
    assert None not in after.values()
    assert {place: before[place] for place in before.keys() & after.keys()} == {
        place: after[place] for place in before.keys() & after.keys()
    }


def test_the_data_reach_the_edges(first: Stage, second: Stage) -> None:
    """The comparison would prove little on data without these."""
    changed = {name for name in COLD if first.cold[name] != second.cold[name]}
    assert changed >= {name for name in COLD if name != "marts.dim_date"} - {"marts.dim_passes"}
    statuses = {row["status"] for row in first.source["subscriptions"]}
    assert statuses >= {"active", "past_due", "canceled", "incomplete", "unpaid"}
    regions = {row["garage_region"] for row in first.cold["marts.dim_garages"]}
    assert len(regions) >= 4
    assert {row["currency"] for row in first.cold["marts.dim_garages"]} >= {"usd", "cad"}


# ------------------------------------------------------------------ the architecture's queries, in analyses/

SOME_GARAGE = key(1, 99)
ASKED = [EDGE, CAD, BIG, COUNTED, HUGE, CLUB, UNSUBSCRIBED, NEVER]


def compiled(settings: Settings, side: str, dsn: str | None, frame: Frame) -> dict[str, str]:
    """The text of each analysis of a side, by name, asked for SOME_GARAGE."""
    variables = {"as_of": frame.as_of.isoformat(sep=" "), "garage_id": SOME_GARAGE}
    target = settings.home / "target" / f"analyses_{side}"
    command = ["compile", "--quiet", "--vars", json.dumps(variables)]
    command += ["--project-dir", str(settings.project), "--target", dbt.target(settings, side)]
    command += ["--target-path", str(target), "--log-path", str(target), "--select", f"path:analyses/{side}"]
    environ = {**os.environ, **dbt.environment(settings, dsn)}
    assert dbt._run(command, settings, environ, side, None) == 0
    files = (target / "compiled" / "vend_analytics" / "analyses").rglob("*.sql")
    return {file.stem: file.read_text() for file in files}


@dataclass
class Queries:
    """Asks an analysis for a garage; frame and source are what the answer is to be worked out from."""

    texts: dict[str, str]
    run: Callable[[str], list[Row]]
    source: Source
    frame: Frame

    def ask(self, name: str, garage_id: str, *columns: str) -> list[Row]:
        found = self.run(self.texts[name].replace(SOME_GARAGE, garage_id))
        assert not columns or all(list(row) == list(columns) for row in found)
        assert not any(isinstance(value, float) for row in found for value in row.values())
        return found


@pytest.fixture(scope="module")
def cold_queries(pipeline: tuple[Settings, str], second: Stage) -> Iterator[Queries]:
    settings, _ = pipeline
    texts = compiled(settings, "cold", None, second.frame)
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        yield Queries(texts, lambda query: rows_of(connection, query), second.source, second.frame)


def rows_of_today(today: datetime) -> Source:
    """Payments and debts of CLUB around today's noon (naive UTC)."""
    noon, day = today + timedelta(hours=12), timedelta(days=1)
    paid = [today, today - TICK, noon - TICK, noon, today - 30 * day, today - 30 * day - TICK]
    debts = [
        subscription(
            number, 31, CLUB, "past_due", today - 60 * day, "10.00", period=(today - 60 * day, today - days * day)
        )
        | {"pass_id": key(3, 35)}
        for number, days in ((201, 7), (202, 8), (203, 30), (204, 40))
    ]
    return {
        "subscriptions": debts,
        "payments": [payment(200 + n, CLUB, when, f"{2**n}.00", "0.10") for n, when in enumerate(paid)],
    }


@pytest.fixture(scope="module")
def hot_queries(pipeline: tuple[Settings, str], second: Stage) -> Iterator[Queries]:
    """As of noon of the day, for the queries name current_date; asked by a BI login that is bound to a super admin."""
    settings, dsn = pipeline
    name = f"dashboard_{uuid.uuid4().hex[:8]}"
    role = sql.Identifier(name)
    person = next(row["id"] for row in second.source["users"] if row["role"] == "super_admin")
    dbt.operation(settings, "create_roles", dsn)
    dbt.operation(settings, "bind_login", dsn, login=name, user=str(person))
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(sql.SQL("alter role {} password 'quiet'").format(role))
        owner.execute(sql.SQL("alter role {} set timezone = 'UTC'").format(role))
        reader = conninfo.make_conninfo(dsn, user=name, password="quiet")
        with psycopg.connect(reader, row_factory=psycopg.rows.dict_row) as connection:
            # one transaction, in which current_date stands still
            row = connection.execute("select current_date as today").fetchone()
            assert row is not None
            today = datetime.combine(row["today"], time())
            frame, rows = Frame(today + timedelta(hours=12)), rows_of_today(today)
            insert(dsn, rows)
            owner.execute("delete from hot.setting")
            owner.execute("insert into hot.setting (as_of) values (%s)", [frame.as_of])
            owner.execute("call hot.refresh()")

            def run(query: str) -> list[Row]:
                found = connection.execute(query.encode()).fetchall()
                return [
                    {name: str(value) if name.endswith("_id") else value for name, value in row.items()}
                    for row in found
                ]

            source_then = {table: content + rows.get(table, []) for table, content in second.source.items()}
            yield Queries(compiled(settings, "hot", dsn, frame), run, source_then, frame)
        owner.execute(sql.SQL("drop owned by {}").format(role))
        owner.execute(sql.SQL("drop role {}").format(role))


def month_back(day: date, months: int) -> date:
    """The first day of the month so many months before that of the day."""
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(years, month + 1, 1)


def only(rows: list[Row], names: tuple[str, ...], **where: Any) -> list[Row]:
    return [
        dict(zip(names, (row[name] for name in names), strict=True)) for row in rows if where.items() <= row.items()
    ]


def falls(rows: list[Row], name: str) -> bool:
    values = [row[name] for row in rows]
    return values == sorted(values, reverse=True)


@pytest.mark.parametrize("garage_id", ASKED)
def test_query_2_monthly_pl_with_the_year_before(cold_queries: Queries, garage_id: str) -> None:
    names = (
        *("month", "gross_revenue", "total_platform_fees", "garage_profit", "active_subscriptions"),
        *("churn_rate_percent", "revenue_growth_pct"),
    )
    rows = recompute.rpt_garage_monthly_pl(cold_queries.source, cold_queries.frame)
    months = {row["month"]: row for row in only(rows, names, garage_id=garage_id)}
    bound = month_back(cold_queries.frame.as_of.date(), 24)
    expected = []
    for month in sorted(months, reverse=True):
        before = months.get(month_back(month, 12), {}).get("gross_revenue")
        now = months[month]["gross_revenue"]
        if month >= bound:
            expected.append(months[month] | {"yoy_revenue": before, "yoy_growth_pct": recompute.growth(now, before)})
    found = cold_queries.ask("sample_query_2_monthly_pl_with_yoy", garage_id, *names, "yoy_revenue", "yoy_growth_pct")
    assert found == expected
    if garage_id == HUGE:
        assert pick(found, "yoy_growth_pct", month=date(2024, 3, 1)) == [("50.0000",)]
        assert pick(found, "yoy_growth_pct", month=date(2025, 3, 1)) == [("-66.6667",)]
        assert pick(found, "yoy_revenue", "yoy_growth_pct", month=date(2024, 7, 1)) == [("0.00", None)]


def test_query_3_top_garages(cold_queries: Queries) -> None:
    bound = month_back(cold_queries.frame.as_of.date(), 6)
    monthly = recompute.rpt_garage_monthly_pl(cold_queries.source, cold_queries.frame)
    expected = [
        {
            "garage_id": garage_id,
            "garage_name": rows[0]["garage_name"],
            "currency": rows[0]["currency"],
            "total_revenue": recompute.total(row["gross_revenue"] for row in rows),
            "platform_fees_collected": recompute.total(row["total_platform_fees"] for row in rows),
            "avg_active_subs": recompute.mean(row["active_subscriptions"] for row in rows),
            "avg_arpu": recompute.mean(row["arpu"] for row in rows),
            "avg_churn_rate": recompute.mean(row["churn_rate_percent"] for row in rows),
        }
        for garage_id, rows in recompute.grouped((row for row in monthly if row["month"] >= bound), "garage_id").items()
    ]
    expected.sort(key=lambda row: (-row["total_revenue"], row["garage_id"]))
    assert len(expected) > 10
    assert cold_queries.ask("sample_query_3_top_garages", EDGE) == expected[:10]


@pytest.mark.parametrize("garage_id", ASKED)
def test_query_4_cohort_heatmap(cold_queries: Queries, garage_id: str) -> None:
    names = ("cohort_month", "months_since_start", "cohort_size", "retained_users", "retention_rate")
    cohorts = recompute.rpt_cohort_retention(cold_queries.source, cold_queries.frame)
    expected = [row for row in only(cohorts, (*names,), garage_id=garage_id) if row["cohort_month"] >= "2024-01"]
    expected.sort(key=lambda row: (row["cohort_month"], row["months_since_start"]))
    assert cold_queries.ask("sample_query_4_cohort_heatmap", garage_id, *names) == expected


@pytest.mark.parametrize("garage_id", ASKED)
def test_query_6_peak_hours(cold_queries: Queries, garage_id: str) -> None:
    frame = cold_queries.frame
    assert frame.as_of.date() == date(2026, 3, 18)
    hours: dict[int, list[Row]] = {}
    for row in recompute.fact_daily_occupancy(cold_queries.source, frame):
        if row["garage_id"] == garage_id and date(2026, 2, 18) <= row["occupancy_date"] <= frame.as_of.date():
            hours.setdefault(row["hour"], []).append(row)
    expected = [
        {
            "hour": hour,
            "avg_occupancy": recompute.mean(row["occupancy_rate"] for row in hours[hour]),
            "peak_days_count": sum(row["is_peak_hour"] for row in hours[hour]),
        }
        for hour in sorted(hours)
    ]
    assert cold_queries.ask("sample_query_6_peak_hours", garage_id) == expected


@pytest.mark.parametrize("garage_id", [CLUB, EDGE])
def test_query_1_todays_revenue_and_thirty_days(hot_queries: Queries, garage_id: str) -> None:
    today = hot_queries.frame.as_of.date()
    daily = recompute.mv_daily_revenue(hot_queries.source, hot_queries.frame)
    money = ("garage_name", "gross_revenue", "total_stripe_fees", "total_platform_fees", "garage_profit")
    for name, names in (
        ("sample_query_1_todays_revenue", (*money, "payment_count")),
        ("realtime_todays_revenue", money),
    ):
        expected = only(daily, names, garage_id=garage_id, payment_date=today)
        assert hot_queries.ask(name, garage_id, *names) == expected
        assert [row["gross_revenue"] for row in expected] == [5 if garage_id == CLUB else 0]
    names = ("payment_date", "gross_revenue", "garage_profit")
    expected = [
        row for row in only(daily, names, garage_id=garage_id) if row["payment_date"] >= today - timedelta(days=30)
    ]
    assert len(expected) == 31
    expected.sort(key=lambda row: row["payment_date"], reverse=True)
    assert hot_queries.ask("sample_query_1_last_30_days", garage_id, *names) == expected


@pytest.mark.parametrize("garage_id", [CLUB, EDGE, NAMESAKE])
def test_query_5_failed_payments(hot_queries: Queries, garage_id: str) -> None:
    failed = recompute.mv_failed_payments(hot_queries.source, hot_queries.frame)
    theirs = [row for row in failed if row["garage_id"] == garage_id]
    found = hot_queries.ask("realtime_failed_payments", garage_id)
    agree(theirs, found, ("subscription_id",))
    assert falls(found, "days_past_due")
    names = ("first_name", "last_name", "email", "monthly_amount", "days_past_due", "current_period_end")
    late = hot_queries.ask("sample_query_5_failed_payments", garage_id, *names)
    expected = only([row for row in theirs if row["days_past_due"] > 7], names)
    assert falls(late, "days_past_due")
    assert sorted(map(repr, late)) == sorted(map(repr, expected))
    assert garage_id != CLUB or {row["days_past_due"] for row in found} - {row["days_past_due"] for row in late} == {7}


@pytest.mark.parametrize("garage_id", [CLUB, EDGE, NAMESAKE])
def test_queries_of_what_is_now(hot_queries: Queries, garage_id: str) -> None:
    active = recompute.mv_active_subscriptions(hot_queries.source, hot_queries.frame)
    expected = [row for row in active if row["garage_id"] == garage_id]
    agree(expected, hot_queries.ask("realtime_active_subscriptions", garage_id), ("garage_id",))
    names = ("garage_name", "current_occupancy", "capacity", "occupancy_rate", "available_spots")
    inside = recompute.mv_current_occupancy(hot_queries.source, hot_queries.frame)
    assert hot_queries.ask("realtime_occupancy", garage_id, *names) == only(inside, names, garage_id=garage_id)


def test_every_analysis_is_checked(cold_queries: Queries, hot_queries: Queries) -> None:
    text = Path(__file__).read_text()
    names = {*cold_queries.texts, *hot_queries.texts}
    assert len(names) == 11
    assert all(f'"{name}"' in text for name in names)


# ------------------------------------------------------------------------------------- reading as somebody


def test_each_reader_sees_their_garages_and_no_other(pipeline: tuple[Settings, str], hot_queries: Queries) -> None:
    reading.assert_each_sees_their_own(*pipeline)


def test_no_reader_learns_of_the_garages_of_others(pipeline: tuple[Settings, str], hot_queries: Queries) -> None:
    reading.assert_nobody_learns_of_others(*pipeline)


def test_the_report_command_as_somebody(
    pipeline: tuple[Settings, str], hot_queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, dsn = pipeline
    for name, value in {"VEND_HOME": settings.home, "VEND_POSTGRES_DSN": dsn}.items():
        monkeypatch.setenv(name, str(value))
    source = reading.source_of(dsn)
    admins = {row["user_id"]: row["garage_id"] for row in source["garage_admins"]}
    user, garage = next((row["id"], admins[row["id"]]) for row in source["users"] if row["role"] == "garage_admin")
    for name in ("rpt_garage_monthly_pl", "vw_garage_monthly_pl", "mv_daily_revenue"):
        told = CliRunner().invoke(main, ["report", name, "--as", user, "--garage", garage, "--format", "json"])
        assert told.exit_code == 0, told.stderr
        rows = json.loads(told.stdout)["rows"]
        assert {row["garage_id"] for row in rows} == {garage}
    limited = CliRunner().invoke(main, ["report", "mv_daily_revenue", "--limit", "3"])
    assert "(the first 3 rows; --limit 0 for all" in limited.stdout
    for arguments, code, words in (
        (["rpt_customer_360", "--as", user], 1, "Access denied: rpt_customer_360 covers the whole platform"),
        (["rpt_mrr_movements", "--as", user, "--garage", SOME_GARAGE], 1, "Access denied: "),
        (["rpt_mrr_movements", "--garage", SOME_GARAGE], 1, f"There is no garage '{SOME_GARAGE}'"),
        (["rpt_executive_dashboard", "--garage", garage], 2, "has no garage; leave --garage away"),
        (["rpt_mrr_movement"], 2, "Did you mean rpt_mrr_movements"),
        (["--as", user], 2, "Name the report"),
    ):
        refused = CliRunner().invoke(main, ["report", *arguments])
        assert (refused.exit_code, refused.stdout) == (code, "")
        assert words in refused.stderr
        assert refused.stderr.count("Error: ") == 1
    monkeypatch.setenv("VEND_HOME", str(settings.home / "nowhere"))
    unbuilt = CliRunner().invoke(main, ["report", "rpt_mrr_movements", "--format", "json"])
    assert unbuilt.exit_code == 1
    assert json.loads(unbuilt.stdout)["ok"] is False
    assert "vend sync" in unbuilt.stderr


# -------------------------------------------------------------------------------------- Metabase's questions


@pytest.fixture(scope="module")
def questions(pipeline: tuple[Settings, str], second: Stage) -> Iterator[Callable[..., list[Row]]]:
    """Call it with folder/key, and a garage, for the answer: Snowflake's SQL in DuckDB's words."""
    settings, _ = pipeline
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:

        def ask(name: str, garage_id: str = "", optional: bool = False) -> list[Row]:
            text = query_check.plain((PROJECT / "metabase" / f"{name}.sql").read_text(), optional=optional)
            text = text.replace("garage_id = 'x'", f"garage_id = '{garage_id}'")
            return rows_of(connection, sqlglot.transpile(text, read="snowflake", write="duckdb")[0])

        yield ask


def test_every_question_has_an_answer_with_its_axes(questions: Callable[..., list[Row]]) -> None:
    for collection in metabase_content.load(settings_in(PROJECT)).collections:
        for question in collection.questions:
            axes = {question.x, question.series, *question.y, *(question.pivot or {}).values()} - {None}
            answers = [
                row
                for garage_id in (ASKED if collection.locked else [CLUB])
                for optional in (False, True)
                for row in questions(f"{collection.key}/{question.key}", garage_id, optional)
            ]
            assert answers, question.key
            assert all(axes <= row.keys() for row in answers), question.key


def test_the_questions_about_a_garage(questions: Callable[..., list[Row]], second: Stage) -> None:
    now = max(row["month"] for row in second.cold["reports.rpt_garage_monthly_pl"])
    for garage_id in ASKED:
        health = [row for row in second.cold["reports.rpt_subscription_health"] if row["garage_id"] == garage_id]
        for name, rows in (
            ("subscriptions", [row for row in health if row["month"] < now]),
            ("profit_and_loss", only_complete(second, "rpt_financial_analytics", garage_id)[::-1]),
            ("failed_payments", [r for r in second.cold["reports.rpt_failed_payments"] if r["garage_id"] == garage_id]),
        ):
            found = questions(f"garage/{name}", garage_id)
            expected = [tuple(row[column] for column in found[0]) for row in rows] if found else []
            assert len(found) == len(rows), name
            assert sorted(map(str, expected)) == sorted(str(tuple(row.values())) for row in found), name


def test_the_questions_about_the_platform(questions: Callable[..., list[Row]], second: Stage) -> None:
    rankings = [row for row in second.cold["reports.rpt_garage_rankings"] if row["is_complete_month"]]
    last = max(row["month"] for row in rankings)
    top = sorted(
        (row for row in rankings if row["month"] == last and row["currency"] == "usd"),
        key=lambda row: (-row["gross_revenue"], row["garage_id"]),
    )
    found = questions("leadership/top_garages")
    assert [row["garage_name"] for row in found] == [row["garage_name"] for row in top[:10]]
    now = max(row["month"] for row in second.cold["reports.rpt_garage_monthly_pl"])
    cohorts: dict[tuple[str, int], tuple[int, int]] = {}
    for row in second.cold["reports.rpt_cohort_retention"]:
        if row["month"] < now and row["months_since_start"] <= 12:
            kept, size = cohorts.get(place := (row["cohort_month"], row["months_since_start"]), (0, 0))
            cohorts[place] = kept + row["retained_users"], size + row["cohort_size"]
    expected = {
        place: (Decimal(1000 * kept) / size).quantize(Decimal(1), ROUND_HALF_UP) / 10
        for place, (kept, size) in cohorts.items()
    }
    retention = questions("leadership/cohort_retention")
    assert {(row["cohort_month"], row["months_since_start"]): row["retention_percent"] for row in retention} == expected
    assert 0 < min(expected.values()) < 100


def only_complete(stage: Stage, report: str, garage_id: str) -> list[Row]:
    rows = [
        row for row in stage.cold[f"reports.{report}"] if row["garage_id"] == garage_id and row["is_complete_month"]
    ]
    return sorted(rows, key=lambda row: row["month"])


def test_an_embed_is_for_a_garage_of_the_reader(pipeline: tuple[Settings, str], second: Stage) -> None:
    there, dsn = pipeline
    source = reading.source_of(dsn)
    admins = {row["user_id"]: row["garage_id"] for row in source["garage_admins"]}
    user, own = next((row["id"], admins[row["id"]]) for row in source["users"] if row["role"] == "garage_admin")
    other = next(row["id"] for row in source["garages"] if row["id"] not in admins.values())
    server = metabase_server.Metabase({})
    with metabase_server.running(server) as url:
        given = {"METABASE_URL": url, "METABASE_API_KEY": server.key, "METABASE_EMBED_SECRET": server.embed_secret}
        settings = replace(there, metabase=given)
        collection = server.add_collection(name="Vend garages")["id"]
        dashboard = server.add_dashboard(name="Garage dashboard", collection_id=collection)
        dashboard |= {"enable_embedding": True, "embedding_params": {"garage": "locked", "since": "enabled"}}
        address = embed.url(settings, own.upper(), user=user)
        token = address.removeprefix(f"{url}/embed/dashboard/").partition("#")[0]
        assert server.embedded(token) == (dashboard, {"garage": [own]})
        with pytest.raises(VendError, match=f"Access denied: .* administers no garage '{other}'"):
            embed.url(settings, other, user=user)
        assert embed.url(settings, other)

"""The named cases: one small story each, present in every seeded database however small.

Dates are placed by share of the history, so that the stories fit into one month as into ten years.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from vend.source import network as net
from vend.source import towns
from vend.source.clock import DAY, HOUR, MINUTE, SECOND, instant, later, month_start, months_begun
from vend.source.network import Network, Row

RETRIES = (0, 3 * DAY, 8 * DAY, 15 * DAY)
"""When a failed renewal is tried: after its date."""


@dataclass
class Stories:
    network: Network
    subscriptions: list[Row] = field(default_factory=list)
    payments: list[Row] = field(default_factory=list)

    def at(self, share: float) -> int:
        """The instant at this share of the history, odd in its microseconds."""
        start, as_of = self.network.start, self.network.as_of
        return start + int((as_of - start) * share) // MINUTE * MINUTE + 654_321

    def user(self, key: str) -> str:
        if not any(row["id"] == self.network.key("user", key) for row in self.network.users):
            net.user(
                self.network,
                key,
                f"{key}@vend.example",
                self.network.start - 80 * DAY,
                first_name=key.capitalize(),
                last_name="Story",
            )
        return self.network.key("user", key)

    def subscription(self, key: str, user: str, garage: int, created: int, *, nth_pass: int = 0, **values: Any) -> Row:
        """An active subscription, paid up, unless the values say otherwise. Times among the values: µs."""
        network = self.network
        pass_ = int(network.first_pass[garage]) + nth_pass
        begun = max(int(months_begun(np.array([created]), network.as_of)[0]), 1)
        cents, price = network.price_at(np.array([pass_]), np.array([network.as_of]))
        digits = network.key("subscription", key).replace("-", "")
        row: Row = {
            "id": network.key("subscription", key),
            "stripe_subscription_id": f"sub_{digits[:24]}",
            "user_id": self.user(user),
            "garage_id": network.garages[garage]["id"],
            "pass_id": network.passes[pass_]["id"],
            "stripe_price_id": network.price_ids[int(price[0])],
            "status": "active",
            "current_period_start": later(created, begun - 1),
            "current_period_end": later(created, begun),
            "cancel_at_period_end": False,
            "canceled_at": None,
            "monthly_amount": net.dollars(int(cents[0])),
            "renewal_status": "succeeded" if begun > 1 else None,
            "renewal_attempted_at": later(created, begun - 1) if begun > 1 else None,
            "next_renewal_date": later(created, begun),
            "created_at": created,
            "updated_at": later(created, begun - 1),
        } | values
        self.subscriptions.append(row)
        return row

    def payment(self, key: str, subscription: Row | None, garage: int, at: int, **values: Any) -> Row:
        """A succeeded payment of the subscription's amount unless the values say otherwise."""
        usual = subscription["monthly_amount"] if subscription else Decimal("25.00")
        amount = Decimal(values.get("amount") or usual)
        fee = fee_of(amount)
        taken = values.get("status", "succeeded") in ("succeeded", "refunded")
        digits = self.network.key("payment", key).replace("-", "")
        row: Row = {
            "id": self.network.key("payment", key),
            "stripe_payment_intent_id": f"pi_{digits[:24]}",
            "subscription_id": subscription["id"] if subscription else None,
            "garage_id": self.network.garages[garage]["id"],
            "amount": amount,
            "stripe_fee": fee if taken else None,
            "net_amount": amount - fee if taken else None,
            "status": "succeeded",
            "currency": "cad" if garage == net.CANADIAN else "usd",
            "payment_date": at,
            "created_at": at,
            "updated_at": min(at + 2 * SECOND, self.network.as_of),
        } | values
        self.payments.append(row)
        return row

    def monthly(self, key: str, subscription: Row, garage: int, until: int, **values: Any) -> None:
        """One succeeded payment on each anniversary up to `until`."""
        created = subscription["created_at"]
        for month in range(int(months_begun(np.array([created]), until)[0])):
            self.payment(f"{key}/{month}", subscription, garage, later(created, month), **values)


def fee_of(amount: Decimal) -> Decimal:
    """Stripe's 2.9% + 0.30, to the cent, half up."""
    return net.dollars(int((int(amount * 100) * 29 + 500) // 1000 + 30))


def tell(network: Network) -> tuple[list[Row], list[Row]]:
    """Rows of subscriptions and of payments, ready to load."""
    stories = Stories(network)
    for story in (
        _loyal,
        _elsewhere,
        _comes_back,
        _leaves_at_period_end,
        _dunned,
        _not_begun,
        _odd,
        _boundaries,
    ):
        story(stories)
    return _with_datetimes(stories.subscriptions), _with_datetimes(stories.payments)


def parked(network: Network) -> list[Row]:
    """Stays with awkward plates at the garage without payments; the last two are there still."""
    as_of = network.as_of
    rows = []
    for number, plate in enumerate((*towns.AWKWARD, None)):
        entered = as_of - 2 * DAY + number * MINUTE + 1
        stays = number >= len(towns.AWKWARD) - 1
        rows.append(
            {
                "id": network.key("parked", number),
                "garage_id": network.garages[net.NO_PAYMENTS]["id"],
                "user_id": network.key("user", "driver") if number == 0 else None,
                "pass_id": None,
                "vehicle_plate": plate,
                "entered_at": instant(entered),
                "exited_at": None if stays else instant(entered + 5 * HOUR),
                "created_at": instant(entered),
            }
        )
    return rows


def _with_datetimes(rows: list[Row]) -> list[Row]:
    return [
        {name: instant(value) if isinstance(value, int) and name in TIMES else value for name, value in row.items()}
        for row in rows
    ]


TIMES = {
    "current_period_start",
    "current_period_end",
    "canceled_at",
    "renewal_attempted_at",
    "next_renewal_date",
    "payment_date",
    "created_at",
    "updated_at",
}


def _loyal(stories: Stories) -> None:
    """The demo's driver: one subscription at Harwood that moved to a dearer pass, one at City Center."""
    as_of = stories.network.as_of
    first = stories.subscription("driver", "driver", net.HARWOOD, stories.at(0.1), nth_pass=1)
    cheaper = int(stories.network.price[int(stories.network.first_pass[net.HARWOOD]), 0])
    moved = stories.at(0.6)
    for month in range(int(months_begun(np.array([first["created_at"]]), as_of)[0])):
        at = later(first["created_at"], month)
        amount = net.dollars(cheaper) if at < moved else first["monthly_amount"]
        stories.payment(f"driver/{month}", first, net.HARWOOD, at, amount=amount)
    second = stories.subscription("driver-second", "driver", net.CITY_CENTER, stories.at(0.3))
    stories.monthly("driver-second", second, net.CITY_CENTER, as_of)
    canadian = stories.subscription("canadian", "canadian", net.CANADIAN, stories.at(0.2))
    stories.monthly("canadian", canadian, net.CANADIAN, as_of)


def _elsewhere(stories: Stories) -> None:
    """One subscriber in three garages, the one without capacity among them."""
    for garage in (net.NAMESAKE, net.NO_CAPACITY, net.ODDLY_NAMED):
        row = stories.subscription(f"everywhere-{garage}", "everywhere", garage, stories.at(0.25) + garage)
        stories.monthly(f"everywhere-{garage}", row, garage, stories.network.as_of)


def _comes_back(stories: Stories) -> None:
    """Leaves at once, and is a new subscription at the same garage later."""
    left = stories.at(0.35)
    old = stories.subscription(
        "leaves",
        "returning",
        net.CITY_CENTER,
        stories.at(0.05),
        status="canceled",
        canceled_at=left,
        updated_at=left,
        next_renewal_date=None,
    )
    begun = int(months_begun(np.array([old["created_at"]]), left)[0])
    old["current_period_start"] = later(old["created_at"], begun - 1)
    old["current_period_end"] = later(old["created_at"], begun)
    stories.monthly("leaves", old, net.CITY_CENTER, left)
    new = stories.subscription("returns", "returning", net.CITY_CENTER, stories.at(0.75))
    stories.monthly("returns", new, net.CITY_CENTER, stories.network.as_of)


def _leaves_at_period_end(stories: Stories) -> None:
    """Once with the paid period over, once with it still running, and one status without its date."""
    as_of = stories.network.as_of
    over = as_of - 5 * DAY
    created = later(over, -1)
    stories.monthly(
        "period-over",
        stories.subscription(
            "period-over",
            "leaver",
            net.NAMESAKE,
            created,
            status="canceled",
            current_period_start=created,
            current_period_end=over,
            cancel_at_period_end=True,
            canceled_at=created + 7 * DAY,
            next_renewal_date=None,
            renewal_status=None,
            renewal_attempted_at=None,
            updated_at=over + 3 * SECOND,
        ),
        net.NAMESAKE,
        over - DAY,
    )
    running = later(as_of + 11 * DAY, -2)
    stories.monthly(
        "period-running",
        stories.subscription(
            "period-running",
            "leaving",
            net.NAMESAKE,
            running,
            cancel_at_period_end=True,
            canceled_at=as_of - DAY,
            next_renewal_date=None,
            updated_at=as_of - DAY,
        ),
        net.NAMESAKE,
        as_of,
    )
    ended = stories.at(0.5)
    stories.subscription(
        "undated",
        "undated",
        net.NAMESAKE,
        stories.at(0.15),
        status="canceled",
        canceled_at=None,
        updated_at=ended,
        next_renewal_date=None,
    )


def _dunned(stories: Stories) -> None:
    """Renewals that fail: late but paid, past due, unpaid, canceled for it, paused instead."""
    as_of = stories.network.as_of
    for key, since, tries, status in (
        ("late", 12 * DAY, 1, "active"),
        ("past-due", 9 * DAY, 3, "past_due"),
        ("unpaid", 21 * DAY, 4, "unpaid"),
        ("given-up", 25 * DAY, 4, "canceled"),
        ("paused", 6 * DAY, 0, "paused"),
    ):
        renewal = as_of - since
        created = later(renewal, -1)
        row = stories.subscription(key, key, net.HARWOOD, created, status=status)
        row |= {
            "current_period_start": renewal,
            "current_period_end": later(renewal, 1),
            "updated_at": renewal,
        }
        stories.payment(f"{key}/paid", row, net.HARWOOD, created)
        tried = [renewal + offset for offset in RETRIES[:tries] if renewal + offset <= as_of]
        for number, at in enumerate(tried):
            stories.payment(f"{key}/failed-{number}", row, net.HARWOOD, at, status="failed")
        if tried:
            row |= {
                "renewal_status": "failed",
                "renewal_attempted_at": tried[-1],
                "updated_at": tried[-1] + SECOND,
            }
        if status == "active":
            paid = renewal + RETRIES[1]
            stories.payment(f"{key}/paid-late", row, net.HARWOOD, paid)
            row |= {"renewal_status": "succeeded", "renewal_attempted_at": paid, "updated_at": paid + SECOND}
        if status == "canceled":
            end = tried[-1] + MINUTE
            row |= {"canceled_at": end, "updated_at": end, "next_renewal_date": None}
        if status == "paused":
            row |= {"next_renewal_date": None, "renewal_status": None, "renewal_attempted_at": None}


def _not_begun(stories: Stories) -> None:
    """On trial; signed up without paying, just now and for good."""
    as_of = stories.network.as_of
    garage = net.CITY_CENTER
    on_trial = as_of - 3 * DAY
    stories.subscription(
        "trial",
        "trial",
        garage,
        on_trial,
        status="trialing",
        current_period_end=on_trial + 14 * DAY,
        next_renewal_date=on_trial + 14 * DAY,
    )
    for key, created, status in (
        ("incomplete", as_of - 2 * HOUR, "incomplete"),
        ("expired", as_of - 10 * DAY, "incomplete_expired"),
    ):
        updated = created + (23 * HOUR if status == "incomplete_expired" else SECOND)
        row = stories.subscription(key, key, garage, created, status=status, next_renewal_date=None, updated_at=updated)
        stories.payment(key, row, garage, created, status="failed")


def _odd(stories: Stories) -> None:
    """NULL wherever a column may be, and each status of a payment."""
    as_of = stories.network.as_of
    garage = net.ODDLY_NAMED
    blank = stories.subscription(
        "blank",
        "nameless",
        garage,
        stories.at(0.2),
        stripe_subscription_id=None,
        stripe_price_id=None,
        current_period_start=None,
        current_period_end=None,
        renewal_status=None,
        renewal_attempted_at=None,
        next_renewal_date=None,
    )
    at = stories.at(0.22)
    stories.payment("no-intent", blank, garage, at, stripe_payment_intent_id=None)
    stories.payment("no-fee", blank, garage, at + HOUR, stripe_fee=None)
    stories.payment("no-net", blank, garage, at + 2 * HOUR, net_amount=None)
    stories.payment("neither", blank, garage, at + 3 * HOUR, stripe_fee=None, net_amount=None)
    stories.payment("no-subscription", None, garage, at + 4 * HOUR)
    stories.payment("refunded", blank, garage, at + 5 * HOUR, status="refunded", updated_at=stories.at(0.55))
    for number, status in enumerate(("pending", "processing", "failed", "canceled")):
        stories.payment(status, blank, garage, as_of - (1 + number) * HOUR, status=status)
    retired = len(stories.network.passes) - 1
    early_bird = stories.subscription("early-bird", "early", net.HARWOOD, stories.at(0.12))
    early_bird |= {
        "pass_id": stories.network.passes[retired]["id"],
        "monthly_amount": stories.network.passes[retired]["monthly_amount"],
        "stripe_price_id": stories.network.passes[retired]["stripe_price_id"],
    }
    stories.monthly("early-bird", early_bird, net.HARWOOD, as_of)


def _boundaries(stories: Stories) -> None:
    """Paid in the first instant of a month, and in the last of the one before."""
    first = month_start(stories.network.as_of - 1)
    founder = stories.subscription("founder", "founder", net.HARWOOD, later(first, -1) - 3 * DAY)
    stories.monthly("founder", founder, net.HARWOOD, stories.network.as_of)
    stories.payment("first-instant", founder, net.HARWOOD, first)
    stories.payment("last-instant", founder, net.HARWOOD, first - 1)

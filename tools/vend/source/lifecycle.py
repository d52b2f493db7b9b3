"""Subscriptions and their payments, thousands at a time: each is born, renews, may fail, leave or move.

A subscription renews on the anniversary of its first payment. One event at most ends its plain run, drawn
beforehand: it is canceled at once or for the period's end, stops paying (dunning), is paused, or was never
paid at all. What as_of cuts off has not happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vend.source.bulk import Bools, Ints
from vend.source.clock import DAY, HOUR, MINUTE, NEVER, SECOND, add_months, months_begun
from vend.source.network import CANADIAN, Network

AT_ONCE, PERIOD_END, DUNNING, PAUSE, NEVER_PAID = range(5)
ENDINGS = (0.30, 0.47, 0.17, 0.06)
"""How often each of the first four; the fifth is drawn apart."""

NOT_PAID_SHARE = 0.02
TRIAL_SHARE, TRIAL = 0.05, 14 * DAY
UPGRADE_SHARE = 0.09
KEEPS_OLD_PRICE_SHARE = 0.3
RENEWAL_FAILS_SHARE = 0.03
REFUND_SHARE = 0.008
LEFT_UNPAID_SHARE = 0.3
"""Of the ones whose last retry failed: unpaid for a month before they are canceled."""

RETRIES = np.array([0, 3 * DAY, 8 * DAY, 15 * DAY])
EXPIRES = 23 * HOUR

STATUSES = (
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "canceled",
    "unpaid",
    "paused",
)
INCOMPLETE, EXPIRED, TRIALING, ACTIVE, PAST_DUE, CANCELED, UNPAID, PAUSED = range(8)
PAYMENT_STATUSES = ("pending", "processing", "succeeded", "failed", "canceled", "refunded")
PENDING, PROCESSING, SUCCEEDED, FAILED, VOID, REFUNDED = range(6)


@dataclass
class Subscriptions:
    """Columns, one value per subscription. Times in µs, NEVER for none; money in cents."""

    customer: Ints
    garage: Ints
    pass_: Ints
    price: Ints
    status: Ints
    period_start: Ints
    period_end: Ints
    at_period_end: Bools
    canceled_at: Ints
    ended_at: Ints
    cents: Ints
    attempted_at: Ints
    last_failed: Bools
    created_at: Ints
    updated_at: Ints

    def where(self, chosen: Bools) -> Subscriptions:
        return Subscriptions(**{name: column[chosen] for name, column in vars(self).items()})


@dataclass
class Payments:
    """Columns, one value per payment; `subscription` is the row of Subscriptions."""

    subscription: Ints
    garage: Ints
    cents: Ints
    status: Ints
    paid_at: Ints
    updated_at: Ints
    taken: Bools

    def where(self, chosen: Bools) -> Payments:
        return Payments(**{name: column[chosen] for name, column in vars(self).items()})


def fees(cents: Ints) -> Ints:
    """Stripe's 2.9% + 0.30 in cents, half up."""
    return (cents * 29 + 500) // 1000 + 30


def live(
    network: Network, rng: np.random.Generator, customer: Ints, garage: Ints, created: Ints
) -> tuple[Subscriptions, Payments]:
    """The lives of subscriptions signed up at `created` (µs, at or before as_of), and all their payments."""
    count, as_of = len(customer), network.as_of
    anchor = created + np.where(rng.random(count) < TRIAL_SHARE, TRIAL, 0)
    begun = months_begun(anchor, as_of)

    ending = rng.choice(4, count, p=ENDINGS)
    period = rng.geometric(network.monthly_loss[garage]).astype(np.int64) - 1
    ending[(ending == DUNNING) & (period == 0)] = PERIOD_END
    unpaid = rng.random(count) < NOT_PAID_SHARE
    ending[unpaid], period[unpaid], anchor[unpaid] = NEVER_PAID, 0, created[unpaid]
    begun[unpaid] = 1

    # No later period than a century on: dates beyond as_of are only compared with it.
    starts, ends = (
        add_months(anchor, np.minimum(period, 1200)),
        add_months(anchor, np.minimum(period, 1200) + 1),
    )
    at = starts + (rng.random(count) * (ends - starts)).astype(np.int64)
    gives_up = starts + RETRIES[-1] + MINUTE
    left_unpaid = rng.random(count) < LEFT_UNPAID_SHARE
    dunned_at = np.where(left_unpaid, gives_up + 30 * DAY, gives_up)
    happened = at <= as_of
    current = np.minimum(period, begun - 1)

    stops = np.full(count, NEVER)
    stops[ending == AT_ONCE] = at[ending == AT_ONCE]
    stops[ending == PAUSE] = at[ending == PAUSE]
    stops[ending == PERIOD_END] = ends[ending == PERIOD_END]

    first_pass = network.first_pass[garage]
    nth = (rng.random(count) ** 1.5 * network.pass_count[garage]).astype(np.int64)
    moves = (rng.random(count) < UPGRADE_SHARE) & (nth + 1 < network.pass_count[garage])
    moves_in = np.where(moves, rng.integers(1, 13, count), 10_000)
    keeps_price = rng.random(count) < KEEPS_OLD_PRICE_SHARE

    def priced(which: Ints, month: Ints, when: Ints) -> tuple[Ints, Ints, Ints]:
        moved = month >= moves_in[which]
        pass_ = first_pass[which] + nth[which] + moved
        signed = np.where(moved, add_months(anchor[which], np.minimum(month, moves_in[which])), anchor[which])
        cents, price = network.price_at(pass_, np.where(keeps_price[which], signed, when))
        return pass_, cents, price

    # One row per period that has begun, then one per attempt to collect for it.
    periods = current + 1
    which = np.repeat(np.arange(count), periods)
    month = np.arange(len(which)) - np.repeat(np.cumsum(periods) - periods, periods)
    due = add_months(anchor[which], month)
    fails = np.where((month > 0) & (rng.random(len(which)) < RENEWAL_FAILS_SHARE), rng.integers(1, 3, len(which)), 0)
    lost = (ending[which] == DUNNING) & (month == period[which])
    fails[lost] = len(RETRIES)
    never = ending[which] == NEVER_PAID
    fails[never] = 1
    _, cents, _ = priced(which, month, due)

    attempts = fails + ~(lost | never)
    row = np.repeat(np.arange(len(which)), attempts)
    nth_try = np.arange(len(row)) - np.repeat(np.cumsum(attempts) - attempts, attempts)
    subscription = which[row]
    paid_at = due[row] + RETRIES[nth_try]
    paid_at[nth_try > 0] += rng.integers(0, HOUR, int((nth_try > 0).sum()))
    happens = (paid_at <= as_of) & (paid_at < stops[subscription])
    row, nth_try, subscription, paid_at = (
        row[happens],
        nth_try[happens],
        subscription[happens],
        paid_at[happens],
    )
    failed = nth_try < fails[row]
    payments = _outcome(rng, as_of, subscription, garage[subscription], cents[row], paid_at, failed)

    # The last attempt of each subscription tells whether it owes.
    last_at = np.full(count, NEVER)
    last_failed = np.zeros(count, np.bool_)
    last_at[subscription] = paid_at
    last_failed[subscription] = failed

    status = np.full(count, ACTIVE)
    owing = last_failed & (ending != NEVER_PAID)
    status[owing] = PAST_DUE
    status[begun == 0] = TRIALING
    canceled_at, ended_at = np.full(count, NEVER), np.full(count, NEVER)
    updated = np.where(last_at == NEVER, created, last_at + 3 * SECOND)

    def set_where(chosen: Bools, to: int | None, when: Ints) -> None:
        if to is not None:
            status[chosen] = to
        updated[chosen] = np.maximum(updated, when)[chosen]

    left = (ending == AT_ONCE) & happened
    canceled_at[left] = ended_at[left] = at[left]
    set_where(left, CANCELED, at)

    leaving = (ending == PERIOD_END) & happened
    canceled_at[leaving], ended_at[leaving] = at[leaving], ends[leaving]
    set_where(leaving, None, at)
    set_where(leaving & (ends <= as_of), CANCELED, ends + 5 * SECOND)

    paused = (ending == PAUSE) & happened
    set_where(paused, PAUSED, at)

    dunned = (ending == DUNNING) & (starts <= as_of)
    set_where(dunned & (gives_up <= as_of) & left_unpaid, UNPAID, gives_up)
    over = dunned & (dunned_at <= as_of)
    canceled_at[over] = ended_at[over] = dunned_at[over]
    set_where(over, CANCELED, dunned_at)

    expires = created + EXPIRES
    set_where(unpaid, INCOMPLETE, created)
    set_where(unpaid & (expires <= as_of), EXPIRED, expires)

    trialing = begun == 0
    everyone = np.arange(count)
    shown = np.maximum(current, 0)
    pass_, cents_now, price_now = priced(everyone, shown, np.minimum(add_months(anchor, shown), as_of))
    subscriptions = Subscriptions(
        customer=customer,
        garage=garage,
        pass_=pass_,
        price=price_now,
        status=status,
        period_start=np.where(trialing, created, add_months(anchor, shown)),
        period_end=np.where(trialing, anchor, add_months(anchor, shown + 1)),
        at_period_end=leaving,
        canceled_at=canceled_at,
        ended_at=ended_at,
        cents=cents_now,
        attempted_at=np.where(current > 0, last_at, NEVER),
        last_failed=last_failed,
        created_at=created,
        updated_at=np.minimum(updated, as_of),
    )
    return subscriptions, payments


def _outcome(
    rng: np.random.Generator,
    as_of: int,
    subscription: Ints,
    garage: Ints,
    cents: Ints,
    paid_at: Ints,
    failed: Bools,
) -> Payments:
    """What became of each attempt: of the last day some still pend, of the rest some were refunded later."""
    count = len(paid_at)
    draw = rng.random(count)
    status = np.where(failed, np.where(draw < 0.03, VOID, FAILED), SUCCEEDED)
    updated = paid_at + rng.integers(SECOND, MINUTE, count)
    fresh = ~failed & (paid_at > as_of - DAY)
    status[fresh & (draw < 0.1)] = PENDING
    status[fresh & (draw < 0.03)] = PROCESSING
    refunded_at = paid_at + HOUR + (rng.random(count) ** 2 * 75 * DAY).astype(np.int64)
    back = ~failed & ~fresh & (draw < REFUND_SHARE) & (refunded_at <= as_of)
    status[back] = REFUNDED
    updated[back] = refunded_at[back]
    return Payments(
        subscription=subscription,
        garage=garage,
        cents=cents,
        status=status,
        paid_at=paid_at,
        updated_at=np.minimum(updated, as_of),
        taken=(status == SUCCEEDED) | (status == REFUNDED),
    )


def currencies(garage: Ints) -> Ints:
    """0 for usd, 1 for cad."""
    cad: Ints = (garage == CANADIAN).astype(np.int64)
    return cad

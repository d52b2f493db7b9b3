"""People who sign up: who, where and when; those who leave and come back, and those with two garages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import compute

from vend.source import bulk, lifecycle, towns
from vend.source.bulk import Bools, Ints, Text
from vend.source.clock import DAY, HOUR, MINUTE, NEVER
from vend.source.lifecycle import Payments, Subscriptions
from vend.source.network import Network

COMES_BACK_SHARE = 0.25
"""Of those who left."""
SECOND_GARAGE_SHARE = 0.07


@dataclass
class Chunk:
    """Customers with all that is theirs: `lives` holds first subscriptions, then later ones."""

    joined: Ints
    lives: list[tuple[Subscriptions, Payments]]

    def payments_each(self) -> Ints:
        counts = np.zeros(len(self.joined), np.int64)
        for subscriptions, payments in self.lives:
            counts += np.bincount(subscriptions.customer[payments.subscription], minlength=len(counts))
        return counts


def sign_up(network: Network, rng: np.random.Generator, count: int) -> Chunk:
    """`count` new customers over the whole history, with their subscriptions and payments."""
    chances = network.weight / network.weight.sum()
    garage = rng.choice(len(chances), count, p=chances)
    opened = np.maximum(network.opened[garage], network.start)
    # More of them later: the business grows.
    created = opened + ((network.as_of - opened) * rng.random(count) ** 0.6).astype(np.int64)
    created = np.maximum(_by_day(rng, created, network.as_of), opened)
    first = lifecycle.live(network, rng, np.arange(count), garage, created)

    subscriptions = first[0]
    gap = (rng.uniform(20, 240, count) * DAY).astype(np.int64)
    ended = np.where(subscriptions.ended_at == NEVER, network.as_of, subscriptions.ended_at)
    back_at = ended + gap
    back = (subscriptions.ended_at != NEVER) & (back_at <= network.as_of)
    back &= rng.random(count) < COMES_BACK_SHARE
    elsewhere = rng.choice(len(chances), count, p=chances)
    also_at = created + ((network.as_of - created) * rng.random(count)).astype(np.int64)
    also = (rng.random(count) < SECOND_GARAGE_SHARE) & (elsewhere != garage)
    also &= network.opened[elsewhere] <= also_at
    later = lifecycle.live(
        network,
        rng,
        np.concatenate([np.flatnonzero(back), np.flatnonzero(also)]),
        np.concatenate([garage[back], elsewhere[also]]),
        np.concatenate([back_at[back], also_at[also]]),
    )
    joined = created - rng.integers(2 * MINUTE, 3 * HOUR, count)
    return Chunk(joined, [first, later])


def _by_day(rng: np.random.Generator, at: Ints, as_of: int) -> Ints:
    """The same days, at hours when people are awake; the day before where that is after as_of."""
    awake = at // DAY * DAY + (rng.triangular(6, 15, 23.9, len(at)) * HOUR).astype(np.int64)
    return np.where(awake > as_of, awake - DAY, awake)


def user_columns(
    rng: np.random.Generator, ids: Text, joined: Ints, first_number: int, as_of: int
) -> dict[str, pa.Array]:
    """Rows of users. `first_number` makes their addresses unique."""
    count = len(ids)
    first = rng.integers(0, len(towns.FIRST_NAMES), count)
    last = rng.integers(0, len(towns.LAST_NAMES), count)
    numbers = compute.cast(pa.array(np.arange(first_number, first_number + count)), pa.string())
    plain = [_plain(name) for name in towns.FIRST_NAMES]
    email = compute.binary_join_element_wise(bulk.words(plain, first), numbers, pa.scalar(""))
    moved = rng.random(count) < 0.1
    updated = np.where(moved, joined + ((as_of - joined) * rng.random(count)).astype(np.int64), joined)
    phones = compute.cast(pa.array(rng.integers(2_000_000_000, 9_999_999_999, count)), pa.string())
    return {
        "id": bulk.strings(ids),
        "first_name": bulk.words(towns.FIRST_NAMES, first),
        "last_name": bulk.words(
            (*towns.LAST_NAMES, None), np.where(rng.random(count) < 0.02, len(towns.LAST_NAMES), last)
        ),
        "email": compute.binary_join_element_wise(email, pa.scalar("@example.com"), pa.scalar("")),
        "phone": compute.if_else(
            pa.array(rng.random(count) < 0.85),
            compute.binary_join_element_wise(pa.scalar("+1"), phones, pa.scalar("")),
            pa.scalar(None, pa.string()),
        ),
        "stripe_customer_id": bulk.prefixed("cus_", ids),
        "role": bulk.words(["user"], np.zeros(count, np.int64)),
        "created_at": bulk.times(joined),
        "updated_at": bulk.times(updated),
    }


def _plain(name: str) -> str:
    import unicodedata

    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters.lower() if letter.isalpha())


def subscription_columns(network: Network, subscriptions: Subscriptions, ids: Text, users: Text) -> dict[str, pa.Array]:
    canceled = subscriptions.canceled_at != NEVER
    attempted = subscriptions.attempted_at != NEVER
    renews = ~canceled & np.isin(
        subscriptions.status, [lifecycle.ACTIVE, lifecycle.TRIALING, lifecycle.PAST_DUE, lifecycle.UNPAID]
    )
    return {
        "id": bulk.strings(ids),
        "stripe_subscription_id": bulk.prefixed("sub_", ids),
        "user_id": bulk.strings(users[subscriptions.customer]),
        "garage_id": bulk.strings(network.garage_ids[subscriptions.garage]),
        "pass_id": bulk.strings(network.pass_ids[subscriptions.pass_]),
        "stripe_price_id": bulk.words(network.price_ids, subscriptions.price),
        "status": bulk.words(lifecycle.STATUSES, subscriptions.status),
        "current_period_start": bulk.times(subscriptions.period_start),
        "current_period_end": bulk.times(subscriptions.period_end),
        "cancel_at_period_end": pa.array(subscriptions.at_period_end),
        "canceled_at": bulk.times(subscriptions.canceled_at, canceled),
        "monthly_amount": bulk.money(subscriptions.cents),
        "renewal_status": bulk.words(
            ("succeeded", "failed", None),
            np.where(attempted, subscriptions.last_failed.astype(np.int64), 2),
        ),
        "renewal_attempted_at": bulk.times(subscriptions.attempted_at, attempted),
        "next_renewal_date": bulk.times(subscriptions.period_end, renews),
        "created_at": bulk.times(subscriptions.created_at),
        "updated_at": bulk.times(subscriptions.updated_at),
    }


def payment_columns(
    network: Network, rng: np.random.Generator, payments: Payments, subscription_ids: Text | None
) -> dict[str, pa.Array]:
    """Rows of payments; without ids of subscriptions they are single ones, of no subscription."""
    count = len(payments.cents)
    ids = bulk.uuids(rng, count)
    fee = lifecycle.fees(payments.cents)
    old = payments.paid_at < network.as_of - 90 * DAY
    draw = rng.random(count)
    # The application of old did not always note what Stripe kept.
    has_fee: Bools = payments.taken & ~(old & (draw < 0.002))
    has_net: Bools = payments.taken & ~(old & (draw > 0.998))
    if subscription_ids is None:
        belongs = pa.nulls(count, pa.string())
    else:
        belongs = bulk.strings(subscription_ids[payments.subscription])
    return {
        "id": bulk.strings(ids),
        "stripe_payment_intent_id": bulk.prefixed("pi_", ids),
        "subscription_id": belongs,
        "garage_id": bulk.strings(network.garage_ids[payments.garage]),
        "amount": bulk.money(payments.cents),
        "stripe_fee": bulk.money(fee, has_fee),
        "net_amount": bulk.money(payments.cents - fee, has_net),
        "status": bulk.words(lifecycle.PAYMENT_STATUSES, payments.status),
        "currency": bulk.words(("usd", "cad"), lifecycle.currencies(payments.garage)),
        "payment_date": bulk.times(payments.paid_at),
        "created_at": bulk.times(payments.paid_at),
        "updated_at": bulk.times(payments.updated_at),
    }

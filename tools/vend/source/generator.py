"""Filling the empty schema: everything that can be streamed is, in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from vend import postgres
from vend.errors import UsageError, VendError
from vend.progress import Progress
from vend.source import bulk, customers, named, network, parking, record, schema
from vend.source.bulk import Ints
from vend.source.clock import DAY, HOUR, MINUTE, later, micros, month_start
from vend.source.customers import Chunk
from vend.source.lifecycle import SUCCEEDED, Payments
from vend.source.network import Network

MOST_MONTHS = 600
CHUNK_PAYMENTS = 100_000
"""About how many payments are in memory at a time."""

Counts = dict[str, int]


def seed(
    dsn: str,
    *,
    garages: int,
    months: int,
    payments: int,
    seed: int,
    as_of: datetime | None,
    progress: Progress | None,
) -> Counts:
    """See vend.source.seed."""
    _check(garages, months, payments, seed)
    at = record.naive(as_of or datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None))
    until = micros(at)
    start = month_start(later(until, -months))
    report = progress or (lambda task, done, total=None: None)
    plan = network.build(seed, garages, payments, start, until)
    with postgres.explained("The source was not filled", dsn), postgres.connect(dsn) as connection:
        schema.require(connection, dsn)
        connection.execute("set local search_path to public")
        connection.execute("set local synchronous_commit to off")
        # For the keys and indexes that are put back at the end.
        connection.execute("set local maintenance_work_mem to '256MB'")
        connection.execute("set local work_mem to '64MB'")
        connection.execute("set local jit to off")
        _refuse_rows(connection, dsn)
        target = bulk.emptied(connection)
        with bulk.without_indexes(connection):
            counts = _fill(target, plan, seed, payments, report)
        said = {"as_of": at, "seed": seed, "garages": garages, "months": months, "payments": payments}
        record.write(connection, said)
        for table in schema.TABLES:
            connection.execute(f"analyze {table}".encode())
    return counts


def _check(garages: int, months: int, payments: int, seed: int) -> None:
    if garages < network.NAMED:
        raise UsageError(
            f"{garages} garages are too few: the named cases take {network.NAMED}. Ask for {network.NAMED} or more."
        )
    if not 1 <= months <= MOST_MONTHS:
        raise UsageError(f"{months} months cannot be made. Ask for 1 to {MOST_MONTHS}.")
    if payments < 0:
        raise UsageError(f"{payments} payments cannot be made. Ask for 0 or more.")
    if seed < 0:
        raise UsageError(f"The seed {seed} is negative. Give a whole number from 0 up.")


def _refuse_rows(connection: postgres.Connection, dsn: str) -> None:
    """Lock the tables, and raise VendError where one of them holds rows."""
    names = ", ".join(schema.TABLES)
    connection.execute(f"lock table {names} in access exclusive mode".encode())
    for table in schema.TABLES:
        if connection.execute(f"select from {table} limit 1".encode()).fetchone() is not None:
            raise VendError(
                f"public.{table} at {postgres.where(dsn)} is not empty; nothing was added. "
                "To start over, run `truncate users, garages cascade` there, which deletes all rows of the "
                "source, or use a new database."
            )


def _fill(target: bulk.Target, plan: Network, seed: int, payments: int, report: Progress) -> Counts:
    counts = dict.fromkeys(schema.TABLES, 0)
    stories, story_payments = named.tell(plan)
    for table, rows in (
        ("users", plan.users),
        ("garages", plan.garages),
        ("passes", plan.passes),
        ("pass_price_history", plan.history),
        ("garage_admins", plan.admins),
        ("subscriptions", stories),
        ("payments", story_payments if payments else []),
    ):
        counts[table] += bulk.copy_rows(target, table, rows)
    subscribers = parking.Subscribers()
    _customers(target, plan, seed, payments, counts, subscribers, report)
    _parking(target, plan, seed, counts, subscribers, report)
    return counts


def _customers(
    target: bulk.Target,
    plan: Network,
    seed: int,
    payments: int,
    counts: Counts,
    subscribers: parking.Subscribers,
    report: Progress,
) -> None:
    """New customers, chunk by chunk, until there are as many payments as wanted."""
    each = 4.0
    number = 0
    while (left := payments - counts["payments"]) > 0:
        report("payments", counts["payments"], payments)
        rng = np.random.default_rng([seed, 2, number])
        chunk = customers.sign_up(plan, rng, max(int(min(left, CHUNK_PAYMENTS) / each), 20))
        owned = chunk.payments_each()
        each = max(float(owned.mean()), 0.5)
        _load(target, plan, rng, chunk, _fitting(owned, left), counts, subscribers)
        number += 1
        if left < 20:
            break
    if left > 0:
        counts["payments"] += _single(target, plan, seed, payments - counts["payments"])
    report("payments", counts["payments"], counts["payments"])


def _fitting(owned: Ints, left: int) -> Ints:
    """The customers to take: one after another, but none with more payments than are still wanted."""
    fits = []
    for customer, payments in enumerate(owned.tolist()):
        if payments <= left:
            fits.append(customer)
            left -= payments
        if left == 0:
            break
    return np.array(fits, np.int64)


def _load(
    target: bulk.Target,
    plan: Network,
    rng: np.random.Generator,
    chunk: Chunk,
    taken: Ints,
    counts: Counts,
    subscribers: parking.Subscribers,
) -> None:
    is_taken = np.zeros(len(chunk.joined), np.bool_)
    is_taken[taken] = True
    users = bulk.uuids(rng, len(chunk.joined))
    columns = customers.user_columns(rng, users[taken], chunk.joined[taken], counts["users"], plan.as_of)
    counts["users"] += bulk.copy_columns(target, "users", columns)
    for subscriptions, payments in chunk.lives:
        ids = bulk.uuids(rng, len(subscriptions.customer))
        owners = is_taken[subscriptions.customer]
        paid = payments.where(owners[payments.subscription])
        kept = subscriptions.where(owners)
        subscribers.note(plan, kept, users)
        columns = customers.subscription_columns(plan, kept, ids[owners], users)
        counts["subscriptions"] += bulk.copy_columns(target, "subscriptions", columns)
        columns = customers.payment_columns(plan, rng, paid, ids)
        counts["payments"] += bulk.copy_columns(target, "payments", columns)


def _single(target: bulk.Target, plan: Network, seed: int, count: int) -> int:
    """The few payments that no customer fits: day tickets, without a subscription."""
    rng = np.random.default_rng([seed, 3])
    garage = np.full(count, network.HARWOOD)
    paid_at = plan.as_of - rng.integers(2 * HOUR, 25 * DAY, count)
    tickets = Payments(
        subscription=np.zeros(count, np.int64),
        garage=garage,
        cents=np.full(count, 2500),
        status=np.full(count, SUCCEEDED),
        paid_at=paid_at,
        updated_at=paid_at + MINUTE,
        taken=np.ones(count, np.bool_),
    )
    return bulk.copy_columns(target, "payments", customers.payment_columns(plan, rng, tickets, None))


def _parking(
    target: bulk.Target,
    plan: Network,
    seed: int,
    counts: Counts,
    subscribers: parking.Subscribers,
    report: Progress,
) -> None:
    for garage in range(len(plan.garages)):
        report("garages with parking", garage, len(plan.garages))
        rng = np.random.default_rng([seed, 4, garage])
        told: list[network.Row] = named.parked(plan) if garage == network.NO_PAYMENTS else []
        spaces = max(int(plan.capacity[garage]) - len(told), 0)
        found = parking.stays(plan, rng, garage, subscribers, spaces)
        columns = parking.parked_columns(plan, rng, garage, found, subscribers)
        counts["parked"] += bulk.copy_columns(target, "parked", columns)
        counts["parked"] += bulk.copy_rows(target, "parked", told)
        entered = [micros(row["entered_at"]) for row in told]
        exited = [micros(row["exited_at"]) for row in told if row["exited_at"]]
        columns = parking.occupancy_columns(
            plan,
            rng,
            garage,
            np.concatenate([found.entered, np.array(entered, np.int64)]),
            np.concatenate([found.exited, np.array(exited, np.int64)]),
            recounted=garage == network.HARWOOD,
        )
        counts["garage_daily_occupancy"] += bulk.copy_columns(target, "garage_daily_occupancy", columns)
    report("garages with parking", len(plan.garages), len(plan.garages))

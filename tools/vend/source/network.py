"""The platform's standing parts: garages, their passes and prices, and the people who run them.

Some dozens to thousands of rows, made in plain Python. The first eight garages are the named ones.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from vend.source import towns
from vend.source.bulk import Ints, Text, as_text
from vend.source.clock import DAY, HOUR, MINUTE, NEVER, instant

Row = dict[str, Any]

HARWOOD, CITY_CENTER, NAMESAKE, NO_CAPACITY, NO_PAYMENTS, NO_PASS, CANADIAN, ODDLY_NAMED = range(8)
NAMED = 8
VERSIONS = 4
"""A pass has at most so many prices over time."""

NAMED_GARAGES = (
    ("Harwood No. 10", "2401 Harwood Street, Dallas, TX 75201", 150),
    ("City Center", "77 main st, austin, tx 78701", 170),
    ("City Center", "110 Washington Street, New York, NY 10006", 420),
    ('The "Zero", Opening Soon', "500 Broad St, Newark, New Jersey 07102", 190),
    ("Skyline Garage\n(no payments yet)", "1 Pike Pl, Seattle, WA 98101", 250),
    ("Unpriced \\ Lot\t7", None, 0),
    ("Érable 停车场 🚗", "100 King St W, Toronto, ON M5H 1A1", 210),
    ("\\N", "Pier 7, The Waterfront", 130),
)

NAMED_USERS = (
    # key, email, first name, last name, role
    ("admin", "admin@vend.example", "Ada", "Admin", "super_admin"),
    ("two-garages", "two-garages@vend.example", "Tess", "Twofold", "garage_admin"),
    ("harwood", "harwood@vend.example", "Harry", "Harwood", "garage_admin"),
    ("driver", "driver@vend.example", "Dee", "Driver", "user"),
)


REASONS = (
    "Yearly review",
    "Market rate",
    'Operator\'s request:\n  "match the lot across the street", said by phone',
    "",
    "New chargers \\ new price",
    None,
)

PERMISSIONS = ('{"reports": true}', '{"reports": true, "passes": ["price", "name"]}', "{}")


@dataclass
class Network:
    """Rows ready to load, and the same facts as arrays for those who generate from them."""

    space: uuid.UUID
    start: int
    as_of: int
    users: list[Row] = field(default_factory=list)
    garages: list[Row] = field(default_factory=list)
    dollars: list[int] = field(default_factory=list)
    passes: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    admins: list[Row] = field(default_factory=list)
    opened: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    capacity: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    weight: Any = None
    monthly_loss: Any = None
    fill: Any = None
    first_pass: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    pass_count: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    price_from: Ints = field(default_factory=lambda: np.zeros((0, VERSIONS), np.int64))
    price: Ints = field(default_factory=lambda: np.zeros((0, VERSIONS), np.int64))
    price_ids: list[str] = field(default_factory=list)

    def key(self, *parts: object) -> str:
        """The id of a named row: the same for the same seed."""
        return str(uuid.uuid5(self.space, "/".join(map(str, parts))))

    @property
    def garage_ids(self) -> Text:
        return as_text([row["id"] for row in self.garages])

    @property
    def pass_ids(self) -> Text:
        return as_text([row["id"] for row in self.passes])

    def price_at(self, pass_: Ints, at: Ints) -> tuple[Ints, Ints]:
        """Cents a month of each pass at each instant, and the number of the price in `price_ids`."""
        version = (self.price_from[pass_] <= at[:, None]).sum(axis=1) - 1
        return self.price[pass_, version], pass_ * VERSIONS + version


def build(seed: int, garages: int, payments: int, start: int, as_of: int) -> Network:
    rng = np.random.default_rng([seed, 1])
    network = Network(uuid.uuid5(uuid.NAMESPACE_DNS, f"{seed}.vend.example"), start, as_of)
    _people(network)
    _garages(network, rng, garages, payments)
    _passes(network, rng)
    _first_prices(network)
    _admins(network, rng)
    return network


def user(network: Network, key: str, email: str, created: int, **values: Any) -> Row:
    """A row of users, noted in the network."""
    digits = network.key("user", key).replace("-", "")
    row = {
        "id": network.key("user", key),
        "first_name": None,
        "last_name": None,
        "email": email,
        "phone": None,
        "stripe_customer_id": f"cus_{digits[:14]}",
        "role": "user",
        "created_at": instant(created),
        "updated_at": instant(created),
    } | values
    network.users.append(row)
    return row


def _people(network: Network) -> None:
    before = network.start - 90 * DAY
    for number, (key, email, first, last, role) in enumerate(NAMED_USERS):
        at = before + number * HOUR + 123_456
        user(
            network,
            key,
            email,
            at,
            first_name=first,
            last_name=last,
            role=role,
            phone=f"+1-555-010-{number:04}",
        )
    for number, text in enumerate(towns.AWKWARD):
        user(
            network,
            f"awkward-{number}",
            f"awkward+{number}@vend.example",
            before + DAY + number * MINUTE + 1,
            first_name=text,
            last_name=towns.AWKWARD[-1 - number],
            phone=text,
        )
    user(network, "nameless", "nameless@vend.example", before + 2 * DAY, stripe_customer_id=None)


def _garages(network: Network, rng: np.random.Generator, count: int, payments: int) -> None:
    start, as_of = network.start, network.as_of
    a_day = min(max(payments / 2 / (count * 60), 40), 1_200)
    size = np.exp(rng.normal(0, 0.4, count))
    size[HARWOOD] = 1.6
    capacity = np.maximum(5 * np.round(size * a_day * 1.2 / 5), 25).astype(np.int64)
    capacity[NO_CAPACITY] = 0
    late = rng.random(count) ** 1.2 * 0.8 * (as_of - start)
    opened = start + np.where(rng.random(count) < 0.4, -rng.integers(0, 40, count) * DAY, late).astype(np.int64)
    opened = np.minimum(opened // DAY * DAY + 9 * HOUR + rng.integers(0, 8 * HOUR, count), as_of)
    opened[:NAMED] = start - 75 * DAY + np.arange(NAMED) * HOUR
    network.capacity, network.opened = capacity, opened
    network.weight = size * np.maximum((as_of - opened) / max(as_of - start, 1), 0.02) ** 1.5
    network.weight[NO_CAPACITY] *= 0.2
    network.weight[[NO_PAYMENTS, NO_PASS]] = 0
    network.monthly_loss = rng.uniform(0.02, 0.08, count)
    network.fill = rng.uniform(0.5, 1.0, count)
    for number in range(count):
        name, address, dollars = _called(rng, number)
        network.dollars.append(dollars)
        changed = number >= NAMED and rng.random() < 0.2
        updated = int(rng.integers(opened[number], as_of + 1)) if changed else int(opened[number])
        network.garages.append(
            {
                "id": network.key("garage", number),
                "name": name,
                "address": address,
                "capacity": int(capacity[number]),
                "stripe_account_id": None
                if number in (NO_CAPACITY, NO_PASS)
                else f"acct_{network.key('account', number)[:8]}{number:08}",
                "created_at": instant(int(opened[number])),
                "updated_at": instant(updated),
            }
        )


def _called(rng: np.random.Generator, number: int) -> tuple[str, str | None, int]:
    if number < NAMED:
        return NAMED_GARAGES[number]
    city, state, zip_code, dollars = towns.CITIES[int(rng.integers(len(towns.CITIES)))]
    street = towns.STREETS[int(rng.integers(len(towns.STREETS)))]
    suffix = towns.SUFFIXES[int(rng.integers(len(towns.SUFFIXES)))]
    kind = towns.GARAGE_KINDS[int(rng.integers(len(towns.GARAGE_KINDS)))]
    house = int(rng.integers(1, 4_000))
    return f"{street} {suffix} {kind}", f"{house} {street} {suffix}, {city}, {state} {zip_code}", dollars


def _passes(network: Network, rng: np.random.Generator) -> None:
    counts = []
    for number in range(len(network.garages)):
        if number == NO_PASS:
            offered = range(0)
        elif number < NAMED:
            offered = range(1, 4)
        else:
            offered = range(int(rng.integers(0, 2)), int(rng.integers(2, 5)))
        counts.append(len(offered))
        for kind in offered:
            _pass(network, rng, number, kind)
    network.pass_count = np.array(counts)
    network.first_pass = np.cumsum(network.pass_count) - network.pass_count
    # No longer sold: the last of Harwood's, which only its old subscribers hold.
    retired = _pass(network, rng, HARWOOD, 0)
    retired |= {"name": "Early Bird", "active": False, "description": None}


def _pass(network: Network, rng: np.random.Generator, garage: int, kind: int) -> Row:
    """A pass and the history of its price; the pass's row."""
    number = len(network.passes)
    opened = int(network.opened[garage])
    name, description, multiple = towns.PASSES[kind]
    cents = round(network.dollars[garage] * multiple * float(rng.uniform(0.9, 1.1))) * 100
    cents += int(rng.choice([0, 0, 0, 50, 95]))
    changes = np.sort(rng.integers(opened, max(network.as_of, opened + 1), int(rng.integers(0, VERSIONS))))
    if number == 0 and not len(changes):
        changes = np.array([(opened + network.as_of) // 2])
    prices = [cents]
    for _ in changes:
        prices.append(round(prices[-1] * float(rng.uniform(1.02, 1.11)) / 50) * 50)
    digits = network.key("price", number).replace("-", "")[:16]
    ids = [f"price_{digits}v{version}" for version in range(VERSIONS)]
    price_from = np.full(VERSIONS, NEVER)
    price_from[: len(prices)] = [-NEVER, *changes.tolist()]
    network.price_from = np.vstack([network.price_from, price_from])
    network.price = np.vstack([network.price, np.pad(prices, (0, VERSIONS - len(prices)))])
    network.price_ids += ids
    row: Row = {
        "id": network.key("pass", number),
        "garage_id": network.garages[garage]["id"],
        "name": name,
        "description": towns.AWKWARD[number] if number < len(towns.AWKWARD) else description,
        "stripe_product_id": None if garage == NO_CAPACITY else f"prod_{digits[:14]}",
        "stripe_price_id": None if garage == NO_CAPACITY else ids[len(changes)],
        "monthly_amount": dollars(prices[-1]),
        "active": True,
        "created_at": instant(opened),
        "updated_at": instant(int(changes[-1]) if len(changes) else opened),
    }
    network.passes.append(row)
    for version, at in enumerate(changes.tolist()):
        network.history.append(
            {
                "id": network.key("history", number, version),
                "pass_id": row["id"],
                "old_price": dollars(prices[version]),
                "new_price": dollars(prices[version + 1]),
                "old_stripe_price_id": ids[version],
                "new_stripe_price_id": ids[version + 1],
                "changed_by": "admin@vend.example" if rng.random() < 0.8 else None,
                "change_reason": REASONS[int(rng.integers(len(REASONS)))],
                "effective_date": instant(at),
                "created_at": instant(at),
            }
        )
    return row


def _first_prices(network: Network) -> None:
    """A price set where there was none before: a history row without its old side."""
    row = network.passes[0]
    network.history.append(
        {
            "id": network.key("history", "first"),
            "pass_id": row["id"],
            "old_price": None,
            "new_price": dollars(int(network.price[0, 0])),
            "old_stripe_price_id": None,
            "new_stripe_price_id": None,
            "changed_by": None,
            "change_reason": None,
            "effective_date": row["created_at"],
            "created_at": row["created_at"],
        }
    )


def _admins(network: Network, rng: np.random.Generator) -> None:
    named = {HARWOOD: "harwood", CITY_CENTER: "two-garages", NAMESAKE: "two-garages"}
    for number in range(len(network.garages)):
        at = min(int(network.opened[number]) + HOUR, network.as_of)
        key = named.get(number)
        if key is None:
            key = f"manager-{number}"
            user(
                network,
                key,
                f"manager-{number}@vend.example",
                at,
                first_name=towns.FIRST_NAMES[int(rng.integers(len(towns.FIRST_NAMES)))],
                last_name=towns.LAST_NAMES[int(rng.integers(len(towns.LAST_NAMES)))],
                role="garage_admin",
                stripe_customer_id=None,
            )
        network.admins.append(
            {
                "id": network.key("admin", number),
                "user_id": network.key("user", key),
                "garage_id": network.garages[number]["id"],
                "assigned_by": None if number == ODDLY_NAMED else network.key("user", "admin"),
                "assigned_at": instant(at),
                "permissions": None if number == ODDLY_NAMED else PERMISSIONS[number % len(PERMISSIONS)],
                "created_at": instant(at),
            }
        )


def dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)

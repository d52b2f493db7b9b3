"""Cars in and out over the last days, and the daily occupancy counted from them.

Every space of a garage has its own day: a commuter's long stay, or visitors one after another, then an
evening or a night. Stays of one space never overlap, so a garage is never above its capacity.

Volume: about one stay for two payments, but at least some 40 and at most some 1,200 a garage and day.

Occupancy of hour h (0–23) is the number of cars inside as the hour ends, at h+1:00: entered before then, and
not gone before then. Local time is UTC.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from vend.source import bulk, lifecycle
from vend.source.bulk import Bools, Ints, Text
from vend.source.clock import DAY, HOUR, MINUTE
from vend.source.lifecycle import Subscriptions
from vend.source.network import Network

DAYS = 60
COUNTED_AFTER = 5 * MINUTE
"""Past midnight, when the day's row is written."""

VISITS = ((7.0, 11.5), (12.0, 16.5), (17.0, 19.4))
EVENING = (19.5, 23.4)


@dataclass
class Subscribers:
    """Who may park where: subscriptions in force in the last days, bounded per garage."""

    garage: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    pass_: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    start: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    end: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    user: Text = field(default_factory=lambda: np.zeros((0, 36), np.uint8))

    def note(self, network: Network, subscriptions: Subscriptions, users: Text) -> None:
        """Keep those in force since the first of the days, at most twice as many as the garage has spaces."""
        begun = ~np.isin(subscriptions.status, [lifecycle.INCOMPLETE, lifecycle.EXPIRED])
        ended = np.where(subscriptions.status == lifecycle.PAUSED, subscriptions.updated_at, subscriptions.ended_at)
        chosen = begun & (ended > network.as_of - DAYS * DAY)
        garage = np.concatenate([self.garage, subscriptions.garage[chosen]])
        order = np.argsort(garage, kind="stable")
        each = np.bincount(garage, minlength=len(network.capacity))
        rank = np.arange(len(garage)) - np.repeat(np.cumsum(each) - each, each)
        kept = order[rank < 2 * network.capacity[garage[order]]]
        self.garage = garage[kept]
        self.pass_ = np.concatenate([self.pass_, subscriptions.pass_[chosen]])[kept]
        self.start = np.concatenate([self.start, subscriptions.created_at[chosen]])[kept]
        self.end = np.concatenate([self.end, ended[chosen]])[kept]
        self.user = np.concatenate([self.user, users[subscriptions.customer[chosen]]])[kept]


@dataclass
class Stays:
    """One garage's stays, in µs (exited may lie after as_of); row of Subscribers, -1 for a visitor."""

    entered: Ints
    exited: Ints
    subscriber: Ints


def first_day(as_of: int, opened: int) -> int:
    """Midnight of the first day with parking."""
    return max(as_of // DAY - DAYS, opened // DAY + 1) * DAY


def stays(network: Network, rng: np.random.Generator, garage: int, subscribers: Subscribers, spaces: int) -> Stays:
    """What happened on `spaces` spaces of the garage from its first day to as_of, sorted by entry."""
    first = first_day(network.as_of, int(network.opened[garage]))
    days = np.arange(first, network.as_of + 1, DAY)
    weekday = (days // DAY + 3) % 7
    busy = np.where(weekday < 5, 1.0, 0.35) * rng.uniform(0.85, 1.1, len(days))
    day = np.repeat(np.arange(len(days)), spaces)
    space = np.tile(np.arange(spaces), len(days))
    chance = np.minimum(network.fill[garage] * busy, 1.0)[day]
    draw = rng.random(len(day))
    commute = draw < 0.75 * chance
    visits = ~commute & (draw < chance)
    evening = rng.random(len(day))

    parts: list[tuple[Ints, Ints, Ints, bool]] = []

    def stay(chosen: Bools, enter: tuple[float, float, float], leave: tuple[float, float, float], own: bool) -> None:
        which = np.flatnonzero(chosen)
        start = days[day[which]]
        entered = start + (rng.triangular(*enter, len(which)) * HOUR).astype(np.int64)
        exited = start + (rng.triangular(*leave, len(which)) * HOUR).astype(np.int64)
        parts.append((entered, exited, day[which], own))

    stay(commute, (6.4, 8.3, 10.5), (15.0, 17.5, 19.3), True)
    for from_, until in VISITS:
        half = (from_ + until) / 2
        taken = visits & (rng.random(len(day)) < 0.55)
        stay(taken, (from_, from_ + 0.8, half), (half, until - 1, until), False)
    half = sum(EVENING) / 2
    stay(evening < 0.12 * chance, (EVENING[0], 20, half), (half, 22, EVENING[1]), False)
    # A night's car leaves before the next day's first may come.
    night = (evening > 0.93) & (space % 3 == 0)
    stay(night, (EVENING[0], 20.5, 23.5), (29.2, 30.0, 30.3), True)

    entered, exited, on, own = (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
        np.concatenate([np.full(len(part[0]), part[3]) for part in parts]),
    )
    who = _drivers(rng, garage, subscribers, days, on, own, entered)
    happened = entered <= network.as_of
    order = np.argsort(entered[happened], kind="stable")
    return Stays(entered[happened][order], exited[happened][order], who[happened][order])


def _drivers(
    rng: np.random.Generator,
    garage: int,
    subscribers: Subscribers,
    days: Ints,
    on: Ints,
    own: Bools,
    entered: Ints,
) -> Ints:
    """A subscriber in force for each stay that could be one's, nobody in two places; -1 where none is left."""
    who = np.full(len(on), -1)
    here = np.flatnonzero(subscribers.garage == garage)
    if not len(here):
        return who
    by_night = entered % DAY > 19 * HOUR
    for turn in (False, True):
        rows = np.flatnonzero(own & (by_night == turn))
        rows = rows[np.argsort(on[rows], kind="stable")]
        for number, group in enumerate(np.split(rows, np.cumsum(np.bincount(on[rows], minlength=len(days)))[:-1])):
            start = days[number]
            there = here[(subscribers.start[here] < start) & (subscribers.end[here] >= start + 2 * DAY)]
            drivers = rng.permutation(there)[: len(group)]
            who[group[: len(drivers)]] = drivers
    return who


def parked_columns(
    network: Network, rng: np.random.Generator, garage: int, found: Stays, subscribers: Subscribers
) -> dict[str, pa.Array]:
    count = len(found.entered)
    known = found.subscriber >= 0
    has_plate = known | (rng.random(count) < 0.97)
    gone = found.exited <= network.as_of
    user = np.zeros((count, 36), np.uint8)
    user[~known] = ord("0")
    user[known] = subscribers.user[found.subscriber[known]]
    pass_ = np.zeros(count, np.int64)
    pass_[known] = subscribers.pass_[found.subscriber[known]]
    return {
        "id": bulk.strings(bulk.uuids(rng, count)),
        "garage_id": bulk.strings(np.broadcast_to(network.garage_ids[garage], (count, 36))),
        "user_id": bulk.strings(user, known),
        "pass_id": bulk.strings(network.pass_ids[pass_], known),
        "vehicle_plate": bulk.strings(_plates(rng, user, known), has_plate),
        "entered_at": bulk.times(found.entered),
        "exited_at": bulk.times(found.exited, gone),
        "created_at": bulk.times(found.entered),
    }


def _plates(rng: np.random.Generator, user: Text, known: Bools) -> Text:
    """ABC-1234: a subscriber's own, always the same; a visitor's at random."""
    source = rng.integers(0, 256, (len(user), 7), np.uint8)
    source[known] = user[known][:, [0, 2, 4, 6, 9, 11, 19]] * np.uint8(7) + user[known][:, [1, 3, 5, 7, 10, 12, 20]]
    plate = np.full((len(user), 8), ord("-"), np.uint8)
    plate[:, :3] = ord("A") + source[:, :3] % 26
    plate[:, 4:] = ord("0") + source[:, 3:] % 10
    return plate


def occupancy_columns(
    network: Network, rng: np.random.Generator, garage: int, entered: Ints, exited: Ints, *, recounted: bool
) -> dict[str, pa.Array]:
    """A row for each whole day. `recounted`: the last day has an earlier, wrong row as well."""
    first = first_day(network.as_of, int(network.opened[garage]))
    days = np.arange(first, network.as_of - DAY - COUNTED_AFTER + 1, DAY)
    created = days + DAY + COUNTED_AFTER
    hours = days[:, None] + (np.arange(24) + 1) * HOUR
    counts = np.searchsorted(np.sort(entered), hours) - np.searchsorted(np.sort(exited), hours)
    if recounted and len(days):
        early = counts[-1].copy()
        early[12:] = 0
        early[0] = early[0] - 1 if early[0] else 1
        counts = np.vstack([counts, early])
        days = np.append(days, days[-1])
        created = np.append(created, created[-1] - 4 * MINUTE)
    return {
        "id": bulk.strings(bulk.uuids(rng, len(days))),
        "garage_id": bulk.strings(np.broadcast_to(network.garage_ids[garage], (len(days), 36))),
        "day": bulk.times(days),
        "hourly_occupancy": pa.array([json.dumps(row) for row in counts.tolist()], pa.string()),
        "created_at": bulk.times(created),
    }

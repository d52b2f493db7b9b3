"""Instants as microseconds since 1970, naive UTC, one at a time or in arrays."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from vend.source.bulk import Ints

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEVER = np.iinfo(np.int64).max


def micros(instant: datetime) -> int:
    """Microseconds of a naive UTC datetime."""
    seconds = int(instant.replace(microsecond=0, tzinfo=UTC).timestamp())
    return seconds * SECOND + instant.microsecond


def instant(microseconds: int) -> datetime:
    """The naive UTC datetime of microseconds."""
    return datetime.fromtimestamp(microseconds // SECOND, UTC).replace(
        tzinfo=None, microsecond=int(microseconds % SECOND)
    )


def add_months(start: Ints, months: Ints) -> Ints:
    """The anniversary `months` later, at the same time of day; the month's last day where it is shorter."""
    days, time_of_day = np.divmod(start, DAY)
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    day_of_month = dates - month.astype("datetime64[D]")
    first = (month + months).astype("datetime64[D]")
    last = (month + months + 1).astype("datetime64[D]") - first - np.timedelta64(1, "D")
    moved: Ints = (first + np.minimum(day_of_month, last)).astype(np.int64) * DAY + time_of_day
    return moved


def later(start: int, months: int) -> int:
    """add_months for one instant."""
    return int(add_months(np.array([start]), np.array([months]))[0])


def month_start(at: int) -> int:
    """00:00 of the first of the month `at` is in."""
    month = np.datetime64(at, "us").astype("datetime64[M]")
    return int(month.astype("datetime64[us]").astype(np.int64))


def months_begun(start: Ints, until: int) -> Ints:
    """How many of the instants start, start + 1 month, … are at or before `until`: 0 where start is after."""
    month = start.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    last = np.datetime64(until, "us").astype("datetime64[M]").astype(np.int64) - month
    begun: Ints = np.where(add_months(start, last) > until, last, last + 1)
    return np.maximum(begun, 0)

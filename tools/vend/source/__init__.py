"""The operational source: its schema, and a believable business to fill it with.

Nothing heavy is imported before it is needed; the modules of this package hold the work.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vend.progress import Progress


def init(dsn: str) -> list[str]:
    """Create the operational schema in `public`; the names of the tables created, none the second time.

    Raises VendError, having changed nothing, where a table of one of the names has another shape.
    """
    from vend.source import schema

    return schema.init(dsn)


def seed(
    dsn: str,
    *,
    garages: int = 40,
    months: int = 24,
    payments: int = 20_000,
    seed: int = 1,
    as_of: datetime | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Fill the empty schema in one transaction; the number of rows per table.

    garages: at least 8. months: length of the history. payments: how many rows of payments; the named
    cases (some dozens) are there even when fewer are asked for, and 0 means none at all. as_of: naive UTC,
    the instant the data stops at; default now, to the minute. The same arguments give the same rows.
    Raises UsageError for values out of range, VendError where the schema is missing or not empty.
    """
    from vend.source import generator

    return generator.seed(
        dsn, garages=garages, months=months, payments=payments, seed=seed, as_of=as_of, progress=progress
    )


def mutate(
    dsn: str, *, seed: int = 1, as_of: datetime | None = None, progress: Progress | None = None
) -> dict[str, int]:
    """Play the business on from the recorded as_of to `as_of` (naive UTC; default a day); rows per event.

    Deterministic given what is in the database, seed and as_of. Raises VendError where there is no data,
    UsageError where as_of is not after what has been played already.
    """
    from vend.source import day

    return day.mutate(dsn, seed=seed, as_of=as_of, progress=progress)


def recorded(dsn: str) -> dict[str, Any] | None:
    """What seed and mutate noted: {"as_of": datetime (naive UTC), "seed": int, …}; None on other data."""
    from vend.source import record

    return record.recorded(dsn)

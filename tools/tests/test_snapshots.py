"""The history that the source overwrites: one version after the other, whatever the writers do to updated_at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
from conftest import settings_in
from recompute import Frame
from test_figures import build, garage, insert, key, load, offer, subscription, user

from vend import figures, source
from vend.settings import Settings

JANUARY = datetime(2026, 1, 1)
FRAME = Frame(datetime(2026, 3, 1))
GARAGE = key(1, 1)
TICK = timedelta(microseconds=1)
NAMES = ("touched", "forgotten", "set back", "ahead", "status", "deleted", "left alone", "twice", "renewed", "future")
SUBSCRIPTIONS = {name: key(4, number) for number, name in enumerate(NAMES, start=1)}

Version = tuple[str, Decimal, datetime, datetime | None]


def update(dsn: str, name: str, assignments: str) -> None:
    with psycopg.connect(dsn) as connection:
        statement = f"update subscriptions set {assignments} where id = %s"
        assert connection.execute(statement, [SUBSCRIPTIONS[name]]).rowcount == 1  # type: ignore[arg-type]


def take(settings: Settings, dsn: str) -> datetime:
    """Sync and snapshot; returns when the sync began."""
    synced = load(settings, dsn)
    wanted = ("--select", "+snap_subscriptions", "+snap_passes", "--indirect-selection", "cautious")
    build(settings, "cold", None, FRAME, *wanted)
    return synced


def versions(settings: Settings, name: str) -> list[Version]:
    query = (
        "select status, monthly_amount, dbt_valid_from, dbt_valid_to from staging.snap_subscriptions"
        f" where subscription_id = '{SUBSCRIPTIONS[name]}' order by dbt_valid_from"
    )
    return [(row[0], row[1], row[2], row[3]) for row in figures.query(settings, query)]


def test_versions_follow_each_other(tmp_path: Path, make_database: Callable[[], str]) -> None:
    dsn, settings = make_database(), settings_in(tmp_path / "home")
    ahead = datetime(2200, 1, 1)
    source.init(dsn)
    insert(
        dsn,
        {
            "users": [user(1)],
            "garages": [garage(GARAGE, "One", None, 1)],
            "passes": [offer(1, GARAGE)],
            "subscriptions": [
                subscription(n, 1, GARAGE, "active", JANUARY, "10.00", updated=ahead if name == "ahead" else None)
                for n, name in enumerate(NAMES, start=1)
            ],
        },
    )
    first = take(settings, dsn)
    ten, eleven, twelve = Decimal("10.00"), Decimal("11.00"), Decimal("12.00")
    assert versions(settings, "touched") == [("active", ten, JANUARY, None)]

    moved = JANUARY + timedelta(days=40)
    update(dsn, "touched", f"monthly_amount = 11, updated_at = '{moved}'")
    update(dsn, "forgotten", "monthly_amount = 11")
    update(dsn, "set back", "monthly_amount = 11, updated_at = '2025-06-01'")
    update(dsn, "ahead", "monthly_amount = 11")
    update(dsn, "status", f"status = 'past_due', updated_at = '{moved}'")
    update(dsn, "left alone", f"renewal_status = 'tried', updated_at = '{moved}'")
    update(dsn, "twice", f"monthly_amount = 11, updated_at = '{moved}'")
    update(dsn, "renewed", f"updated_at = '{moved}'")
    update(dsn, "future", f"monthly_amount = 11, updated_at = '{ahead}'")
    with psycopg.connect(dsn) as connection:
        connection.execute("delete from subscriptions where id = %s", [SUBSCRIPTIONS["deleted"]])
        connection.execute("update passes set monthly_amount = 77, active = true, updated_at = %s", [moved])
    second = take(settings, dsn)
    assert versions(settings, "touched") == [("active", ten, JANUARY, moved), ("active", eleven, moved, None)]
    for name in ("forgotten", "set back"):
        assert versions(settings, name) == [("active", ten, JANUARY, second), ("active", eleven, second, None)]
    # a clock ahead of the sync dates nothing
    assert versions(settings, "ahead") == [("active", ten, first, second), ("active", eleven, second, None)]
    assert versions(settings, "future") == [("active", ten, JANUARY, second), ("active", eleven, second, None)]
    assert versions(settings, "status") == [("active", ten, JANUARY, moved), ("past_due", ten, moved, None)]
    for name in ("left alone", "deleted"):
        assert versions(settings, name) == [("active", ten, JANUARY, None)]
    prices = "select current_price, is_active, dbt_valid_to from staging.snap_passes order by dbt_valid_from"
    assert figures.query(settings, prices) == [(Decimal("50.00"), False, moved), (Decimal("77.00"), True, None)]

    everything = "select * from staging.snap_subscriptions order by all"
    before = figures.query(settings, everything)
    take(settings, dsn)
    assert figures.query(settings, everything) == before

    # back to an amount it had before, at an instant before the version that holds; and the deleted one returns
    update(dsn, "twice", f"monthly_amount = 10, updated_at = '{moved - TICK}'")
    update(dsn, "forgotten", "monthly_amount = 12")
    # updated_at was moved by the renewal, which is no reason to date the price back to it
    update(dsn, "renewed", "monthly_amount = 12")
    update(dsn, "future", f"monthly_amount = 12, updated_at = '{moved}'")
    with psycopg.connect(dsn) as connection:
        connection.execute("update passes set active = false")
    insert(dsn, {"subscriptions": [subscription(6, 1, GARAGE, "active", JANUARY, "12.00")]})
    fourth = take(settings, dsn)
    assert versions(settings, "twice") == [
        ("active", ten, JANUARY, moved),
        ("active", eleven, moved, fourth),
        ("active", ten, fourth, None),
    ]
    assert versions(settings, "renewed") == [("active", ten, JANUARY, fourth), ("active", twelve, fourth, None)]
    assert versions(settings, "future")[1:] == [("active", eleven, second, fourth), ("active", twelve, fourth, None)]
    assert versions(settings, "forgotten")[1:] == [("active", eleven, second, fourth), ("active", twelve, fourth, None)]
    assert versions(settings, "deleted") == [("active", ten, JANUARY, fourth), ("active", twelve, fourth, None)]

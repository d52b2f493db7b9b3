"""What the tests of the sync share: rows with awkward values in a real Postgres, and RAW compared with them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import psycopg
from psycopg import sql

from vend import contract
from vend.contract import Table
from vend.settings import Settings
from vend.sync import Run

NAMES = (
    "users",
    "garages",
    "passes",
    "subscriptions",
    "payments",
    "parked",
    "garage_daily_occupancy",
    "pass_price_history",
    "garage_admins",
)
AWKWARD = ["", " ", "NULL", "\\N", "\\.", 'a"b""c', "a,b", "line\nfeed\r\nend", "🅿️ żółć", "'", "\t\\", '"', None]


def fill(connection: psycopg.Connection[Any]) -> None:
    at = datetime(2024, 2, 29, 23, 59, 59, 999999)
    for number, text in enumerate(AWKWARD):
        key = uuid.UUID(int=number + 1)
        stamp = at + timedelta(microseconds=number)
        values: list[tuple[str, dict[str, Any]]] = [
            ("users", {"first_name": text, "email": f"{number}@x.org", "phone": text, "updated_at": stamp}),
            ("garages", {"name": text or "", "address": text, "capacity": number * 1000}),
            (
                "passes",
                {"garage_id": key, "name": "P", "monthly_amount": Decimal("99999999.99"), "active": number % 2 == 0},
            ),
            (
                "subscriptions",
                {"user_id": key, "garage_id": key, "pass_id": key, "monthly_amount": 0, "status": "past_due"}
                | ({"canceled_at": stamp, "renewal_status": text} if number % 2 else {}),
            ),
            (
                "payments",
                {"subscription_id": key, "garage_id": key, "payment_date": stamp}
                | {"amount": Decimal("-0.01"), "net_amount": None if number % 2 else Decimal("0.10")},
            ),
            ("parked", {"garage_id": key, "vehicle_plate": text, "entered_at": stamp}),
            (
                "garage_daily_occupancy",
                {"garage_id": key, "day": "1999-12-31", "hourly_occupancy": json.dumps([number, None, text])},
            ),
            (
                "pass_price_history",
                {"pass_id": key, "new_price": 5, "change_reason": text, "effective_date": stamp},
            ),
            (
                "garage_admins",
                {"user_id": key, "garage_id": key, "permissions": json.dumps({"a": text}) if text else None},
            ),
        ]
        for table, row in values:
            insert(connection, table, id=key, **row)


def insert(connection: psycopg.Connection[Any], table: str, **row: Any) -> None:
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        ),
        list(row.values()),
    )


def park(connection: psycopg.Connection[Any], plate: str = "new") -> uuid.UUID:
    key = uuid.uuid4()
    insert(connection, "parked", id=key, garage_id=uuid.UUID(int=1), vehicle_plate=plate, entered_at="2025-01-01")
    return key


@contextmanager
def opened(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(settings.duckdb_path) as connection:
        yield connection


def query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with opened(settings) as connection:
        return connection.execute(statement).fetchall()


def in_source(connection: psycopg.Connection[Any], table: Table) -> list[tuple[Any, ...]]:
    columns = ", ".join(
        f"{column.name}::text" if column.type in ("varchar", "json") else column.name for column in table.columns
    )
    rows = connection.execute(f"select {columns} from public.{table.name}").fetchall()  # type: ignore[call-overload]
    return sorted(rows, key=lambda row: str(row[0]))


JSON = ("hourly_occupancy", "permissions")


def assert_equal(settings: Settings, connection: psycopg.Connection[Any], names: tuple[str, ...] = NAMES) -> None:
    """RAW's live rows are the source's, in every column, and no key is there twice."""
    with opened(settings) as raw:
        for table in contract.tables(settings):
            if table.name not in names:
                continue
            columns = ", ".join(f"{name}::varchar" if name in JSON else name for name in table.names)
            live = f"select {columns} from raw.{table.name} where not _fivetran_deleted order by id"
            assert raw.execute(live).fetchall() == in_source(connection, table), table.name
            doubled = f"select id from raw.{table.name} group by id having count(*) > 1"
            assert raw.execute(doubled).fetchall() == []


def figures(run: Run, table: str) -> tuple[str, int | None, int | None, int | None, int | None]:
    """mode, extracted, inserted, updated, deleted"""
    row = next(row for row in run.tables if row.table == table)
    assert row.status == "success", row.error
    return row.mode, row.rows_extracted, row.rows_inserted, row.rows_updated, row.rows_deleted

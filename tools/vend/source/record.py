"""What the generated data says of itself, kept as a comment on schema public so that it travels with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from vend import postgres


def recorded(dsn: str) -> dict[str, Any] | None:
    """The record {"as_of": datetime (naive UTC), "seed": int, …} of the data in `public`, or None."""
    with postgres.explained("The source's record was not read", dsn), postgres.connect(dsn) as connection:
        return read(connection)


def read(connection: postgres.Connection) -> dict[str, Any] | None:
    row = connection.execute("select obj_description(to_regnamespace('public'), 'pg_namespace')").fetchone()
    try:
        record = json.loads((row and row[0]) or "")
        return {**record, "as_of": datetime.fromisoformat(record["as_of"])}
    except (ValueError, TypeError, KeyError):
        return None


def write(connection: postgres.Connection, record: dict[str, Any]) -> None:
    text = json.dumps({**record, "as_of": record["as_of"].isoformat()})
    connection.execute(sql.SQL("comment on schema public is {}").format(sql.Literal(text)))


def naive(at: datetime) -> datetime:
    """The instant as naive UTC."""
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)

"""Playing days of business on whatever is in the source."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from vend import postgres
from vend.errors import UsageError, VendError
from vend.progress import Progress
from vend.source import record, schema

DAY = timedelta(days=1)
HEADING = re.compile(r"^--: (.+)$", re.MULTILINE)


def mutate(dsn: str, *, seed: int, as_of: datetime | None, progress: Progress | None) -> dict[str, int]:
    """See vend.source.mutate."""
    report = progress or (lambda task, done, total=None: None)
    with postgres.explained("The day was not played", dsn), postgres.connect(dsn) as connection:
        schema.require(connection, dsn)
        connection.execute("set local search_path to public")
        # Compiling these statements takes longer than running them.
        connection.execute("set local jit to off")
        said = record.read(connection) or {}
        if not said and as_of is None and _last_payment(connection, dsn):
            raise VendError(
                f"The business at {postgres.where(dsn)} was not made by `vend source seed`, so no made-up day is added "
                "to it. To play one there all the same, name its end with --as-of."
            )
        opened = said.get("as_of") or _last_payment(connection, dsn)
        until = record.naive(as_of) if as_of else opened + DAY
        if until <= opened:
            raise UsageError(
                f"The source has been played up to {opened:%Y-%m-%d %H:%M:%S} UTC already. Give a later --as-of."
            )
        counts = dict.fromkeys((name for name, _ in _events() if not name.startswith("[")), 0)
        days = -((opened - until) // DAY)
        for number in range(days):
            report("days", number, days)
            closed = min(opened + DAY, until)
            _play(connection, opened, closed, f"/{seed}/{closed.isoformat()}", counts)
            opened = closed
        report("days", days, days)
        record.write(connection, {**said, "as_of": until})
    return counts


def _last_payment(connection: postgres.Connection, dsn: str) -> datetime:
    row = connection.execute("select max(created_at) from payments").fetchone()
    if row is None or row[0] is None:
        raise VendError(
            f"{postgres.where(dsn)} holds no business to go on with. Fill it first with `vend source seed`."
        )
    at: datetime = row[0]
    return at


def _play(
    connection: postgres.Connection, opened: datetime, closed: datetime, salt: str, counts: dict[str, int]
) -> None:
    connection.execute("drop table if exists pg_temp.today, pg_temp.garage_currency, pg_temp.room, pg_temp.stays")
    connection.execute("create temporary table today (opened timestamp, closed timestamp, salt text) on commit drop")
    connection.execute("insert into today values (%s, %s, %s)", (opened, closed, salt))
    for name, statement in _events():
        done = connection.execute(statement.encode()).rowcount
        if name in counts:
            counts[name] += done


def _events() -> list[tuple[str, str]]:
    """Name and statement of each event in day.sql, in order."""
    _, *parts = HEADING.split(schema.sql("day.sql"))
    return list(zip(parts[::2], parts[1::2], strict=True))

"""The rows of one report, for one garage or all that the reader may see."""

from __future__ import annotations

from dataclasses import dataclass

from vend import catalog, reader
from vend.catalog import Report
from vend.errors import UsageError
from vend.reader import Table
from vend.settings import Settings


@dataclass(frozen=True)
class Answer:
    """more: whether there are rows beyond the limit."""

    report: Report
    table: Table
    more: bool = False


def read(
    settings: Settings,
    report: Report,
    *,
    dsn: str = "",
    user: str | None = None,
    garage: str | None = None,
    limit: int | None = None,
) -> Answer:
    """The report in the order of its key. dsn: the hot side's, for a report of that side. user, garage: id or email, id
    or name. Raises DeniedError, in a sentence, for what the user may not see."""
    hot = report.side == catalog.HOT
    with reader.hot(dsn, user) if hot else reader.cold(settings, user) as seen:
        relation = f"{'reporting' if hot else 'reports'}.{report.name}"
        statement, values = f"select * from {relation}", {}
        if garage is not None:
            values["garage"] = seen.garage(garage).id
            if report.has_garage:
                statement += " where garage_id = :garage"
            elif seen.sees_all:
                raise UsageError(f"{report.name} has no garage; leave --garage away.")
        statement += f" order by {', '.join(report.key)}"
        if limit is not None:
            statement += f" limit {limit + 1}"
        table = seen.rows(statement, **values)
    if limit is None or len(table.rows) <= limit:
        return Answer(report, table)
    return Answer(report, Table(table.columns, table.rows[:limit]), more=True)

"""The rows of one report, for one garage or all that the reader may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from vend import catalog, reader, refresh
from vend.catalog import Report
from vend.errors import UsageError
from vend.reader import Table
from vend.settings import Settings


@dataclass(frozen=True)
class Answer:
    """more: whether there are rows beyond the limit. as_of: up to which instant it counts, naive UTC, where that is
    recorded. note: what else one should know of it, in a sentence."""

    report: Report
    table: Table
    more: bool = False
    as_of: datetime | None = None
    note: str | None = None


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
    more = limit is not None and len(table.rows) > limit
    name = report.name if hot else f"rpt_{report.name.partition('_')[2]}"
    shown = Table(table.columns, table.rows[:limit]) if more else table
    return Answer(report, shown, more, seen.as_of.get(name), note(name, hot, seen.as_of))


def note(name: str, hot: bool, as_of: Mapping[str, datetime]) -> str | None:
    """What is to be said of a report that is not as of the instant one would think."""
    own = as_of.get(name)
    if own is None:
        return None
    if hot:
        return refresh.standing(own)
    newest = max(as_of, key=lambda other: as_of[other])
    if own >= as_of[newest]:
        return None
    return (
        f"{name} is as of {own:%Y-%m-%d %H:%M} UTC and older than other reports "
        f"({newest}: {as_of[newest]:%Y-%m-%d %H:%M}), so they do not add up with each other. "
        "`vend check` says whether a build failed."
    )

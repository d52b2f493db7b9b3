"""What runs, what is loaded and how fresh it is."""

from __future__ import annotations

from vend import figures, postgres, server
from vend.errors import VendError
from vend.settings import Settings

LAST_SYNCS = """
    select table_name, started_at, raw_rows, mode
    from ops.sync_runs
    where status = 'success'
    qualify row_number() over (partition by table_name order by started_at desc) = 1
    order by table_name
"""

REFRESHES = """
    select relation, max(started_at) filter (where status = 'success') at time zone 'UTC',
        (array_agg(status order by started_at desc))[1]
    from hot.refresh_log
    group by relation
    order by relation
"""


def as_text(settings: Settings) -> str:
    """One screen: Postgres, hot views, last sync. Starts nothing."""
    lines = []
    dsn = settings.postgres_dsn
    if dsn is None:
        embedded = server.status(settings)
        dsn = embedded.dsn if embedded.running else None
        state = f"runs, version {embedded.version}, pid {embedded.pid}" if embedded.running else "is stopped"
        lines.append(f"Postgres   the embedded server {state} (data in {embedded.data})")
    if dsn is not None:
        lines += _hot(dsn)
    lines += _cold(settings)
    return "\n".join(lines)


def _hot(dsn: str) -> list[str]:
    lines = [f"Postgres   {postgres.redacted(dsn)}"]
    with postgres.connect(dsn, autocommit=True) as connection:
        there = connection.execute("select to_regclass('hot.refresh_log') is not null").fetchone()
        if there != (True,):
            return [*lines, "Hot        not built yet: vend build hot"]
        for relation, at, last in connection.execute(REFRESHES):
            lines.append(f"Hot        {relation:<28}{_at(at)}{'' if last == 'success' else '  last refresh failed'}")
    return lines


def _cold(settings: Settings) -> list[str]:
    try:
        rows = figures.query(settings, LAST_SYNCS)
    except VendError as error:
        return [f"Warehouse  {error}"]
    lines = [f"Warehouse  {settings.duckdb_path}"]
    for table, at, count, mode in rows:
        lines.append(f"RAW        {table:<28}{_at(at)}{count:>14,} rows  ({mode})")
    return lines if rows else [*lines, "RAW        nothing loaded yet: vend sync"]


def _at(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "never"

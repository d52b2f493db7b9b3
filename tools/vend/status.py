"""What runs, what is loaded and how fresh it is."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from vend import dbt, postgres, server, sync, warehouse
from vend.errors import VendError
from vend.settings import Settings

REFRESHES = """
    select relation, last_success_at at time zone 'UTC', last_error is not null from hot.freshness order by relation
"""

RECONCILED = """
    select max(started_at) filter (where status = 'success') at time zone 'UTC',
        count(*) filter (where status = 'error' or note ~ '[1-9]')
    from (
        select distinct on (relation) * from hot.refresh_log
        where relation in (select name from hot.summary)
        order by relation, started_at desc
    ) as last_of_each
"""


def as_text(settings: Settings) -> str:
    """One screen: Postgres, hot views, last sync. Starts nothing."""
    lines = []
    dsn = settings.postgres_dsn
    if dsn is None or server.is_own(settings, dsn):
        embedded = server.status(settings)
        dsn = (dsn or embedded.dsn) if embedded.running else None
        state = f"runs, version {embedded.version}, pid {embedded.pid}" if embedded.running else "is stopped"
        lines.append(f"Postgres   the embedded server {state} (data in {embedded.data})")
    if dsn is not None:
        postgres.parse(dsn, "VEND_POSTGRES_DSN")
        lines += _hot(dsn)
    lines += _cold(settings)
    return "\n".join(lines)


def _hot(dsn: str) -> list[str]:
    lines = [f"Postgres   {postgres.redacted(dsn)}"]
    with postgres.explained("The hot side cannot be read", dsn), postgres.connect(dsn, autocommit=True) as connection:
        there = connection.execute("select to_regclass('hot.freshness') is not null").fetchone()
        if there != (True,):
            return [*lines, "Hot        not built yet: vend build hot"]
        fixed = connection.execute("select max(as_of) from hot.setting").fetchone()
        if fixed and fixed[0]:
            lines.append(f"Hot        the clock stands at {_at(fixed[0])}, until a build without --as-of")
        for relation, at, failed in connection.execute(REFRESHES):
            lines.append(f"Hot        {relation:<28}{_at(at)}{'  last refresh failed' if failed else ''}")
        for at, bad in connection.execute(RECONCILED):
            lines.append(f"Hot        {'summaries reconciled':<28}{_at(at)}{'  see hot.refresh_log' if bad else ''}")
    return lines


def _cold(settings: Settings) -> list[str]:
    try:
        with warehouse.glimpsed(settings, sync.stage_folder(settings) / "spill") as found:
            if found is None:
                return [f"Warehouse  there is none at {settings.duckdb_path} yet: vend sync"]
            last = found.previous()
    except VendError as error:
        return [f"Warehouse  {error}"]
    place = settings.duckdb_path if settings.warehouse == "duckdb" else settings.warehouse
    lines = [f"Warehouse  {place}", *_built(settings)]
    for name, entry in sorted(last.items()):
        lines.append(f"RAW        {name:<28}{_at(entry.started_at)}{entry.raw_rows or 0:>14,} rows  ({entry.mode})")
    return lines if last else [*lines, "RAW        nothing loaded yet: vend sync"]


def _built(settings: Settings) -> list[str]:
    """When `vend build cold` last ran, and as of when: of all, and of a part since. Not dbt by hand."""
    found: dict[str, dict[str, Any]] = {}
    for name in (dbt.WHOLE, "run_results.json"):
        with suppress(OSError, ValueError):
            results = json.loads((dbt.target_path(settings, "cold") / name).read_text())
            found.setdefault(results["metadata"]["invocation_id"], results)
    lines: list[str] = []
    for results in found.values():
        what = "a part of it ran" if lines else "vend build cold ran"
        at = f"{results['metadata']['generated_at'][:19].replace('T', ' ')} UTC"
        as_of = results["args"].get("vars", {}).get("as_of") or results["metadata"]["env"].get(dbt.AS_OF_NOTED)
        lines.append(f"Cold       {what} {at}{f' as of {as_of} UTC' if as_of else ''}")
    return lines or ["Cold       not built yet: vend build cold"]


def _at(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "never"

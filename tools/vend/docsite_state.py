"""What the catalog says of freshness: when each relation was last brought up to date, and how the last run went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vend import evaluate, figures, ops, postgres, server
from vend.settings import Settings

REFRESHED = "select relation, last_success_at at time zone 'UTC' from hot.freshness"
CLOCK = "select max(as_of) from hot.setting"
EVER = "select to_regclass('hot.freshness') is not null"


@dataclass(frozen=True)
class State:
    """What is known. loaded: RAW's tables; built: dbt's nodes by unique id, with as_of; refreshed: hot views.

    Times are naive UTC. missing: in sentences, what could not be looked at because it is not there yet.
    """

    loaded: Mapping[str, datetime | None] = field(default_factory=dict)
    built: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    refreshed: Mapping[str, datetime | None] = field(default_factory=dict)
    clock: datetime | None = None
    run: Mapping[str, Any] | None = None
    build: Mapping[str, Any] | None = None
    missing: tuple[str, ...] = ()


def read(settings: Settings) -> State:
    """Raises VendError where something is there and cannot be read."""
    hot, cold = _hot(settings), _cold(settings)
    return State(**{**hot, **cold, "missing": (*hot["missing"], *cold["missing"])})


def _hot(settings: Settings) -> dict[str, Any]:
    dsn = server.address(settings, settings.postgres_dsn)
    if dsn is None:
        return {"missing": ["The embedded Postgres is stopped (`vend up` starts it)."]}
    with postgres.explained("The hot side cannot be read", dsn), postgres.connect(dsn, autocommit=True) as connection:
        if connection.execute(EVER).fetchone() != (True,):
            return {"missing": ["The hot side is not built yet (`vend build hot`)."]}
        (clock,) = connection.execute(CLOCK).fetchone() or (None,)
        return {"refreshed": dict(connection.execute(REFRESHED).fetchall()), "clock": clock, "missing": []}


def _cold(settings: Settings) -> dict[str, Any]:
    if settings.warehouse == "duckdb" and not settings.duckdb_path.exists():
        return {"missing": ["There is no warehouse yet (`vend sync`, then `vend build cold`)."]}
    with figures.opened(settings) as ask:

        def rows(name: str, *tables: str) -> list[tuple[Any, ...]]:
            if not all(ask(evaluate.TABLE, [table]) for table in tables):
                return []
            return ask(ops.statement(name))

        found: dict[str, Any] = {"missing": []}
        if ask(evaluate.TABLE, ["raw.payments"]):
            found["loaded"] = evaluate.raw_loaded(settings, ask)
        built = rows("last_built", "ops.dbt_nodes", "ops.dbt_runs")
        found["built"] = {node: (_naive(at), as_of) for node, at, as_of in built}
        for name, names, table in (
            ("build", ("at", "status", "as_of", "passed", "warned", "failed"), "ops.dbt_runs"),
            ("run", ("at", "status", "step", "as_of", "compared", "differing", "alerts"), "ops.runs"),
        ):
            for row in rows(f"last_{name}", table):
                found[name] = dict(zip(names, row, strict=True))
    if not found["built"]:
        found["missing"] = ["The cold side is not built yet (`vend build cold`)."]
    return found


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at

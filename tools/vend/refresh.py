"""Refreshes the hot views through the database's own procedure."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import errors

from vend import postgres
from vend.errors import VendError


@dataclass(frozen=True)
class Refreshed:
    """One materialized view of schema hot. seconds: how long its refresh took."""

    relation: str
    status: str
    rows: int | None
    seconds: float
    error: str | None


def refresh(dsn: str) -> list[Refreshed]:
    """Call hot.refresh() and read what it logged. Raises VendError if another refresh runs or none is there."""
    with postgres.connect(dsn, autocommit=True) as connection:
        started = connection.execute("select clock_timestamp()").fetchone()
        assert started is not None
        try:
            connection.execute("call hot.refresh()")
        except errors.LockNotAvailable:
            raise VendError(
                "Another refresh of the hot views is running. It will bring them up to date; wait for it."
            ) from None
        except (errors.UndefinedFunction, errors.InvalidSchemaName):
            raise VendError("There are no hot views yet. Build them with `vend build hot`.") from None
        except psycopg.Error as error:
            raise VendError(f"The refresh failed: {postgres.reason(error)}") from None
        rows = connection.execute(
            "select relation, status, rows, extract(epoch from finished_at - started_at), error"
            " from hot.refresh_log where started_at >= %s order by started_at",
            started,
        ).fetchall()
    return [Refreshed(name, status, n, float(seconds), error) for name, status, n, seconds, error in rows]

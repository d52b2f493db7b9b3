"""Connections to Postgres, and what their failures mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo, errors

from vend.errors import UsageError, VendError

OLDEST_SERVER = 130000
CONNECT_SECONDS = 10

Connection = psycopg.Connection[tuple[Any, ...]]


def parse(dsn: str, variable: str) -> dict[str, Any]:
    """The parts of a DSN (URL or key=value). `variable` is the name of its source, for the message.

    Raises UsageError without repeating the DSN, which may hold a password.
    """
    try:
        parts = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        parts = {}
    if "://" in dsn and (
        any("@" in str(parts.get(name) or "") for name in ("host", "dbname"))
        or not str(parts.get("port") or "0").replace(",", "").isdigit()
    ):
        # libpq takes part of the password for the address, and an error would show it
        raise UsageError(
            f"{variable} holds a character that must be percent-encoded in its password: @ as %40, / as %2F, : as %3A."
        )
    if not parts:
        raise UsageError(
            f"{variable} is not a Postgres address. "
            "Write it as postgresql://user@host:5432/database or as host=… dbname=… user=…."
        )
    return parts


def where(dsn: str) -> str:
    """The address without its password, for people."""
    parts = conninfo.conninfo_to_dict(dsn)
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    return f"{parts.get('dbname') or parts.get('user') or 'postgres'} at {host}:{parts.get('port') or 5432}"


def redacted(dsn: str) -> str:
    """The DSN with its password left out, still usable where a password file or none is needed."""
    parts = conninfo.conninfo_to_dict(dsn)
    public = {k: v for k, v in parts.items() if k not in ("password", "sslpassword")}
    return dsn if public == parts else conninfo.make_conninfo("", **public)


def connect(dsn: str, variable: str = "VEND_POSTGRES_DSN", *, autocommit: bool = False) -> Connection:
    """Open a connection in UTC. Raises VendError, in a sentence, if the server is away or too old."""
    parts = parse(dsn, variable)
    parts.setdefault("connect_timeout", str(CONNECT_SECONDS))
    parts.setdefault("application_name", "vend")
    try:
        connection = psycopg.connect(conninfo.make_conninfo("", **parts), autocommit=True)
    except psycopg.OperationalError as error:
        raise VendError(
            f"Postgres does not answer for {where(dsn)}: {reason(error, parts.get('password'))} "
            f"Check {variable}, that the server runs, and that the user may log in."
        ) from None
    except psycopg.Error as error:
        raise UsageError(f"{variable} cannot be used: {reason(error, parts.get('password'))} Mend it there.") from None
    if connection.info.server_version < OLDEST_SERVER:
        version = connection.info.server_version // 10000
        connection.close()
        raise VendError(
            f"Postgres {version} at {where(dsn)} is too old: version 13 or later is needed, "
            "for sync relies on pg_current_snapshot(). Upgrade the server or point at a newer replica."
        )
    with explained("Postgres cannot be used", dsn):
        connection.execute("set timezone to 'UTC'")
        connection.execute("set datestyle to 'ISO, YMD'")
    connection.autocommit = autocommit
    return connection


def reason(error: BaseException, secret: object = None) -> str:
    """What the server or libpq says, in one sentence, with the secret struck out."""
    # The server's own message, without the lines on context, which may show rows.
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    lines = [line.strip() for line in (told or str(error)).splitlines() if line.strip()]
    # libpq adds a question of its own to a refused connection
    telling = [line for line in lines if not line.startswith("Is the server running")]
    text = telling[-1] if telling else type(error).__name__
    text = text.rpartition(" failed: ")[2].removeprefix("FATAL: ").removeprefix("DETAIL: ").strip()
    if secret:
        text = text.replace(str(secret), "***")
    return text if text.endswith((".", "!", "?")) else text + "."


@contextmanager
def explained(what: str, dsn: str) -> Iterator[None]:
    """Turn a Postgres error in the block into a VendError that begins with `what`."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise VendError(f"{what}: {reason(error)} Grant it to the user in the DSN ({where(dsn)}).") from None
    except (errors.DiskFull, errors.OutOfMemory) as error:
        raise VendError(f"{what}: the server is out of room ({reason(error)}) Free some and rerun.") from None
    except errors.UndefinedTable as error:
        if re.search(r'"(hot|reporting)\.', reason(error)):
            raise VendError(
                f"{what}: {reason(error)} Build the hot side in {where(dsn)} with `vend build hot`."
            ) from None
        raise VendError(
            f"{what}: {reason(error)} {where(dsn)} lacks Vend's schema; "
            "check the DSN, or create it with `vend source init`."
        ) from None
    except psycopg.OperationalError as error:
        raise VendError(
            f"{what}: the connection to {where(dsn)} broke ({reason(error)}) Rerun when it is back."
        ) from None
    except psycopg.Error as error:
        raise VendError(f"{what}: {reason(error)}") from None

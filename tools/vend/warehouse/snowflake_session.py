"""A connection to Snowflake: the statements it sends, all of them files in snowflake_sql/, and what its errors mean."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vend import ops
from vend.errors import UsageError, VendError
from vend.settings import Settings

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.errors import Error

LOGIN_SECONDS = 60
# Snowflake's own default is twelve hours.
LOCK_SECONDS = 240
# The connector takes one figure for two things: how long it repeats a request that nobody answers, and how long a
# statement may run before it cancels it. So those that move or count rows get more than the others.
QUICK_SECONDS = 300
SLOW_SECONDS = 3600
SLOW = {"arriving", "check_rows", "checksum", "copy", "digests", "gone", "live", "merge", "put", "rows", "vanished"}

_SQL = Path(__file__).parent / "snowflake_sql"


def session_parameters() -> dict[str, Any]:
    """What every session is set to, whatever the user's or the account's defaults are."""
    return {
        "QUERY_TAG": "vend_sync",
        "TIMEZONE": "UTC",
        "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
        "AUTOCOMMIT": True,
        "TRANSACTION_ABORT_ON_ERROR": True,
        "ERROR_ON_NONDETERMINISTIC_MERGE": True,
        "ABORT_DETACHED_QUERY": True,
        "LOCK_TIMEOUT": LOCK_SECONDS,
        "STATEMENT_TIMEOUT_IN_SECONDS": SLOW_SECONDS,
    }


def arguments(settings: Settings) -> dict[str, Any]:
    """What to connect with. Raises UsageError naming the variables that are missing."""
    given = settings.snowflake
    missing = [name for name in ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER") if name not in given]
    if "SNOWFLAKE_PRIVATE_KEY_FILE" not in given and "SNOWFLAKE_PASSWORD" not in given:
        missing.append("SNOWFLAKE_PRIVATE_KEY_FILE")
    if missing:
        raise UsageError(f"VEND_WAREHOUSE=snowflake needs {', '.join(missing)} as well. Set them and rerun.")
    values: dict[str, Any] = {
        "account": given["SNOWFLAKE_ACCOUNT"],
        "user": given["SNOWFLAKE_USER"],
        "database": given.get("SNOWFLAKE_DATABASE", "VEND_ANALYTICS"),
        "application": "vend",
        "paramstyle": "qmark",
        "login_timeout": LOGIN_SECONDS,
        "network_timeout": SLOW_SECONDS,
        # Hours may pass between two statements while a large table is read from the source.
        "client_session_keep_alive": True,
        "session_parameters": session_parameters(),
    }
    for name in ("role", "warehouse", "host", "protocol"):
        if value := given.get(f"SNOWFLAKE_{name.upper()}"):
            values[name] = value
    if port := given.get("SNOWFLAKE_PORT"):
        if not port.isdecimal():
            raise UsageError(f"SNOWFLAKE_PORT is {port!r}; it must be a number.")
        values["port"] = int(port)
    if key := given.get("SNOWFLAKE_PRIVATE_KEY_FILE"):
        values |= {"authenticator": "SNOWFLAKE_JWT", "private_key_file": key}
        if passphrase := given.get("SNOWFLAKE_PRIVATE_KEY_FILE_PWD"):
            values["private_key_file_pwd"] = passphrase
    else:
        values["password"] = given["SNOWFLAKE_PASSWORD"]
    return values


def statement(name: str, /, **identifiers: object) -> str:
    """The statement of snowflake_sql/`name`.sql. identifiers: what goes into its {braces}; never a value."""
    return _template(name).format(**identifiers)


@cache
def _template(name: str) -> str:
    lines = (_SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).strip()


class Session:
    """One connection, made anew where it is lost."""

    def __init__(self, settings: Settings) -> None:
        self._arguments = arguments(settings)
        self._connection: SnowflakeConnection | None = None

    @property
    def database(self) -> str:
        return str(self._arguments["database"])

    def connect(self) -> None:
        """Connect, again if need be. Raises VendError, in a sentence."""
        import snowflake.connector

        self.close()
        logging.getLogger("snowflake").addHandler(logging.NullHandler())  # else its tracebacks go to stderr
        try:
            self._connection = snowflake.connector.connect(**self._arguments)
            self._connection.errorhandler = _handled
        except snowflake.connector.errors.Error as error:
            raise VendError(self._refused(error)) from None
        except (OSError, ValueError, TypeError) as error:  # from reading the key
            key = self._arguments.get("private_key_file")
            reason = error.strerror if isinstance(error, OSError) else "wrong passphrase, or no PKCS#8 key"
            raise VendError(
                f"The private key {key} cannot be read ({reason}). "
                "Mend SNOWFLAKE_PRIVATE_KEY_FILE or SNOWFLAKE_PRIVATE_KEY_FILE_PWD."
            ) from None

    def close(self) -> None:
        from snowflake.connector.errors import Error

        if self._connection is not None:
            with suppress(Error, OSError):
                self._connection.close(retry=False)
            self._connection = None

    def run(
        self, statement: str, values: Mapping[str, Any] | None = None, /, **identifiers: object
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement of snowflake_sql/. values: what is bound to its :names.

        Raises the connector's errors; `explained` turns them into sentences.
        """
        return list(self._execute(statement, values, identifiers).fetchall())

    def named(self, name: str) -> list[dict[str, Any]]:
        """The rows of a SHOW statement by column name."""
        cursor = self._execute(name, None, {})
        names = [column.name.lower() for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _execute(self, name: str, values: Mapping[str, Any] | None, identifiers: Mapping[str, object]) -> Any:
        text = statement(name, **identifiers)
        bound: list[Any] = []
        if values is not None:
            text, bound = ops.bound(text, values)
        return self._sent(text, bound, SLOW_SECONDS if name in SLOW else QUICK_SECONDS)

    def text(self, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement of another place. values: for its question marks."""
        return self.table(statement, values)[1]

    def table(self, statement: str, values: list[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of the columns, lower case, and the rows of a statement of another place."""
        cursor = self._sent(statement, values, QUICK_SECONDS)
        return [column.name.lower() for column in cursor.description or ()], list(cursor.fetchall())

    def _sent(self, text: str, values: list[Any], seconds: int) -> Any:
        if self._connection is None:
            self.connect()
        assert self._connection is not None
        return self._connection.cursor().execute(text, values or None, timeout=seconds)

    def _refused(self, error: Exception) -> str:
        user, account = self._arguments["user"], self._arguments["account"]
        reason = _reason(error, *(self._arguments.get(name) for name in ("password", "private_key_file_pwd")))
        if re.search("JWT|password|user(name)? |not granted|locked|disabled", reason, re.IGNORECASE):
            return f"Snowflake refuses {user} at {account}: {reason}. Mend the SNOWFLAKE_* variables or the user."
        return f"Snowflake cannot be reached at {account} ({reason}). Check SNOWFLAKE_ACCOUNT and the network."


def _handled(connection: Any, cursor: Any, kind: type[Error], value: dict[str, Any]) -> None:
    """Raise the error, but not in the timer's thread that cancels a statement: there, nobody could catch it."""
    if not isinstance(threading.current_thread(), threading.Timer):
        kind.default_errorhandler(connection, cursor, kind, value)


@contextmanager
def explained(session: Session) -> Iterator[None]:
    """Turn an error of the connector in the block into a VendError."""
    from snowflake.connector.errors import Error

    try:
        yield
    except Error as error:
        raise VendError(sentence(error, session)) from None


def sentence(error: Exception, session: Session) -> str:
    """What an error of the connector means, and what to do."""
    number, reason = getattr(error, "errno", None), _reason(error)
    if number in (90105, 2043) and "database" in reason.lower():
        return f"Snowflake has no database {session.database} that this role may use. Create it or grant its usage."
    if number == 606 or "No active warehouse" in reason:
        return "No warehouse runs the statements. Set SNOWFLAKE_WAREHOUSE to one that this role may use."
    if number == 3001 or "nsufficient privileges" in reason:
        return f"Snowflake does not let this role do that: {reason}. Grant it, or set SNOWFLAKE_ROLE, and rerun."
    if number == 625 or "has locked table" in reason:
        return f"A lock was not released within {LOCK_SECONDS} s: {reason}. RAW is as it was; rerun later."
    return f"Snowflake failed: {reason}."


def _reason(error: Exception, *secrets: str | None) -> str:
    """The connector's words in one line, without numbers and ids before them, and with the secrets struck out."""
    told = str(getattr(error, "raw_msg", None) or getattr(error, "msg", None) or error)
    for secret in filter(None, secrets):
        told = told.replace(secret, "***")
    text = " ".join(told.split())
    text = re.sub(r"^(\d+ \(\w+\): )?([0-9a-f-]{36}: )?(None: )?", "", text)
    return text[:400].rstrip(".")

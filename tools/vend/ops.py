"""What runs leave in schema OPS of the warehouse, beside the sync's ledger. One text of SQL for both engines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from vend.settings import Settings

Run = Callable[..., list[tuple[Any, ...]]]
"""Called with the name of a statement in ops_sql/ and the values of its :names; gives its rows."""

_SQL = Path(__file__).parent / "ops_sql"


@contextmanager
def opened(settings: Settings) -> Iterator[Run]:
    """OPS for writing. Raises VendError, in a sentence, where the warehouse cannot be written."""
    if settings.warehouse == "snowflake":
        from vend.warehouse.snowflake_session import Session, explained

        session = Session(settings)
        try:
            with explained(session):
                if "ops" not in {name for (name,) in session.run("schemas")}:
                    session.run("create_schema", schema="ops")
                yield lambda name, **values: session.text(*bound(statement(name), values))
        finally:
            session.close()
        return
    from vend.warehouse import duckdb

    with duckdb.plain(settings.duckdb_path) as connection:
        connection.execute("create schema if not exists ops")
        yield lambda name, **values: connection.execute(*bound(statement(name), values)).fetchall()


@cache
def statement(name: str) -> str:
    lines = (_SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).strip()


NAME = re.compile(r"(?<!:):([a-z_]+)")


def bound(text: str, values: Mapping[str, Any], sign: str = "?") -> tuple[str, list[Any]]:
    """The statement with the sign for each :name, and the values in that order."""
    found: list[Any] = []

    def mark(match: re.Match[str]) -> str:
        found.append(values[match[1]])
        return sign

    return NAME.sub(mark, text), found

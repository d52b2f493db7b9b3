"""Reads what the cold side has built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vend.errors import VendError
from vend.settings import Settings

Ask = Callable[..., list[tuple[Any, ...]]]
"""Called with a query and the values for its question marks; gives its rows, or raises VendError."""

Answer = tuple[list[str], list[tuple[Any, ...]]]
Read = Callable[..., Answer]
"""As Ask; gives the names of the columns, lower case, and the rows."""


@contextmanager
def exclusively(settings: Settings) -> Iterator[None]:
    """Keep syncs off while the cold side is built. Raises VendError where there is nothing to build on."""
    if settings.warehouse != "duckdb":
        yield
        return
    from vend.warehouse import duckdb

    _loaded(settings)
    with duckdb.locked(settings.duckdb_path):
        # dbt would say less kindly that somebody has the file open.
        with duckdb.plain(settings.duckdb_path):
            pass
        yield


def query(settings: Settings, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows of a query on the warehouse, read-only on DuckDB. values: for its question marks.

    Raises VendError, in a sentence.
    """
    with opened(settings) as ask:
        return ask(statement, values)


@contextmanager
def opened(settings: Settings) -> Iterator[Ask]:
    """The warehouse for several queries over one connection, each as `query` has it."""
    with connected(settings) as read:
        yield lambda statement, values=(): read(statement, values)[1]


@contextmanager
def connected(settings: Settings) -> Iterator[Read]:
    """As `opened`, with the names of the columns."""
    if settings.warehouse == "snowflake":
        from vend.warehouse import snowflake_session as sessions

        session = sessions.Session(settings)

        def remote(statement: str, values: Sequence[Any] = ()) -> Answer:
            with sessions.explained(session):
                return session.table(statement, list(values))

        try:
            yield remote
        finally:
            session.close()
        return
    import duckdb

    from vend.warehouse.duckdb import explained

    _loaded(settings)
    with explained(settings.duckdb_path):
        connection = duckdb.connect(settings.duckdb_path, read_only=True)

    def local(statement: str, values: Sequence[Any] = ()) -> Answer:
        with explained(settings.duckdb_path):
            found = connection.execute(statement, list(values))
            return [column[0] for column in found.description or ()], found.fetchall()

    with connection:
        yield local


def layers(settings: Settings, schemas: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """(schema, number of relations, rows in them) for each schema; of RAW without those marked as deleted."""
    found = query(
        settings,
        "select table_schema, table_name from information_schema.tables"
        " where table_catalog = current_database() and table_name not like '%__dbt_tmp' order by all",
    )
    result = []
    for schema in schemas:
        names = [name for owner, name in found if owner == schema]
        live = " where _fivetran_deleted is distinct from true" if schema == "raw" else ""
        counts = " union all ".join(f"select count(*) from {schema}.{name}{live}" for name in names)
        rows = sum(n for (n,) in query(settings, counts)) if names else 0
        result.append((schema, len(names), rows))
    return result


def fingerprint(settings: Settings, schemas: tuple[str, ...]) -> str:
    """Another one where any row of any table of the schemas is another; for tables small enough to read."""
    names = query(
        settings,
        f"select schema_name || '.' || table_name from duckdb_tables() where schema_name in {schemas!r} order by all",
    )
    hashes = [query(settings, f"select bit_xor(hash(t)), count(*) from {name} as t")[0] for (name,) in names]
    return f"{names} {hashes}"


def _loaded(settings: Settings) -> None:
    if not settings.duckdb_path.exists():
        raise VendError(f"There is no warehouse at {settings.duckdb_path} yet. Load it with `vend sync`.")

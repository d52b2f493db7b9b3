"""The operational schema: making it, and telling whether what is there already is the same."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from vend import postgres
from vend.errors import VendError

TABLES = (
    "users",
    "garages",
    "passes",
    "subscriptions",
    "payments",
    "pass_price_history",
    "garage_admins",
    "parked",
    "garage_daily_occupancy",
)

PLAIN_OR_PARTITIONED = ("r", "p")


class Column(NamedTuple):
    type: str
    required: bool
    kind: str


Shape = dict[str, dict[str, Column]]


@cache
def sql(name: str) -> str:
    """The text of a .sql file beside this module."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def init(dsn: str) -> list[str]:
    """Create what is missing of the operational schema in `public`; the names of the tables created.

    Raises VendError, having changed nothing, where a table of one of the names has another shape.
    """
    with (
        postgres.explained("The operational schema was not created", dsn),
        postgres.connect(dsn) as connection,
    ):
        found = _shape(connection, "public")
        wanted = _wanted(connection)
        _refuse_other_enums(connection, wanted)
        _refuse_other_shapes(wanted, found)
        created = [table for table in TABLES if table not in found]
        if created:
            connection.execute("set local search_path to public")
            connection.execute(sql("schema.sql").encode())
    return created


def require(connection: postgres.Connection, dsn: str) -> None:
    """Raise VendError unless the whole operational schema is there."""
    found = _shape(connection, "public")
    missing = [table for table in TABLES if table not in found]
    if missing:
        raise VendError(
            f"{postgres.where(dsn)} lacks of Vend's tables: {', '.join(missing)}. "
            "Create the schema with `vend source init`."
        )


def _wanted(connection: postgres.Connection) -> Shape:
    """The shape schema.sql gives, learnt by running it among temporary tables and rolling back."""
    connection.execute("savepoint wanted")
    connection.execute("set local search_path to pg_temp")
    connection.execute(sql("schema.sql").encode())
    shape = _shape(connection, "pg_temp")
    connection.execute("rollback to savepoint wanted")
    return shape


def _shape(connection: postgres.Connection, schema: str) -> Shape:
    shape: Shape = {}
    rows = connection.execute(sql("shape.sql").encode(), {"schema": schema, "tables": list(TABLES)})
    for table, column, type_, required, kind in rows:
        shape.setdefault(table, {})[column] = Column(type_, required, kind)
    return shape


def _refuse_other_enums(connection: postgres.Connection, wanted: Shape) -> None:
    labelled = {column.type for columns in wanted.values() for column in columns.values()}
    for name, found in connection.execute(sql("enums.sql").encode()):
        if any(enum.startswith(f"{name}(") and enum != found for enum in labelled):
            raise VendError(
                f"The type public.{name} exists already as {found}; nothing was changed. "
                "Point at another database, or rename or drop that type first."
            )


def _refuse_other_shapes(wanted: Shape, found: Shape) -> None:
    """One column more is the application's business; one missing or of another type is another table."""
    for table, columns in found.items():
        if next(iter(columns.values())).kind not in PLAIN_OR_PARTITIONED:
            raise _other_shape(table, "is not a table")
        for name, column in wanted[table].items():
            if name not in columns:
                raise _other_shape(table, f"has no column {name}")
            if columns[name].type != column.type:
                raise _other_shape(table, f"has {name} as {columns[name].type}, not {column.type}")


def _other_shape(table: str, how: str) -> VendError:
    return VendError(
        f"public.{table} exists already but {how}; nothing was changed. "
        "Point at another database, or rename or drop that table first."
    )

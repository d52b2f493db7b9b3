"""Rows made by dice for any of the nine tables, and the statements that write them."""

from __future__ import annotations

import json
import random
import re
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from faults.checker import COLUMNS, TABLES

AWKWARD = ("", " ", "NULL", "\\N", "\\.", 'a"b""c', "a,b", "line\nfeed\r\nend", "🅿️ żółć", "'", "\t\\", '"', "plain")
LABELS = {
    "user_role": ("user", "garage_admin", "super_admin"),
    "subscription_status": ("incomplete", "trialing", "active", "past_due", "canceled", "unpaid", "paused"),
    "payment_status": ("pending", "processing", "succeeded", "failed", "canceled", "refunded"),
}
EPOCH = datetime(2024, 2, 29, 23, 59, 59, 999_999)

WRITABLE = COLUMNS.replace("order by", "and a.attgenerated = '' order by")

Connection = psycopg.Connection[Any]
Row = dict[str, Any]

LOOSEN = """
do $$
declare
    found record;
begin
    for found in
        select conrelid::regclass as relation, conname
        from pg_constraint
        where connamespace = 'public'::regnamespace and contype in ('f', 'u', 'c')
        order by contype
    loop
        execute format('alter table %s drop constraint %I', found.relation, found.conname);
    end loop;
end
$$
"""


def loosen(connection: Connection) -> None:
    """Leave only the primary keys, so that any row may come and go in any order."""
    connection.execute(LOOSEN)


def key(number: int) -> str:
    return str(uuid.UUID(int=number))


class Maker:
    """Rows for the tables as the source has them at the moment. The same seed gives the same rows."""

    def __init__(self, connection: Connection, seed: int = 0) -> None:
        self.dice = random.Random(seed)
        self.columns = {table: connection.execute(WRITABLE, [table]).fetchall() for table in TABLES}
        self.required = {
            (table, column)
            for table, column in connection.execute(
                "select table_name, column_name from information_schema.columns"
                " where table_schema = 'public' and is_nullable = 'NO'"
            )
        }

    def row(self, table: str, number: int) -> Row:
        """A row whose key is key(number)."""
        values: Row = {}
        for name, kind in self.columns[table]:
            empty = (table, name) not in self.required and self.dice.random() < 0.2
            values[name] = None if empty else self._value(kind)
        return values | {"id": key(number)}

    def _value(self, kind: str) -> Any:
        dice = self.dice
        if kind in LABELS:
            return dice.choice(LABELS[kind])
        if size := re.fullmatch(r"numeric\((\d+),(\d+)\)", kind):
            return Decimal(dice.randrange(-(10 ** int(size[1])) + 1, 10 ** int(size[1]))).scaleb(-int(size[2]))
        if kind.startswith("timestamp"):
            return EPOCH + timedelta(microseconds=dice.randrange(-(10**15), 10**15))
        if kind == "jsonb":
            return json.dumps([dice.randrange(99), None, {"a": dice.choice(AWKWARD)}])
        if kind.startswith(("character varying", "text")):
            return dice.choice(AWKWARD)[:3]
        if kind == "uuid":
            return key(dice.randrange(1 << 64))
        if kind == "boolean":
            return dice.random() < 0.5
        if kind == "date":
            return EPOCH.date() + timedelta(days=dice.randrange(-9999, 9999))
        half = 1 << {"smallint": 15, "integer": 31, "bigint": 63}[kind]
        return dice.randrange(-half, half)


def insert(connection: Connection, table: str, row: Row) -> None:
    """Nothing happens where the key is there already."""
    statement = sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )
    connection.execute(statement, list(row.values()))


def update(connection: Connection, table: str, row: Row) -> None:
    """Set the given columns; nothing happens where the key is not there."""
    values = {name: value for name, value in row.items() if name != "id"}
    statement = sql.SQL("update {} set {} where id = %s").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values),
    )
    connection.execute(statement, [*values.values(), row["id"]])


def delete(connection: Connection, table: str, number: int) -> None:
    connection.execute(sql.SQL("delete from {} where id = %s").format(sql.Identifier(table)), [key(number)])


def fill(connection: Connection, maker: Maker, numbers: range) -> None:
    """A row for each number in each of the nine tables, in one transaction."""
    with connection.transaction():
        for table in TABLES:
            for number in numbers:
                insert(connection, table, maker.row(table, number))


def disturb(connection: Connection, maker: Maker, numbers: range, fresh: int) -> None:
    """In each table: some rows changed, some gone, some back, some new, beginning with the number `fresh`."""
    dice = maker.dice
    for table in TABLES:
        with connection.transaction():
            for number in numbers:
                match dice.randrange(20):
                    case 0 | 1 | 2:
                        update(connection, table, maker.row(table, number))
                    case 3:
                        delete(connection, table, number)
                    case 4:
                        insert(connection, table, maker.row(table, number))
            for number in range(fresh, fresh + dice.randrange(5)):
                insert(connection, table, maker.row(table, number))

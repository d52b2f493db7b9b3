"""What each person may read, worked out from the source's rows, against what `vend.reader` gives them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb
import psycopg
import pytest
from psycopg.rows import dict_row

from vend import catalog, reader, report
from vend.reader import DeniedError, Table
from vend.settings import Settings

Row = dict[str, Any]
Source = dict[str, list[Row]]


def source_of(dsn: str) -> Source:
    """Ids as text, roles too."""
    queries = {
        "users": "select id::text, role::text from users order by id",
        "garages": "select id::text, name from garages order by id",
        "garage_admins": "select user_id::text, garage_id::text from garage_admins order by user_id, garage_id",
    }
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        return {table: connection.execute(query.encode()).fetchall() for table, query in queries.items()}


def people(source: Source) -> list[Row]:
    """A super admin, some garage admins whatever their role, and somebody who is neither."""
    admins = {row["user_id"] for row in source["garage_admins"]}
    leads = [row for row in source["users"] if row["role"] == "super_admin"][:1]
    plain = [row for row in source["users"] if row["role"] == "user" and row["id"] not in admins][:1]
    return [*leads, *(row for row in source["users"] if row["id"] in admins and row not in leads)][:4] + plain


def assert_each_sees_their_own(settings: Settings, dsn: str) -> None:
    source = source_of(dsn)
    reports = catalog.reports(settings)
    whole = {name: everything(settings, dsn, found) for name, found in reports.items()}
    garages = {row["id"] for row in source["garages"]}
    shown = 0
    for person in people(source):
        own = {row["garage_id"] for row in source["garage_admins"] if row["user_id"] == person["id"]}
        leads = person["role"] == "super_admin"
        own = garages if leads else own
        for found in reports.values():
            if not own or (not found.has_garage and not leads):
                with pytest.raises(DeniedError, match="Access denied"):
                    report.read(settings, found, dsn=dsn, user=person["id"])
                continue
            all_rows = whole[found.name]
            place = all_rows.columns.index("garage_id") if found.has_garage else 0
            expected = Counter(row for row in all_rows.rows if leads or row[place] in own)
            seen = report.read(settings, found, dsn=dsn, user=person["id"]).table
            assert (seen.columns, Counter(seen.rows)) == (all_rows.columns, expected), found.name
            shown += 0 < len(seen.rows) < len(all_rows.rows)
    assert shown > 20


def everything(settings: Settings, dsn: str, found: catalog.Report) -> Table:
    """All rows, past reader; of the operator's own reading the same is asked."""
    if found.side == catalog.HOT:
        with psycopg.connect(dsn) as connection:
            cursor = connection.execute(f"select * from hot.{found.name}".encode())
            columns = [column.name for column in cursor.description or ()]
            names = [name for name in columns if name != "always_null"]  # which hot_view adds, and nobody reads
            rows = [
                tuple(str(row[name]) if name.endswith("_id") else row[name] for name in names)
                for row in (dict(zip(columns, each, strict=True)) for each in cursor.fetchall())
            ]
    else:
        with duckdb.connect(settings.duckdb_path, read_only=True) as warehouse:
            result = warehouse.execute(f"from reports.{found.name.replace('vw_', 'rpt_')}")
            names, rows = [column[0] for column in result.description], result.fetchall()
    whole = Table(names, rows)
    seen = report.read(settings, found, dsn=dsn).table
    assert (seen.columns, Counter(seen.rows)) == (names, Counter(rows)), found.name
    return whole


def assert_nobody_learns_of_others(settings: Settings, dsn: str) -> None:
    """A garage of somebody else and one that does not exist are denied in the same words."""
    source = source_of(dsn)
    person = next(row for row in people(source) if row["role"] == "garage_admin")
    own = {row["garage_id"] for row in source["garage_admins"] if row["user_id"] == person["id"]}
    other = next(row for row in source["garages"] if row["id"] not in own)
    names = {row["name"] for row in source["garages"] if row["id"] in own}
    user = person["id"]
    for opening in (reader.cold(settings, user), reader.hot(dsn, user)):
        with opening as seen:
            assert {garage.id for garage in seen.garages} == own
            assert {garage.name for garage in seen.garages} == names
            said = set()
            for wanted in (other["id"], other["name"], "00000000-0000-0000-0000-000000000000", "no such garage"):
                with pytest.raises(DeniedError) as error:
                    seen.garage(wanted)
                said.add(str(error.value).replace(wanted, "…"))
            assert len(said) == 1
    for opening in (reader.cold(settings, "nobody@nowhere"), reader.hot(dsn, "nobody@nowhere")):
        with pytest.raises(DeniedError, match="there is no user 'nobody@nowhere'"), opening:
            pass

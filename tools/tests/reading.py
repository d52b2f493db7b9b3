"""What each person may read, worked out from the source's rows, against what `vend.reader` gives them."""

from __future__ import annotations

from typing import Any

import duckdb
import psycopg
import pytest
from recompute import Row, Source

from vend import catalog, reader, report
from vend.reader import DeniedError, Table
from vend.settings import Settings


def people(source: Source) -> list[Row]:
    """A super admin, every garage admin whatever their role, and somebody who is neither."""
    admins = {row["user_id"] for row in source["garage_admins"]}
    leads = [row for row in source["users"] if row["role"] == "super_admin"][:1]
    plain = [row for row in source["users"] if row["role"] == "user" and row["id"] not in admins][:1]
    return [*leads, *(row for row in source["users"] if row["id"] in admins and row not in leads)][:8] + plain


def sorted_rows(table: Table) -> list[list[tuple[str, Any]]]:
    return sorted((list(row.items()) for row in table.dicts()), key=str)


def assert_each_sees_their_own(settings: Settings, dsn: str, source: Source) -> None:
    reports = catalog.reports(settings)
    whole = {name: everything(settings, dsn, found) for name, found in reports.items()}
    garages = {str(row["id"]) for row in source["garages"]}
    shown = 0
    for person in people(source):
        own = {str(row["garage_id"]) for row in source["garage_admins"] if row["user_id"] == person["id"]}
        leads = person["role"] == "super_admin"
        own = garages if leads else own
        for found in reports.values():
            if not own or (not found.has_garage and not leads):
                with pytest.raises(DeniedError, match="Access denied"):
                    report.read(settings, found, dsn=dsn, user=str(person["id"]))
                continue
            expected = [row for row in whole[found.name].dicts() if leads or row["garage_id"] in own]
            seen = report.read(settings, found, dsn=dsn, user=str(person["id"])).table
            assert sorted_rows(seen) == sorted((list(row.items()) for row in expected), key=str), found.name
            shown += 0 < len(expected) < len(whole[found.name].rows)
    assert shown > 20


def everything(settings: Settings, dsn: str, found: catalog.Report) -> Table:
    """All rows, past reader; of the operator's own reading the same is asked."""
    if found.side == catalog.HOT:
        with psycopg.connect(dsn) as connection:
            cursor = connection.execute(f"select * from hot.{found.name}".encode())
            names = [column.name for column in cursor.description or ()]
            rows = [
                tuple(str(value) if name.endswith("_id") else value for name, value in zip(names, row, strict=True))
                for row in cursor.fetchall()
            ]
    else:
        with duckdb.connect(settings.duckdb_path, read_only=True) as warehouse:
            result = warehouse.execute(f"from reports.{found.name.replace('vw_', 'rpt_')}")
            names, rows = [column[0] for column in result.description], result.fetchall()
    whole = Table(names, rows)
    assert sorted_rows(report.read(settings, found, dsn=dsn).table) == sorted_rows(whole), found.name
    return whole


def assert_nobody_learns_of_others(settings: Settings, dsn: str, source: Source) -> None:
    """A garage of somebody else and one that does not exist are denied in the same words."""
    person = next(row for row in people(source) if row["role"] == "garage_admin")
    own = {row["garage_id"] for row in source["garage_admins"] if row["user_id"] == person["id"]}
    other = next(row for row in source["garages"] if row["id"] not in own)
    names = {row["name"] for row in source["garages"] if row["id"] in own}
    user = str(person["id"])
    for opening in (reader.cold(settings, user), reader.hot(dsn, user)):
        with opening as seen:
            assert {garage.id for garage in seen.garages} == {str(garage) for garage in own}
            assert {garage.name for garage in seen.garages} == names
            said = set()
            for wanted in (str(other["id"]), other["name"], "00000000-0000-0000-0000-000000000000", "no such garage"):
                with pytest.raises(DeniedError) as error:
                    seen.garage(wanted)
                said.add(str(error.value).replace(wanted, "…"))
            assert len(said) == 1
    for opening in (reader.cold(settings, "nobody@nowhere"), reader.hot(dsn, "nobody@nowhere")):
        with pytest.raises(DeniedError, match="there is no user 'nobody@nowhere'"), opening:
            pass

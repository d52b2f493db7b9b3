"""The source changes its shape: RAW follows, or the table is refused alone, with a sentence, until it is mended."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from faults import checker, rows
from faults.checker import TABLES
from faults.conftest import ALL, Site
from faults.rows import Maker
from vend.sync import sync


@dataclass(frozen=True)
class Drift:
    """What happens to a table. mend: what makes good a change that is refused; empty: RAW follows the change."""

    name: str
    table: str
    change: str
    mend: str = ""


FOLLOWED = [
    Drift("new column", "parked", "alter table parked add lane integer"),
    Drift("new column with a default", "parked", "alter table parked add lane varchar(9) not null default 'A'"),
    Drift(
        "new column filled in without a trace in updated_at",
        "users",
        "alter table users add score numeric(9, 3); update users set score = 0.125",
    ),
    Drift(
        "new column of each type",
        "payments",
        ";".join(
            f"alter table payments add extra{place} {kind}"
            for place, kind in enumerate(
                [
                    "bigint",
                    "smallint",
                    "date",
                    "jsonb",
                    "text",
                    "boolean",
                    "uuid",
                    "timestamp with time zone",
                    "numeric(38,9)",
                ]
            )
        ),
    ),
    Drift(
        "new generated column",
        "garages",
        "alter table garages add doubled bigint generated always as (capacity::bigint * 2) stored",
    ),
    Drift("new column with a name that wants quotes", "parked", 'alter table parked add "order" integer default 1'),
    Drift("integer to bigint", "garages", "alter table garages alter capacity type bigint"),
    Drift("integer to numeric", "garages", "alter table garages alter capacity type numeric(12,2)"),
    Drift("more digits", "payments", "alter table payments alter amount type numeric(14,2)"),
    Drift("more digits after the point", "passes", "alter table passes alter monthly_amount type numeric(14,4)"),
    Drift("longer text", "users", "alter table users alter phone type text"),
    Drift(
        "timestamps with a zone",
        "subscriptions",
        "alter table subscriptions alter canceled_at type timestamptz using canceled_at at time zone 'UTC'",
    ),
    Drift("key from uuid to text", "garage_admins", "alter table garage_admins alter id type text"),
    Drift("new label", "payments", "alter type payment_status add value 'disputed'"),
    Drift("label renamed", "payments", "alter type payment_status rename value 'succeeded' to 'paid'"),
    Drift("may be null", "parked", "alter table parked alter entered_at drop not null"),
    Drift(
        "column dropped and added again",
        "pass_price_history",
        "alter table pass_price_history drop change_reason;"
        "alter table pass_price_history add change_reason text default 'again'",
    ),
    Drift(
        "two columns swap their names",
        "users",
        "alter table users rename first_name to other; alter table users rename last_name to first_name;"
        "alter table users rename other to last_name",
    ),
    Drift(
        "table swapped for a copy",
        "parked",
        "create table copy (like parked including all); insert into copy select * from parked;"
        "update copy set vehicle_plate = 'copied'; drop table parked; alter table copy rename to parked",
    ),
    Drift(
        "table partitioned",
        "parked",
        "alter table parked rename to whole;"
        "create table parked (like whole including defaults) partition by hash (id);"
        "create table parked_0 partition of parked for values with (modulus 2, remainder 0);"
        "create table parked_1 partition of parked for values with (modulus 2, remainder 1);"
        "insert into parked select * from whole",
    ),
]
REFUSED = [
    Drift("column dropped", "users", "alter table users drop phone", "alter table users add phone varchar(50)"),
    Drift(
        "column renamed",
        "payments",
        "alter table payments rename currency to money",
        "alter table payments rename money to currency",
    ),
    Drift(
        "fewer digits",
        "payments",
        "update payments set amount = 1; alter table payments alter amount type numeric(6,2)",
        "alter table payments alter amount type numeric(10,2)",
    ),
    Drift(
        "fewer digits after the point",
        "payments",
        "alter table payments alter net_amount type numeric(10,1)",
        "alter table payments alter net_amount type numeric(10,2)",
    ),
    Drift(
        "number to text",
        "garages",
        "alter table garages alter capacity type text",
        "alter table garages alter capacity type integer using capacity::integer",
    ),
    Drift(
        "text to number",
        "users",
        "alter table users alter phone type bigint using 1",
        "alter table users alter phone type varchar(50)",
    ),
    Drift(
        "timestamp to date",
        "parked",
        "alter table parked alter entered_at type date",
        "alter table parked alter entered_at type timestamp",
    ),
    Drift(
        "a name of the loader's own",
        "passes",
        "alter table passes add _fivetran_synced timestamp",
        "alter table passes drop _fivetran_synced",
    ),
    Drift(
        "two names that differ in case",
        "passes",
        'alter table passes add "Name" text',
        'alter table passes drop "Name"',
    ),
    Drift(
        "a value beyond RAW's range",
        "parked",
        "update parked set exited_at = 'infinity'",
        "update parked set exited_at = null",
    ),
    Drift(
        "a key twice",
        "parked",
        "alter table parked drop constraint parked_pkey; insert into parked select * from parked limit 1",
        "delete from parked where ctid not in (select min(ctid) from parked group by id)",
    ),
    Drift(
        "a key missing",
        "parked",
        "alter table parked drop constraint parked_pkey; alter table parked alter id drop not null;"
        "insert into parked select (jsonb_populate_record(parked, '{\"id\": null}')).* from parked limit 1",
        "delete from parked where id is null",
    ),
]


def write(site: Site, seed: int) -> None:
    """A row changed, one new and one gone in each table, as it is now."""
    maker = Maker(site.connection, seed)
    for table in TABLES:
        rows.update(site.connection, table, maker.row(table, seed))
        rows.insert(site.connection, table, maker.row(table, 100 + seed))
        rows.delete(site.connection, table, 10 + seed)


@pytest.mark.kind("drift that RAW follows")
@pytest.mark.parametrize("drift", FOLLOWED[:: 1 if ALL else 4], ids=lambda drift: drift.name)
def test_followed(each_site: Site, drift: Drift) -> None:
    site = each_site
    rows.fill(site.connection, Maker(site.connection, 11), range(20))
    site.sync_and_check()
    site.connection.execute(drift.change)  # type: ignore[call-overload]
    site.sync_and_check(cases=1)
    write(site, 1)
    site.sync_and_check()
    site.sync_and_check(full_refresh=True)


@pytest.mark.kind("drift that RAW follows")
def test_changes_at_once_with_the_shape(each_site: Site) -> None:
    """Rows come, change and go in the same interval as the column does, and then it goes again."""
    site = each_site
    rows.fill(site.connection, Maker(site.connection, 12), range(20))
    site.sync_and_check()
    for table in TABLES:
        site.connection.execute(f"alter table {table} add note text default 'new'")  # type: ignore[call-overload]
    write(site, 2)
    site.sync_and_check(cases=len(TABLES))
    for table in TABLES:
        site.connection.execute(f"alter table {table} drop note")  # type: ignore[call-overload]
    write(site, 3)
    site.sync_and_check(cases=len(TABLES))


@pytest.mark.kind("drift that is refused, and mended")
@pytest.mark.parametrize("drift", REFUSED[:: 1 if ALL else 4], ids=lambda drift: drift.name)
def test_refused(each_site: Site, drift: Drift) -> None:
    site = each_site
    rows.fill(site.connection, Maker(site.connection, 13), range(20))
    site.sync_and_check()
    kept = checker.raw(site.file, [drift.table])
    others = tuple(table for table in TABLES if table != drift.table)
    site.connection.execute(drift.change)  # type: ignore[call-overload]
    for table in others:
        rows.update(site.connection, table, Maker(site.connection, 14).row(table, 1))
    run = sync(site.settings, site.dsn)
    failed = {table.table: table.error or "" for table in run.tables if table.status == "error"}
    assert list(failed) == [drift.table]
    assert drift.table in failed[drift.table]
    assert "Error" not in failed[drift.table]
    assert failed[drift.table].endswith(".")
    site.check(names=others)
    assert checker.raw(site.file, [drift.table]) == kept
    site.connection.execute(drift.mend)  # type: ignore[call-overload]
    site.sync_and_check(cases=1)
    write(site, 1)
    site.sync_and_check()

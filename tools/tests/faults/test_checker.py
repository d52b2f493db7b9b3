"""The checker notices what it is there for."""

from __future__ import annotations

import duckdb
import pytest

from faults import rows
from faults.checker import TABLES, compare, ledger, raw, settled, source
from faults.conftest import Site
from faults.rows import Maker

pytestmark = pytest.mark.kind("RAW tampered with, to try the checker")

TAMPERINGS = {
    "a value": "update raw.payments set amount = amount + 0.01 where id = '{key}'",
    "a null": "update raw.users set first_name = null where id = '{key}'",
    "a microsecond": "update raw.parked set entered_at = entered_at + interval 1 microsecond where id = '{key}'",
    "a row gone": "delete from raw.garages where id = '{key}'",
    "a row marked": "update raw.garage_admins set _fivetran_deleted = true where id = '{key}'",
    "a row too many": "insert into raw.passes by name from (select * replace ('new' as id) from raw.passes limit 1)",
    "a row twice": "insert into raw.passes select * from raw.passes where id = '{key}'",
    "a type": "alter table raw.subscriptions alter monthly_amount type decimal(12, 2)",
    "a column gone": "alter table raw.pass_price_history drop change_reason",
    "a column too many": "alter table raw.garage_daily_occupancy add note varchar default 'x'",
    "a table gone": "drop table raw.parked",
    "a stamp": "update raw.users set _fivetran_synced = _fivetran_synced + interval 1 second where id = '{key}'",
    "half a ledger row": "update ops.sync_runs set finished_at = null where table_name = 'users'",
    "a ledger row twice": "insert into ops.sync_runs select * from ops.sync_runs where table_name = 'users'",
}


def test_it_notices(site: Site) -> None:
    maker = Maker(site.connection, 9)
    rows.fill(site.connection, maker, range(3))
    for table in TABLES:
        rows.update(site.connection, table, {"id": rows.key(1)} | _no_nulls(maker, table))
    site.sync_and_check()
    untouched = site.file.read_bytes()
    for name, statement in TAMPERINGS.items():
        site.file.write_bytes(untouched)
        with duckdb.connect(site.file) as connection:
            connection.execute(statement.format(key=rows.key(1)))
        result = settled(site.connection, site.file, site.settings.home / "stage")
        assert result.differences, name
    site.file.write_bytes(untouched)
    site.check(cases=len(TAMPERINGS))


def _no_nulls(maker: Maker, table: str) -> rows.Row:
    made: rows.Row = {}
    while len(made) < len(maker.columns[table]):
        made |= {name: value for name, value in maker.row(table, 1).items() if value is not None}
    return made


def test_it_says_where(site: Site) -> None:
    rows.fill(site.connection, Maker(site.connection, 10), range(2))
    site.sync()
    with duckdb.connect(site.file) as connection:
        connection.execute(f"update raw.garages set capacity = 7 where id = '{rows.key(1)}'")
    wanted, found = source(site.connection)["garages"], raw(site.file)["garages"]
    (line,) = compare("garages", wanted, found)
    assert line.startswith(f"garages.capacity of {rows.key(1)} is 7 in RAW, and should be ")
    assert list(ledger(site.file)) == []

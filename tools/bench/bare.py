"""The least one can do: COPY a table as CSV, let DuckDB read it. No key, no state, no second run.

bare.py DSN FILE TABLE
"""

import sys
import tempfile
from pathlib import Path

import duckdb
import psycopg

dsn, target, table = sys.argv[1:]
with tempfile.TemporaryDirectory(dir=Path(target).parent) as folder:
    path = Path(folder) / "rows.csv"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, path.open("wb") as file:
        cursor.execute(
            "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a"
            " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped order by a.attnum",
            [table],
        )
        known = ("numeric", "timestamp", "boolean", "integer", "bigint")
        types = {name: kind.partition(" without")[0] if kind.startswith(known) else "varchar" for name, kind in cursor}
        with cursor.copy(f"copy {table} to stdout (format csv)") as copy:
            for data in copy:
                file.write(data)
    with duckdb.connect(target) as warehouse:
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
        warehouse.execute("create schema raw")
        warehouse.execute(
            f"create table raw.{table} as from read_csv('{path}', header = false, columns = {{{columns}}})"
        )

"""The least one can do to bring a table up to date: COPY the rows with a later updated_at, let DuckDB merge them.

No guard against late commits, no count, no checksum, no ledger. bare_merge.py DSN FILE TABLE, after bare.py.
"""

import sys
import tempfile
from pathlib import Path

import duckdb
import psycopg

dsn, target, table = sys.argv[1:]
with duckdb.connect(target) as warehouse, tempfile.TemporaryDirectory(dir=Path(target).parent) as folder:
    path = Path(folder) / "rows.csv"
    (latest,) = warehouse.execute(f"select max(updated_at) from raw.{table}").fetchone() or (None,)
    types = {row[0]: row[1] for row in warehouse.execute(f"describe raw.{table}").fetchall()}
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, path.open("wb") as file:
        later = f"select * from {table} where updated_at > '{latest}'"
        with cursor.copy(f"copy ({later}) to stdout (format csv)") as copy:
            for data in copy:
                file.write(data)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    warehouse.execute(
        f"merge into raw.{table} as t using read_csv('{path}', header = false, columns = {{{columns}}}) as s"
        f" on t.id = s.id when matched then update set {', '.join(f'{name} = s.{name}' for name in types)}"
        f" when not matched then insert values ({', '.join(f's.{name}' for name in types)})"
    )

"""dlt's fastest way to the same keyed table: read by connectorx, merged on the key, incremental by updated_at.

dlt_merge.py DSN FILE FOLDER TABLE; FOLDER holds the pipeline's state.
"""

import sys

import dlt
from dlt.sources.sql_database import sql_table

dsn, target, folder, table = sys.argv[1:]
pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb(target), dataset_name="raw", pipelines_dir=folder)
pipeline.run(
    sql_table(
        dsn,
        table=table,
        schema="public",
        backend="connectorx",
        incremental=dlt.sources.incremental("updated_at"),
        write_disposition="merge",
        primary_key="id",
    )
)

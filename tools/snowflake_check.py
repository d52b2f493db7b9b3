"""Compiles the cold side for Snowflake, first build and later ones, and reads every statement. No account.

The queries of models, snapshots and tests, what is done before and after them, and what they ask the warehouse while
they compile; not what dbt wraps around them.

Two parsers must accept each statement: sqlfluff's snowflake dialect with nothing unparsable, and sqlglot. Then every
column is traced from RAW to REPORTS, and the rules of tools/snowflake_rules look for what Snowflake refuses or answers
otherwise than DuckDB. Nothing is executed on Snowflake.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

from snowflake_rules import parsers, project
from vend import packages, settings


def main() -> None:
    # here, because the parsing processes load this file too, and need no dbt
    from snowflake_rules.compiled import FORMS, TARGET, compile_for_snowflake

    loaded = settings.load()
    packages.ensure(loaded)
    os.environ |= {"SNOWFLAKE_ACCOUNT": "not_needed", "SNOWFLAKE_USER": "not_needed"}
    shutil.rmtree(loaded.project / TARGET, ignore_errors=True)
    compiled: dict[str, dict[str, str]] = {}
    parsed: dict[str, tuple[str, Future[list[str]]]] = {}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for form in FORMS:
            compiled[form] = compile_for_snowflake(loaded.project, form)
            for name, sql in compiled[form].items():
                if sql not in parsed:
                    parsed[sql] = name, pool.submit(parsers.objections, sql)
        manifest = json.loads((loaded.project / TARGET / "first" / "manifest.json").read_text())
        bad = list(project.objections(manifest, compiled))
        bad += [f"{name}: {said}" for name, future in parsed.values() for said in future.result()]
    for line in bad:
        print(line)
    if bad or not parsed:
        sys.exit(f"{len(bad)} objections in {len(parsed)} statements compiled for Snowflake.")
    print(
        f"{len(parsed)} statements of models, snapshots, tests, hooks and questions parse for Snowflake, their columns "
        f"trace back to RAW, and none breaks a rule of tools/snowflake_rules; none was executed."
    )


if __name__ == "__main__":
    main()

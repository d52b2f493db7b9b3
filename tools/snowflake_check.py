"""Compiles the cold side for Snowflake, first build and incremental build, and parses every statement. No account.

Two parsers, because each forgives what the other does not: sqlfluff's snowflake dialect must find nothing
unparsable, sqlglot must accept the statement. Nothing is executed on Snowflake.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from unittest import mock

import sqlglot
from dbt.adapters.snowflake import SnowflakeAdapter
from dbt.adapters.snowflake.relation import SnowflakeRelation
from dbt.cli.main import dbtRunner
from sqlfluff.api.simple import APIParsingError

import sqlfluff
from vend import packages, settings

TARGET = Path("target") / "snowflake-check"
FORMS = ("first", "incremental")


def compile_for_snowflake(project: Path, form: str) -> list[Path]:
    """The compiled files of every cold model and test. Exits with dbt's own words where it fails.

    form: "first", where no relation exists yet, or "incremental", where every one does. dbt asks the warehouse
    for that; here the adapter answers without one.
    """
    target = project / TARGET / form

    def get_relation(
        adapter: SnowflakeAdapter, database: str, schema: str, identifier: str
    ) -> SnowflakeRelation | None:
        if form == "first":
            return None
        return SnowflakeRelation.create(database=database, schema=schema, identifier=identifier, type="table")

    with mock.patch.object(SnowflakeAdapter, "get_relation", get_relation):
        outcome = dbtRunner().invoke(
            [
                *("compile", "--no-introspect", "--no-populate-cache", "--selector", "cold"),
                *("--project-dir", str(project), "--profiles-dir", str(project), "--target", "cold"),
                *("--target-path", str(target), "--log-path", str(target / "logs"), "--quiet"),
                # in UTC no timestamp is converted
                *("--vars", "{reporting_timezone: America/Chicago}"),
            ]
        )
    if not outcome.success:
        sys.exit(f"The cold side does not compile for Snowflake ({form} build). {outcome.exception or 'See above.'}")
    return sorted((target / "compiled" / "vend_analytics").rglob("*.sql"))


def objections(sql: str) -> list[str]:
    """What the two parsers have against a statement; nothing if it is Snowflake SQL to both."""
    found = []
    try:
        sqlfluff.parse(sql, dialect="snowflake")
    except APIParsingError as error:
        found.append(f"sqlfluff: {error}")
    try:
        sqlglot.parse_one(sql, dialect="snowflake")
    except sqlglot.errors.ParseError as error:
        found.append(f"sqlglot: {error}")
    return found


def main() -> None:
    loaded = settings.load()
    packages.ensure(loaded)
    os.environ |= {"SNOWFLAKE_ACCOUNT": "not_needed", "SNOWFLAKE_USER": "not_needed"}
    shutil.rmtree(loaded.project / TARGET, ignore_errors=True)
    files = [file for form in FORMS for file in compile_for_snowflake(loaded.project, form)]
    statements = {file.read_text(): file for file in reversed(files)}
    bad = 0
    for sql, file in statements.items():
        for objection in objections(sql):
            bad += 1
            print(f"{file.relative_to(loaded.project)}: {objection}")
    if bad or not files:
        sys.exit(f"{bad} objections in {len(statements)} statements compiled for Snowflake.")
    print(f"{len(statements)} statements of models and tests compile for Snowflake and parse; none was executed there.")


if __name__ == "__main__":
    main()

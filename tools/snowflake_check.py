"""Compiles the cold side for Snowflake, first build and incremental build, and parses every statement. No account.

The queries of models, snapshots and tests, and what is done before and after them; not what dbt wraps around them.

Two parsers, because each forgives what the other does not: sqlfluff's snowflake dialect must find nothing
unparsable, sqlglot must accept the statement. Nothing is executed on Snowflake.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import sqlglot
from dbt.adapters.snowflake import SnowflakeAdapter
from dbt.adapters.snowflake.relation import SnowflakeRelation
from dbt.cli.main import dbtRunner
from sqlfluff.api.simple import APIParsingError

import sqlfluff
from vend import packages, settings

MARK = "\n-- next statement\n"
TARGET = Path("target") / "snowflake-check"
FORMS = ("first", "incremental")


def compile_for_snowflake(project: Path, form: str) -> dict[str, str]:
    """What every cold model, snapshot, test and hook compiles to, by name. Exits with dbt's own words where it fails.

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

    def compiled(*arguments: str) -> None:
        outcome = dbtRunner().invoke(
            [
                *("compile", "--no-introspect", "--no-populate-cache", *arguments),
                *("--project-dir", str(project), "--profiles-dir", str(project), "--target", "cold"),
                *("--target-path", str(target), "--log-path", str(target / "logs"), "--quiet"),
                # in UTC no timestamp is converted
                *("--vars", "{reporting_timezone: America/Chicago}"),
            ]
        )
        if not outcome.success:
            said = outcome.exception or "See above."
            sys.exit(f"The cold side does not compile for Snowflake ({form} build). {said}")

    with mock.patch.object(SnowflakeAdapter, "get_relation", get_relation):
        compiled("--selector", "cold")
        nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
        found = {node["unique_id"]: node["compiled_code"] for node in nodes if node.get("compiled_code")}
        if form == "incremental":
            hooks = {name: sql for node in nodes for name, sql in hooks_of(node).items()}
            compiled("--inline", MARK.join(hooks.values()))
            inline = next((target / "compiled").rglob("inline_query*"))
            found |= dict(zip(hooks, inline.read_text().split(MARK), strict=True))
    return found


def hooks_of(node: dict[str, Any]) -> dict[str, str]:
    """The statements before and after a node, as they are in an incremental build, by name."""
    hooks = [*node["config"].get("pre-hook", []), *node["config"].get("post-hook", [])]
    written = {f"{node['unique_id']} hook {number}": hook["sql"] for number, hook in enumerate(hooks, start=1)}
    itself = f"{{% set this = ref('{node['name']}') %}}"
    return {name: f"{itself}{sql.replace('is_incremental()', 'true')}" for name, sql in written.items()}


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
    found = [compile_for_snowflake(loaded.project, form) for form in FORMS]
    statements = {sql: name for form in reversed(found) for name, sql in form.items()}
    bad = 0
    for sql, name in statements.items():
        for objection in objections(sql):
            bad += 1
            print(f"{name}: {objection}")
    if bad or not statements:
        sys.exit(f"{bad} objections in {len(statements)} statements compiled for Snowflake.")
    print(f"{len(statements)} statements of models, snapshots, tests and hooks parse for Snowflake; none was executed.")


if __name__ == "__main__":
    main()

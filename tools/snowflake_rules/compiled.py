"""The cold side as dbt compiles it for Snowflake, without an account."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from dbt.adapters.contracts.relation import RelationType
from dbt.adapters.snowflake.impl import SnowflakeAdapter
from dbt.adapters.snowflake.relation import SnowflakeRelation
from dbt.cli.main import dbtRunner

MARK = "\n-- next statement\n"
TARGET = Path("target") / "snowflake-check"
FORMS = ("first", "incremental")


def compile_for_snowflake(place: Path, form: str) -> dict[str, str]:
    """What every cold model, snapshot, test and hook compiles to, by name. Exits with dbt's own words where it fails.

    form: "first", where no relation exists yet, or "incremental", where every one does. dbt asks the warehouse
    for that; here the adapter answers without one.
    """
    target = place / TARGET / form
    target.mkdir(parents=True)
    if form != FORMS[0]:
        # nothing is parsed twice
        shutil.copy(place / TARGET / FORMS[0] / "partial_parse.msgpack", target)

    def get_relation(
        adapter: SnowflakeAdapter, database: str, schema: str, identifier: str
    ) -> SnowflakeRelation | None:
        if form == "first":
            return None
        return SnowflakeRelation.create(
            database=database, schema=schema, identifier=identifier, type=RelationType.Table
        )

    def compiled(*arguments: str) -> None:
        outcome = dbtRunner().invoke(
            [
                *("compile", "--no-introspect", "--no-populate-cache", *arguments),
                *("--project-dir", str(place), "--profiles-dir", str(place), "--target", "cold"),
                *("--target-path", str(target), "--log-path", str(target / "logs"), "--quiet"),
                # in UTC no timestamp is converted; a clustering key that is off names nothing
                *("--vars", "{reporting_timezone: America/Chicago, clustering: true}"),
            ]
        )
        if not outcome.success:
            said = outcome.exception or "See above."
            sys.exit(f"The cold side does not compile for Snowflake ({form} build). {said}")

    with mock.patch.object(SnowflakeAdapter, "get_relation", get_relation):
        compiled("--selector", "cold")
        nodes = list(json.loads((target / "manifest.json").read_text())["nodes"].values())
        found = {node["unique_id"]: node["compiled_code"] for node in nodes if node.get("compiled_code")}
        if form == "incremental":
            hooks = {name: sql for node in nodes for name, sql in hooks_of(node).items()}
            with contextlib.redirect_stdout(io.StringIO()):
                compiled("--inline", MARK.join(hooks.values()))
            inline = next((target / "compiled").rglob("inline_query*"))
            for name, sql in zip(hooks, inline.read_text().split(MARK), strict=True):
                if not sql.strip():
                    continue
                found[name] = named(sql, next(node for node in nodes if name.startswith(f"{node['unique_id']} ")))
    return found


def hooks_of(node: dict[str, Any]) -> dict[str, str]:
    """The statements before and after a node, as they are in an incremental build, by name."""
    hooks = [*node["config"].get("pre-hook", []), *node["config"].get("post-hook", [])]
    written = {f"{node['unique_id']} hook {number}": hook["sql"] for number, hook in enumerate(hooks, start=1)}
    itself = f"{{% set this = ref('{node['name']}') %}}"
    secure = str(bool(node["config"].get("secure"))).lower()
    answers = {"is_incremental()": "true", "config.get('secure')": secure}
    for question, answer in answers.items():
        written = {name: sql.replace(question, answer) for name, sql in written.items()}
    return {name: f"{itself}{sql}" for name, sql in written.items()}


def named(sql: str, node: dict[str, Any]) -> str:
    """A node's hook, in which a macro took `this` for the query that all hooks were compiled in."""
    sql = re.sub(r"[\w.]+\.inline_query\b", node["relation_name"] or "", sql)
    return re.sub(r"\binline_query\b", node["alias"], sql)

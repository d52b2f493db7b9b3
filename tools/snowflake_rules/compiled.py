"""The cold side as dbt compiles it for Snowflake, without an account."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.contracts.relation import RelationType
from dbt.adapters.snowflake.column import SnowflakeColumn
from dbt.adapters.snowflake.impl import SnowflakeAdapter
from dbt.adapters.snowflake.relation import SnowflakeRelation
from dbt.cli.main import dbtRunner
from dbt_common.clients.agate_helper import table_from_rows
from dbt_common.events.contextvars import get_node_info

MARK = "\n-- next statement\n"
TARGET = Path("target") / "snowflake-check"
# the first build; later ones, when the warehouse is not asked, and when it answers that nothing is due, or that all is
FORMS = ("first", "incremental", "nothing due", "all due")
ANSWERS = {"nothing due": (0, 0, 0, 0), "all due": (1, 2, 3, 4)}


def compile_for_snowflake(place: Path, form: str) -> dict[str, str]:
    """What every cold model, snapshot, test and hook compiles to, by name. Exits with dbt's own words where it fails.

    form: one of FORMS: "first", where no relation exists yet, or another one, where every one does. dbt asks the
    warehouse for that, and models ask it what there is to do; here the adapter answers without one. What they ask is
    among the statements.
    """
    target = place / TARGET / form.replace(" ", "-")
    questions: list[tuple[str, str]] = []
    has_columns = set(FORMS)
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

    def execute(adapter: SnowflakeAdapter, sql: str, *_: Any, **__: Any) -> tuple[AdapterResponse, Any]:
        questions.append((get_node_info().get("unique_id", ""), sql.strip()))
        answer = datetime(2026, 1, 31) if " as latest " in sql else ANSWERS[form][0]
        row = answer, *ANSWERS[form][1:]
        return AdapterResponse("answered"), table_from_rows([row], list("abcd"))

    def get_columns_in_relation(adapter: SnowflakeAdapter, relation: SnowflakeRelation) -> list[SnowflakeColumn]:
        manifest = json.loads((place / TARGET / FORMS[0] / "manifest.json").read_text())
        names = {column for node in manifest["nodes"].values() for column in node["columns"] if form in has_columns}
        return [SnowflakeColumn(name.upper(), "VARCHAR") for name in sorted(names)]

    asked = ("--introspect" if form in ANSWERS else "--no-introspect",)

    def compiled(*arguments: str) -> None:
        outcome = dbtRunner().invoke(
            [
                *("compile", *asked, "--no-populate-cache", *arguments),
                *("--project-dir", str(place), "--profiles-dir", str(place), "--target", "cold"),
                *("--target-path", str(target), "--log-path", str(target / "logs"), "--quiet"),
                # in UTC no timestamp is converted; a clustering key that is off names nothing
                *("--vars", "{reporting_timezone: America/Chicago, clustering: true}"),
            ]
        )
        if not outcome.success:
            said = outcome.exception or "See above."
            sys.exit(f"The cold side does not compile for Snowflake ({form} build). {said}")

    with mock.patch.multiple(
        SnowflakeAdapter,
        get_relation=get_relation,
        execute=execute,
        get_columns_in_relation=get_columns_in_relation,
    ):
        compiled("--selector", "cold")
        nodes = list(json.loads((target / "manifest.json").read_text())["nodes"].values())
        found = {node["unique_id"]: node["compiled_code"] for node in nodes if node.get("compiled_code")}
        if form != FORMS[0]:
            hooks = {name: sql for node in nodes for name, sql in hooks_of(node).items()}
            if form in ANSWERS and not questions:
                sys.exit(f"No model asks the warehouse anything while it compiles ({form}).")
            for number, (node_id, sql) in enumerate(sorted(questions), start=1):
                found[f"{node_id} asks, {form} {number}"] = sql
            questions.clear()
            # then tables are as they were before a model had columns that its hooks want
            has_columns.discard("all due")
            # each says whose questions follow
            said = [f"{{% do run_query('{name}') if flags.INTROSPECT %}}{sql}" for name, sql in hooks.items()]
            with contextlib.redirect_stdout(io.StringIO()):
                compiled("--inline", MARK.join(said))
            inline = next((target / "compiled").rglob("inline_query*"))
            statements = list(zip(hooks, inline.read_text().split(MARK), strict=True))
            for _, question in questions:
                if question in hooks:
                    asking = question
                else:
                    statements.append((asking, question))
            for number, (name, sql) in enumerate(statements, start=1):
                node = next(node for node in nodes if name.startswith(f"{node['unique_id']} "))
                for part, statement in enumerate(sql.strip().split(";\n"), start=1):
                    if statement:
                        found[f"{name}, {form} {number}.{part}"] = named(statement, node)
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

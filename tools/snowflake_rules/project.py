"""The project's nodes in the order in which they are built, each held to the rules."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator
from typing import Any

import sqlglot

from snowflake_rules import rules
from snowflake_rules.lineage import TEXT, TIMESTAMP, Catalog, Columns, Known, Statement, declared

Node = dict[str, Any]
BUILT = ("model", "snapshot")
# what dbt adds to a snapshot's own columns
KEPT = {
    "dbt_scd_id": Known(TEXT, False),
    "dbt_updated_at": Known(TIMESTAMP, False),
    "dbt_valid_from": Known(TIMESTAMP, False),
    "dbt_valid_to": Known(TIMESTAMP, True),
}


def objections(manifest: dict[str, Any], compiled: dict[str, dict[str, str]]) -> Iterator[str]:
    """What is wrong with every statement of a project, one line each.

    compiled: by form ("first", "incremental"), the statements by the name of their node.
    """
    nodes, catalog = manifest["nodes"], Catalog()
    never_null = set(_never_null(nodes))
    for name, node in [*manifest["sources"].items(), *nodes.items()]:
        if node["resource_type"] in ("source", "seed") and node.get("relation_name"):
            catalog.add(node["relation_name"], _described(name, node, never_null))
    built = {n: node["depends_on"]["nodes"] for n, node in nodes.items() if node["resource_type"] in BUILT}
    order = [name for name in graphlib.TopologicalSorter(built).static_order() if name in built]
    said: set[str] = set()
    for statements in compiled.values():
        for name in [*order, *(name for name in statements if name not in built)]:
            if name not in statements:
                continue
            node = nodes.get(name, {})
            try:
                statement = Statement(statements[name], catalog)
            except sqlglot.errors.SqlglotError:
                continue  # the parsers have said so
            for sentence in rules.objections(statement, _contract(node), _list(node, "cluster_by")):
                if (line := f"{name}: {sentence}") not in said:
                    said.add(line)
                    yield line
            if name in built:
                columns = statement.columns or _promised(node, statement)
                columns |= KEPT if node["resource_type"] == "snapshot" else {}
                for column, known in columns.items():
                    if (name, column.lower()) in never_null:
                        columns[column] = Known(known.type, False)
                catalog.add(node["relation_name"], columns)


def _never_null(nodes: dict[str, Node]) -> Iterator[tuple[str, str]]:
    """Columns that a contract's constraint or a test holds to be not null, of every row and with an error otherwise."""
    for name, node in nodes.items():
        if node.get("contract", {}).get("enforced") and node["config"].get("materialized") != "view":
            for column in node["columns"].values():
                if any(constraint["type"] == "not_null" for constraint in column.get("constraints", ())):
                    yield name, column["name"].lower()
        test = node.get("test_metadata") or {}
        config = node["config"]
        if test.get("name") == "not_null" and not config.get("where") and config.get("severity", "").upper() != "WARN":
            yield node["attached_node"] or node["depends_on"]["nodes"][0], (node["column_name"] or "").lower()


def _described(name: str, node: Node, never_null: set[tuple[str, str]]) -> Columns:
    """The columns of a source or seed by its yml file."""
    types = node["config"].get("column_types") or {}
    return {
        column["name"]: Known(
            declared(types.get(column["name"]) or column["data_type"] or "varchar"),
            (name, column["name"].lower()) not in never_null,
        )
        for column in node["columns"].values()
    }


def _promised(node: Node, statement: Statement) -> Columns:
    """The columns of a model that cannot be traced, so that those after it are judged by themselves."""
    described = {column["name"]: column["data_type"] or "" for column in node["columns"].values()}
    names = described or dict.fromkeys(getattr(statement.written, "named_selects", []), "")
    return {name.upper(): Known(declared(text) if text else None, True) for name, text in names.items()}


def _contract(node: Node) -> dict[str, str]:
    if not node.get("contract", {}).get("enforced"):
        return {}
    return {column["name"]: column["data_type"] for column in node["columns"].values()}


def _list(node: Node, name: str) -> list[str]:
    value = node.get("config", {}).get(name) or []
    return [value] if isinstance(value, str) else list(value)

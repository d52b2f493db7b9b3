"""Holds exposures to the queries behind them, both ways: a report's column cannot go while a dashboard reads it.

An exposure names its queries, files, in `meta.queries`. Each query may read only relations and columns that the catalog
has, and the exposure depends on exactly the models and sources that its queries read. Every file of QUERIES belongs to
an exposure, a question of Metabase to one that names it alone. They are read as on the engine they run on: hot ones by
Postgres, the cold ones of `vend dashboard` by DuckDB, Metabase's by Snowflake; test_catalog.py also asks
tools/snowflake_rules about what runs there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from vend import ops

Manifest = dict[str, Any]

# files, the side whose manifest knows what they read, their dialect, and whether each has an exposure of its own
QUERIES = {
    "tools/vend/dashboard_sql/hot_*.sql": ("hot", "postgres", False),
    "tools/vend/dashboard_sql/[!h]*.sql": ("cold", "duckdb", False),
    "metabase/*/*.sql": ("cold", "snowflake", True),
}


def objections(project: Path, manifest: Manifest) -> Iterator[str]:
    """What is wrong with the exposures of a side and their queries, one sentence each."""
    side = "hot" if manifest["metadata"]["adapter_type"] == "postgres" else "cold"
    relations = dict(_relations(manifest))
    read: dict[str, set[str]] = {}
    alone: set[str] = set()
    for pattern, (of, dialect, by_itself) in QUERIES.items():
        for path in sorted(project.glob(pattern)) if of == side else ():
            name = str(path.relative_to(project))
            text = path.read_text(encoding="utf-8")
            alone |= {name} if by_itself else set()
            read[name] = {f"{schema}.{table}" for schema, table in tables(text, dialect)}
            for past in sorted(table for table in read[name] if side == "cold" and not table.startswith("reports.")):
                yield f"{name} reads {past}, past the secure views; only REPORTS is read for somebody."
            for unknown in sorted(read[name] - relations.keys()):
                yield f"{name} reads {unknown}, which no model makes."
            if read[name] <= relations.keys() and (wrong := _unknown_column(text, dialect, relations)):
                yield f"{name}: {wrong}"
    claimed: set[str] = set()
    for exposure in manifest["exposures"].values():
        patterns = exposure["config"].get("meta", {}).get("queries", [])
        own = {str(path.relative_to(project)) for pattern in patterns for path in project.glob(pattern)}
        claimed |= {file for file in own if file not in alone or [file] == patterns}
        for pattern in patterns:
            if not any(project.glob(pattern)):
                yield f"{exposure['name']} names the queries {pattern}, and there are none."
        wanted = {relations[name][0] for file in own for name in read.get(file, ()) if name in relations}
        found = set(exposure["depends_on"]["nodes"])
        for node in sorted(wanted - found if own else ()):
            yield f"{exposure['name']} does not depend on {node.split('.')[-1]}, which its queries read."
        for node in sorted(found - wanted if own else ()):
            yield f"{exposure['name']} depends on {node.split('.')[-1]}, which its queries do not read."
    for file in sorted(read.keys() - claimed):
        which = "no exposure of its own" if file in alone else "no exposure"
        yield f"{file} belongs to {which}; name it in the `meta.queries` of one."


def plain(text: str, *, optional: bool = True) -> str:
    """The query without placeholders: the :names of vend, and Metabase's {{tags}} and [[parts]].

    optional: whether the parts that Metabase leaves away for an empty filter are in it.
    """
    text = re.sub(r"\[\[(.*?)\]\]", r"\1" if optional else "", text, flags=re.DOTALL)
    text = re.sub(r"{{\s*(since)\s*}}", "cast('2026-01-01' as date)", text)
    return ops.NAME.sub("null", re.sub(r"{{\s*\w+\s*}}", "'x'", text))


def tables(text: str, dialect: str) -> set[tuple[str, str]]:
    """(schema, name) of what a query reads, without its own CTEs."""
    whole = sqlglot.parse_one(plain(text), dialect=dialect)
    own = {cte.alias_or_name.lower() for cte in whole.find_all(exp.CTE)}
    found = {(table.db.lower(), table.name.lower()) for table in whole.find_all(exp.Table) if table.name}
    return {(schema, name) for schema, name in found if schema or name not in own}


def _relations(manifest: Manifest) -> Iterator[tuple[str, tuple[str, list[str]]]]:
    """schema.name of each relation, the node that makes it, and its columns."""
    for node in [*manifest["nodes"].values(), *manifest["sources"].values()]:
        if node["resource_type"] in ("model", "seed", "snapshot", "source"):
            name = node.get("alias") or node["identifier"]
            yield f"{node['schema']}.{name}".lower(), (node["unique_id"], list(node["columns"]))


def _unknown_column(text: str, dialect: str, relations: dict[str, tuple[str, list[str]]]) -> str | None:
    """Why the query's columns cannot be traced, in sqlglot's words; None where they can."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, (_, columns) in relations.items():
        owner, table = name.split(".")
        if columns:  # else sqlglot finds fault with every query
            schema.setdefault(owner, {})[table] = dict.fromkeys(columns, "VARCHAR")
    try:
        qualify(sqlglot.parse_one(plain(text), dialect=dialect), schema=schema, dialect=dialect)
    except sqlglot.errors.SqlglotError as error:
        return " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())[:300]
    return None

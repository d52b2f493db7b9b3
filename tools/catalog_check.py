"""Holds both sides' catalogs to the project's rules: names, descriptions, keys, contracts, access and lineage.

It needs no connection. dbt parses each side; dbt-bouncer checks the manifest by tools/catalog/{cold,hot}.yml, and
`objections` what dbt-bouncer has no check for. Every objection is one line; one is enough to fail.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import query_check
from vend import packages, settings

TARGETS = {"cold": "cold_local", "hot": "hot"}
FOLDER = Path("target") / "catalog"
PROJECT = "vend_analytics"

Manifest = dict[str, Any]
Node = dict[str, Any]

# A column that is called like this holds a quantity, and its description names the unit like that.
UNITS = {
    r"amount|fees?$|revenue(?!_growth)|profit|price$|arpu|mrr|_value$|revenue_per|subscription_value": r"currency",
    r"_percent$|_pct$|_rate$|^churn_rate|growth": r"percent",
    r"_minutes$": r"[Mm]inutes",
    r"days": r"[Dd]ays",
    r"hours$": r"[Hh]ours",
    r"capacity|spots": r"spaces",
    r"occupancy$|occupancy_count": r"[Vv]ehicles",
    r"count$|attempts$|customers$|users$|garages$|subscriptions$|rows": r"[Nn]umbers? of",
    r"cancellations|requests$|size$": r"[Nn]umber of",
}
IS_QUANTITY = re.compile(r"^(big|small)?int|^integer|^decimal|^numeric|^number|^double|^float", re.IGNORECASE)
ANY_UNIT = re.compile(
    r"currency|percent|[Mm]inutes|[Dd]ays|[Hh]ours?\b|[Nn]umbers? of|spaces|[Vv]ehicles"
    r"|[Mm]onths?\b|[Yy]ear|[Ww]eek|[Qq]uarter|\b1 if\b|[Cc]hecksum|[Tt]ransaction"
)
GRAIN = re.compile(r"\bGrain is (one|that of)\b")
UNIQUE = ("unique", "unique_combination_of_columns")
VARIANT = re.compile(r"^(default|duckdb|postgres|snowflake)__")


def parse(project: Path, side: str) -> Manifest:
    """The manifest of a side, left in target/catalog for dbt-bouncer too. Exits with dbt's own words where it fails."""
    target = project / FOLDER / side
    shutil.rmtree(target, ignore_errors=True)
    command = [_beside_python("dbt"), "parse", "--quiet", "--no-partial-parse", "--target", TARGETS[side]]
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--target-path", str(target), "--log-path", str(target / "logs")]
    outcome = subprocess.run(command, cwd=project, text=True, capture_output=True)
    if outcome.returncode:
        sys.exit(f"The {side} side does not parse.\n{outcome.stdout}{outcome.stderr}".rstrip())
    manifest: Manifest = json.loads((target / "manifest.json").read_text())
    return manifest


def bounced(project: Path, side: str) -> list[str]:
    """What dbt-bouncer has against the manifest that `parse` left. Exits with its words where it cannot run."""
    found = project / FOLDER / side / "bouncer.json"
    command = [_beside_python("dbt-bouncer"), "run"]
    command += ["--config-file", str(project / "tools" / "catalog" / f"{side}.yml")]
    command += ["--output-file", str(found), "--output-format", "json", "--output-only-failures"]
    outcome = subprocess.run(command, cwd=project, text=True, capture_output=True, env=os.environ | {"NO_COLOR": "1"})
    if outcome.returncode not in (0, 1) or not found.exists():
        sys.exit(f"dbt-bouncer could not check the {side} side.\n{outcome.stdout}{outcome.stderr}".rstrip())
    failures = json.loads(found.read_text())
    return [f"{failure['check_run_id'].split(':')[0]}: {failure['failure_message']}" for failure in failures]


def objections(project: Path, manifest: Manifest) -> list[str]:
    """What is wrong that dbt-bouncer does not see, one sentence each."""
    rules: list[Callable[[Path, Manifest], Iterator[str]]] = [
        undescribed,
        without_grain,
        without_unit,
        undeclared_seed_columns,
        keys_without_a_test,
        keys_that_may_be_null,
        constraints_without_effect,
        without_group,
        snapshots_out_of_line,
        views_unlike_what_they_show,
        exposures_unlike_their_queries,
    ]
    return [f"{rule.__name__}: {sentence}" for rule in rules for sentence in rule(project, manifest)]


def undescribed(project: Path, manifest: Manifest) -> Iterator[str]:
    """Columns of what is no model, analyses, macros and their arguments; a source table must have columns."""
    for node in ours(manifest, "seed", "snapshot", "source", "analysis"):
        if not node["description"].strip():
            yield f"{node['name']} has no description."
        if not node["columns"] and node["resource_type"] != "analysis":
            yield f"{node['name']} has no column described."
        for column in node["columns"].values():
            if not column["description"].strip():
                yield f"{node['name']}.{column['name']} has no description."
    for macro in manifest["macros"].values():
        if macro["package_name"] != PROJECT or VARIANT.match(macro["name"]):
            continue
        if not macro["description"].strip():
            yield f"macro {macro['name']} has no description."
        described = {argument["name"] for argument in macro["arguments"] if argument["description"].strip()}
        signature = re.search(rf"macro\s+{macro['name']}\s*\(([^)]*)\)", macro["macro_sql"])
        for argument in re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", signature[1] if signature else ""):
            if argument not in described:
                yield f"argument {argument} of macro {macro['name']} has no description."


def without_grain(project: Path, manifest: Manifest) -> Iterator[str]:
    """What has rows says what one of them is."""
    for node in ours(manifest, "model", "seed", "snapshot", "source", "analysis"):
        if not GRAIN.search(node["description"]):
            yield f"the description of {node['name']} does not say `Grain is one …`."


def without_unit(project: Path, manifest: Manifest) -> Iterator[str]:
    """Quantities, known by their name or a declared type of numbers, name their unit."""
    for node in ours(manifest, "model", "seed", "snapshot", "source"):
        for column in node["columns"].values():
            wanted = [unit for name, unit in UNITS.items() if re.search(name, column["name"]) and _is_number(column)]
            if not wanted and IS_QUANTITY.match(column["data_type"] or ""):
                wanted = [ANY_UNIT.pattern]
            if wanted and not any(re.search(unit, column["description"]) for unit in wanted):
                yield f"the description of {node['name']}.{column['name']} does not name its unit."


def undeclared_seed_columns(project: Path, manifest: Manifest) -> Iterator[str]:
    """The header of a seed's file is what its yml describes."""
    for node in ours(manifest, "seed"):
        with (project / node["original_file_path"]).open(newline="") as file:
            header = next(csv.reader(file))
        if header != list(node["columns"]):
            yield f"the columns of {node['original_file_path']} are not those described: {', '.join(header)}."


def keys_without_a_test(project: Path, manifest: Manifest) -> Iterator[str]:
    """Seeds and snapshots have a key that a test calls unique; dbt-bouncer looks at models only."""
    tested = {node for node, kind, _ in _generic_tests(manifest) if kind["name"] in UNIQUE}
    for node in ours(manifest, "seed", "snapshot"):
        if node["unique_id"] not in tested:
            yield f"{node['name']} has no test that its key is unique."


def keys_that_may_be_null(project: Path, manifest: Manifest) -> Iterator[str]:
    """Each column of a key that a test calls unique is kept from null, by a test or by its contract."""
    tests = _generic_tests(manifest)
    never_null = {(node, column) for node, kind, column in tests if kind["name"] == "not_null"}
    never_null |= {(node["unique_id"], column) for node in ours(manifest, "model") for column in constrained(node)}
    for node, kind, column in tests:
        key = kind["kwargs"].get("combination_of_columns", [column]) if kind["name"] in UNIQUE else []
        for part in key:
            if (node, part) not in never_null:
                yield f"{node.split('.')[-1]}.{part} is part of a key and may be null: no constraint, no test."


def constraints_without_effect(project: Path, manifest: Manifest) -> Iterator[str]:
    """A view holds no constraint, nor does a table without a contract; there it takes a test."""
    for node in ours(manifest, "model"):
        if node["config"]["materialized"] not in ("table", "incremental") or not node["contract"]["enforced"]:
            for column in constrained(node):
                yield f"{node['name']}.{column} has a constraint that nothing holds it to; test it."


def constrained(node: Node) -> list[str]:
    """Its columns that are declared not null."""
    columns = node["columns"].values()
    return [column["name"] for column in columns if any(c["type"] == "not_null" for c in column["constraints"])]


def without_group(project: Path, manifest: Manifest) -> Iterator[str]:
    """Somebody answers for each model: the group of its side."""
    for node in ours(manifest, "model", "snapshot"):
        if not node.get("group") and not node["config"].get("group"):
            yield f"{node['name']} belongs to no group."


def snapshots_out_of_line(project: Path, manifest: Manifest) -> Iterator[str]:
    """A snapshot keeps what staging or RAW says, and reports do not read it themselves."""
    nodes = manifest["nodes"]
    for node in ours(manifest, "model", "snapshot"):
        for name in node["depends_on"]["nodes"]:
            kind, path = name.split(".")[0], nodes.get(name, {}).get("original_file_path", "")
            if node["resource_type"] == "snapshot" and kind != "source" and not path.startswith("models/cold/staging"):
                yield f"{node['name']} keeps {name.split('.')[-1]}, which is neither RAW nor staging."
            if kind == "snapshot" and not node["original_file_path"].startswith(
                ("models/cold/intermediate", "models/cold/marts")
            ):
                yield f"{node['name']} reads {name.split('.')[-1]}; only intermediate models and marts read snapshots."


def views_unlike_what_they_show(project: Path, manifest: Manifest) -> Iterator[str]:
    """A secure view has the columns of what it shows, in the same order, type and words."""
    by_name = {node["name"]: node for node in ours(manifest, "model")}
    for name, view in by_name.items():
        shown = re.sub(r"^vw_", "rpt_", name) if name.startswith("vw_") else name.removeprefix("secure_")
        if shown == name:
            continue
        if shown not in by_name:
            yield f"{name} shows no model called {shown}."
        elif _columns(view) != _columns(by_name[shown]):
            yield f"{name} does not describe the columns of {shown} as that one does."


def exposures_unlike_their_queries(project: Path, manifest: Manifest) -> Iterator[str]:
    """A dashboard's or question's queries read what there is, and its exposure says what they read."""
    yield from query_check.objections(project, manifest)


def _beside_python(command: str) -> str:
    return str(Path(sys.executable).with_name(command))


def ours(manifest: Manifest, *kinds: str) -> list[Node]:
    """The project's own nodes of these resource types, disabled ones left out."""
    nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
    return [node for node in nodes if node["package_name"] == PROJECT and node["resource_type"] in kinds]


def _generic_tests(manifest: Manifest) -> list[tuple[str, Node, str]]:
    """Of each: the node it tests, what dbt knows of the test, and its column."""
    return [
        (test["attached_node"] or test["depends_on"]["nodes"][0], test["test_metadata"], test["column_name"])
        for test in ours(manifest, "test")
        if test.get("test_metadata")
    ]


def _columns(node: Node) -> list[tuple[Any, ...]]:
    return [
        (column["name"], column["data_type"], column["description"].strip(), column["config"].get("tags"))
        for column in node["columns"].values()
    ]


def _is_number(column: Node) -> bool:
    return not column["data_type"] or bool(IS_QUANTITY.match(column["data_type"]))


def main() -> None:
    loaded = settings.load()
    packages.ensure(loaded)
    found = {}
    for side in TARGETS:
        manifest = parse(loaded.project, side)
        found[side] = bounced(loaded.project, side) + objections(loaded.project, manifest)
        for objection in found[side]:
            print(f"{side}: {objection}")
    if total := sum(map(len, found.values())):
        sys.exit(f"The catalog breaks {total} rules. The rules are in tools/catalog/ and tools/catalog_check.py.")
    print("Names, descriptions, keys, contracts, access and lineage of both sides are as the rules want them.")


if __name__ == "__main__":
    main()

"""The catalog keeps its rules, the gate objects to each kind of break, and what is described is what is built."""

from __future__ import annotations

import getpass
import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import duckdb
import psycopg
import pytest
import recompute  # noqa: F401, whose parts import it by this name
from conftest import settings_in
from loaded import Loader
from psycopg import conninfo

import catalog_check
import query_check
from catalog_check import Manifest
from snowflake_rules import lineage, parsers, rules
from snowflake_rules import project as project_rules
from vend import dbt, docsite, packages, reader, serve, source, sync
from vend.docsite_state import State
from vend.errors import UsageError, VendError
from vend.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
SIDES = ("cold", "hot")
READ = ("tools/catalog", "tools/vend/dashboard_sql", "metabase")


@pytest.fixture(scope="session", autouse=True)
def _loaded_for_the_gate() -> Iterator[None]:
    """The gate's own parse, whole as ever, by a dbt that need not be loaded first."""

    def run(command: list[str], *, cwd: Path, **how: Any) -> subprocess.CompletedProcess[str]:
        if Path(command[0]).name != "dbt":
            return subprocess.run(command, cwd=cwd, **how)
        settings = Settings(cwd, cwd / ".vend", None, None, "duckdb", cwd / "none.duckdb")
        with dbt._started(command[1:], settings, os.environ, subprocess.PIPE, subprocess.STDOUT) as process:
            assert process.stdout is not None
            output = process.stdout.read()
        assert process.returncode is not None
        return subprocess.CompletedProcess(command, process.returncode, output, "")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_check, "subprocess", SimpleNamespace(run=run))
        yield


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Call it for a copy of the dbt project that may be changed, with its packages."""
    packages.ensure(Settings(PROJECT, PROJECT / ".vend", None, None, "duckdb", PROJECT / ".vend/none.duckdb"))

    def copy(name: str) -> Path:
        place = tmp_path_factory.mktemp(name)
        for folder in ("models", "macros", "seeds", "tests", "snapshots", "analyses", "dbt_packages", *READ):
            if (PROJECT / folder).exists():
                shutil.copytree(PROJECT / folder, place / folder)
        for file in ("dbt_project.yml", "packages.yml", "package-lock.yml", "selectors.yml"):
            shutil.copy(PROJECT / file, place / file)
        shutil.copy(PROJECT / "profiles.yml.example", place / "profiles.yml")
        return place

    return copy


@pytest.fixture(scope="session")
def project(project_copy: Callable[[str], Path]) -> Path:
    return project_copy("right")


@pytest.fixture(scope="session")
def manifests(project: Path) -> dict[str, Manifest]:
    return {side: catalog_check.parse(project, side) for side in SIDES}


# ------------------------------------------------------------------------------------------ this project


@pytest.mark.parametrize("side", SIDES)
def test_the_catalog_keeps_its_rules(project: Path, manifests: dict[str, Manifest], side: str) -> None:
    assert catalog_check.bounced(project, side) == []
    assert catalog_check.objections(project, manifests[side]) == []


def test_the_hot_side_describes_its_source_as_raw_does(manifests: dict[str, Manifest]) -> None:
    described = {}
    for side in SIDES:
        for table in manifests[side]["sources"].values():
            if table["source_name"] in ("raw", "operational"):
                described[side, table["name"]] = [
                    (column["name"], column["description"], column["config"].get("tags"))
                    for column in table["columns"].values()
                    if not column["name"].startswith("_fivetran_")
                ]
    tables = {name for side, name in described if side == "hot"}
    assert len(tables) >= 6
    for name in tables:
        assert described["hot", name] == described["cold", name]


@pytest.mark.parametrize("side", SIDES)
def test_no_var_is_read_when_the_project_is_parsed(manifests: dict[str, Manifest], loader: Loader, side: str) -> None:
    """What the other tests begin with (parsed.py) was parsed with other vars, and is the same, to the last word."""
    if sys.platform != "linux":
        pytest.skip("each home has a parse of its own here")
    assert loader.parsed(catalog_check.TARGETS[side])
    shared: Manifest = json.loads((loader.folder / catalog_check.TARGETS[side] / "manifest.json").read_text())
    for part in ("nodes", "sources", "exposures", "unit_tests", "macros", "groups", "disabled"):
        here, there = (_without_moments(manifest[part]) for manifest in (manifests[side], shared))
        assert here == there, part


def _without_moments(part: Any) -> Any:
    """Without when, where and for which database it was parsed, and in which order a set was gone through."""
    if isinstance(part, dict):
        left_out = ("created_at", "root_path", "database", "relation_name", "patch_path")
        return {name: _without_moments(value) for name, value in part.items() if name not in left_out}
    if isinstance(part, list):
        return sorted((_without_moments(value) for value in part), key=repr)
    return part


@pytest.fixture(scope="module")
def built(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    """An empty business builds every relation of both sides."""
    database = make_database()
    settings = settings_in(tmp_path_factory.mktemp("built") / "home", postgres_dsn=database, source_dsn=database)
    source.init(database)
    sync.sync(settings, database)
    for side in SIDES:
        arguments = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test", "--quiet"]
        assert dbt.build(settings, side, dsn=database, arguments=arguments).ok
    return settings, database


def test_what_is_described_is_what_is_built(manifests: dict[str, Manifest], built: tuple[Settings, str]) -> None:
    """Each relation has exactly the columns described, in their order."""
    settings, database = built
    query = """
        select table_schema, table_name, column_name from information_schema.columns
        order by table_schema, table_name, ordinal_position
    """
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    # what information_schema does not show: the hot side
    query = """
        select relnamespace::regnamespace::text, relname, attname
        from pg_attribute
        inner join pg_class on pg_class.oid = attrelid
        where relnamespace in ('hot'::regnamespace, 'reporting'::regnamespace)
            and relkind in ('m', 'v', 'r') and attnum > 0 and not attisdropped
        order by attrelid, attnum
    """
    with psycopg.connect(database) as postgres:
        rows += postgres.execute(query).fetchall()
    built: dict[tuple[str, str], list[str]] = {}
    for schema, relation, column in rows:
        built.setdefault((schema, relation), []).append(column)
    compared = 0
    for side in SIDES:
        for node in catalog_check.ours(manifests[side], "model", "seed", "snapshot"):
            # dbt's own columns of a snapshot are not the project's to order, and hot_view adds one that nobody reads
            columns = built[node["schema"], node["alias"]]
            own = [name for name in columns if not name.startswith("dbt_") and name != "always_null"]
            described = [name for name in node["columns"] if not name.startswith("dbt_")]
            assert described == own, node["name"]
            compared += 1
    assert compared > 35


def test_snowflake_takes_what_is_asked_of_reports(manifests: dict[str, Manifest]) -> None:
    """Metabase's questions, with and without what an empty filter leaves away, and the queries of `vend dashboard`."""
    catalog = lineage.Catalog()
    never_null = set(project_rules._never_null(manifests["cold"]["nodes"]))
    for node in catalog_check.ours(manifests["cold"], "model"):
        known = {
            name: lineage.Known(
                lineage.declared(column["data_type"] or "varchar"),
                (node["unique_id"].replace(".vw_", ".rpt_"), name) not in never_null,
            )
            for name, column in node["columns"].items()
        }
        catalog.add(f"vend_analytics.{node['schema']}.{node['alias']}", known)
    asked = 0
    for pattern, (side, _, _) in query_check.QUERIES.items():
        for path in sorted(PROJECT.glob(pattern)) if side == "cold" else ():
            for optional in (True, False):
                text = query_check.plain(path.read_text(), optional=optional)
                text = re.sub(r"\breports\.", "vend_analytics.reports.", text)
                statement = lineage.Statement(text, catalog)
                assert statement.error is None, path
                assert parsers.objections(text) == [], path
                assert rules.objections(statement, {}, []) == [], path
                asked += 1
    assert asked >= 36
    for text in (reader.FIND_USER, reader.ALL_GARAGES, reader.OWN_GARAGES):
        text = re.sub(r"\b(staging|marts|security)\.(?=\w+\b(?!\.))", r"vend_analytics.\1.", query_check.plain(text))
        statement = lineage.Statement(text, catalog)
        assert (statement.error, parsers.objections(text), rules.objections(statement, {}, [])) == (None, [], [])


def test_only_the_group_reads_its_private_models(project_copy: Callable[[str], Path]) -> None:
    project = project_copy("private")
    (project / "models" / "cold" / "reports" / "rpt_stranger.sql").write_text(
        "{{ config(group='engineering') }}\nselect * from {{ ref('stg_users') }}\n"
    )
    with pytest.raises(SystemExit, match=r"rpt_stranger attempted to reference node .*stg_users"):
        catalog_check.parse(project, "cold")


# ---------------------------------------------------------------------------------------- the gate bites

YML = """
models:
  - name: fact_undescribed
    columns: [{name: payment_id}]
  - name: fact_wrong
    description: Grain is one of them.
    config: {access: public}
    columns:
      - name: payment_id
        description: The key.
        data_tests: [unique]
      - name: gross_amount
        description: What was charged.
        constraints: [{type: not_null}]
  - name: rpt_wrong
    description: "Grain is one of them."
    config: {contract: {enforced: true}}
    columns: [{name: x, data_type: bigint, description: Something., data_tests: [unique, not_null]}]
  - name: vw_wrong
    description: Grain is one of them.
    config: {contract: {enforced: true}}
    columns: [{name: y, data_type: varchar, description: Something.}]
seeds:
  - name: wrong_seed
    description: Grain is one line.
    columns: [{name: a, description: A.}]
  - name: state_regions_too
    columns: [{name: a}]
exposures:
  - name: wrong_exposure
    type: dashboard
    owner: {name: Nobody}
    config: {meta: {queries: ["nowhere/*.sql"]}}
    depends_on: [ref('dim_users')]
macros:
  - name: half_described
    description: Something.
snapshots:
  - name: wrong_snapshot
    relation: ref('dim_passes')
    config:
      enabled: "{{ target.type != 'postgres' }}"
      group: data
      unique_key: pass_id
      strategy: check
      check_cols: all
sources:
  - name: strange
    tables: [{name: strange_table}]
"""
WRONG = {
    "models/cold/_wrong.yml": YML,
    "models/cold/elsewhere/stg_lost.sql": "select 1 as x",
    "models/cold/staging/stg_wrong.sql": "select * from {{ ref('dim_date') }}",
    "models/cold/intermediate/wrong.sql": "select * from {{ source('raw', 'users') }}, {{ ref('state_regions') }}",
    "models/cold/marts/payments.sql": "select * from {{ ref('rpt_garage_monthly_pl') }}",
    "models/cold/marts/fact_undescribed.sql": (
        "{{ config(materialized='incremental') }} select * from {{ source('raw', 'users') }}"
    ),
    "models/cold/marts/fact_wrong.sql": "select * from {{ ref('wrong_snapshot') }}",
    "models/cold/security/who_sees_what.sql": "select * from {{ ref('rpt_garage_monthly_pl') }}",
    "models/cold/reports/rpt_wrong.sql": "select * from {{ ref('stg_users') }}, {{ ref('wrong_snapshot') }}",
    "models/cold/reports/rpt_open.sql": "{{ config(access='private') }} select * from {{ source('raw', 'users') }}",
    "models/cold/reports/vw_wrong.sql": "select * from {{ ref('dim_users') }}",
    "models/cold/reports/vw_of_nothing.sql": "select 1 as x",
    "models/hot/elsewhere/mv_lost.sql": "{{ config(materialized='view') }} select 1 as x",
    "models/hot/summary/sum_wrong.sql": "select * from {{ ref('mv_daily_revenue') }}",
    "models/hot/materialized/wrong.sql": "select * from {{ ref('mv_daily_revenue') }}",
    "models/hot/materialized/mv_wrong.sql": "{{ config(access='public') }} select 1 as x",
    "models/hot/secure/wrong_view.sql": "select * from {{ source('operational', 'users') }}",
    "models/hot/secure/secure_mv_daily.sql": "select * from {{ ref('secure_mv_daily_revenue') }}",
    "seeds/cold/wrong_seed.csv": "a,b\n1,2\n",
    "seeds/cold/state_regions_too.csv": "a\n1\n",
    "macros/wrong.sql": "{% macro wrong() %}{% endmacro %}\n{% macro half_described(a, b=1) %}{% endmacro %}",
    "analyses/cold/wrong_analysis.sql": "select 1 as x",
    "metabase/garage/nobodys.sql": "select month from reports.rpt_mrr_movements where garage_id = {{garage}}",
    "metabase/garage/passes.sql": "select pass_name from reports.rpt_pass_performance, reports.rpt_mrr_movements",
    "metabase/garage/revenue.sql": "select gone from reports.rpt_financial_analytics where garage_id = {{garage}}",
    "metabase/garage/subscriptions.sql": "select garage_id from marts.dim_garages where garage_id = {{garage}}",
    "metabase/garage/occupancy.sql": "select month from reports.rpt_gone where garage_id = {{garage}}",
}
# rule, and words of the objection that must be there
EXPECTED = {
    "cold": [
        ("check_model_directories", "stg_lost|elsewhere"),
        ("check_model_names", "`wrong`"),
        ("check_model_names", "`payments`"),
        ("check_model_names", "`who_sees_what`"),
        ("check_snapshot_names", "wrong_snapshot"),
        ("check_model_documented_in_same_directory", "fact_wrong"),
        ("check_model_description_populated", "fact_undescribed"),
        ("check_model_column_description_populated", "fact_undescribed"),
        ("check_seed_description_populated", "state_regions_too"),
        ("check_snapshot_description_populated", "wrong_snapshot"),
        ("check_source_description_populated", "strange_table"),
        ("check_source_top_level_description_populated", "strange"),
        ("check_exposure_description_populated", "wrong_exposure"),
        ("check_exposure_has_owner", "wrong_exposure"),
        ("check_model_has_unique_test", "fact_undescribed"),
        ("check_model_has_unique_test", "stg_wrong"),
        ("check_model_incremental_has_unique_key", "fact_undescribed"),
        ("check_model_has_contracts_enforced", "fact_wrong"),
        ("check_model_has_contracts_enforced", "vw_of_nothing"),
        ("check_model_access", "fact_wrong"),
        ("check_model_access", "rpt_open"),
        ("check_exposure_based_on_non_public_models", "wrong_exposure"),
        ("check_model_has_exposure", "rpt_wrong"),
        ("check_lineage_permitted_upstream_models", "stg_wrong.*dim_date"),
        ("check_lineage_permitted_upstream_models", "payments.*rpt_garage_monthly_pl"),
        ("check_lineage_permitted_upstream_models", "who_sees_what.*rpt_garage_monthly_pl"),
        ("check_lineage_permitted_upstream_models", "rpt_wrong.*stg_users"),
        ("check_lineage_permitted_upstream_models", "vw_wrong.*dim_users"),
        ("check_lineage_source_cannot_be_used", "`wrong`"),
        ("check_lineage_source_cannot_be_used", "fact_undescribed"),
        ("check_lineage_source_cannot_be_used", "rpt_open"),
        ("check_lineage_seed_cannot_be_used", "`wrong`"),
        ("undescribed", "state_regions_too.a "),
        ("undescribed", "strange_table has no column"),
        ("undescribed", "wrong_analysis "),
        ("undescribed", "macro wrong "),
        ("undescribed", "argument a of macro half_described"),
        ("undescribed", "argument b of macro half_described"),
        ("without_grain", "fact_undescribed"),
        ("without_grain", "strange_table"),
        ("without_grain", "wrong_snapshot"),
        ("without_grain", "wrong_analysis"),
        ("without_unit", "fact_wrong.gross_amount"),
        ("without_unit", "rpt_wrong.x"),
        ("undeclared_seed_columns", "wrong_seed.csv"),
        ("keys_without_a_test", "wrong_seed"),
        ("keys_without_a_test", "wrong_snapshot"),
        ("keys_that_may_be_null", "fact_wrong.payment_id"),
        ("constraints_without_effect", "fact_wrong.gross_amount"),
        ("without_group", "stg_lost"),
        ("snapshots_out_of_line", "wrong_snapshot keeps dim_passes"),
        ("snapshots_out_of_line", "rpt_wrong reads wrong_snapshot"),
        ("views_unlike_what_they_show", "vw_wrong does not"),
        ("views_unlike_what_they_show", "vw_of_nothing shows no"),
        ("exposures_unlike_their_queries", "garage/revenue.sql: .*GONE"),
        ("exposures_unlike_their_queries", "garage/occupancy.sql reads reports.rpt_gone, which no model makes"),
        ("exposures_unlike_their_queries", "metabase_garage_passes does not depend on rpt_mrr_movements"),
        ("exposures_unlike_their_queries", "metabase_garage_occupancy depends on rpt_occupancy_analytics, which its"),
        ("exposures_unlike_their_queries", "garage/nobodys.sql belongs to no exposure of its own"),
        ("exposures_unlike_their_queries", "garage/subscriptions.sql reads marts.dim_garages, past the secure views"),
        ("exposures_unlike_their_queries", "wrong_exposure names the queries nowhere/"),
    ],
    "hot": [
        ("check_model_directories", "mv_lost|elsewhere"),
        ("check_model_names", "`wrong`"),
        ("check_model_names", "`wrong_view`"),
        ("check_model_description_populated", "mv_wrong"),
        ("check_model_has_unique_test", "mv_wrong"),
        ("check_model_access", "mv_wrong"),
        ("check_model_has_exposure", "wrong_view"),
        ("check_lineage_permitted_upstream_models", "`wrong`.*mv_daily_revenue"),
        ("check_lineage_permitted_upstream_models", "sum_wrong.*mv_daily_revenue"),
        ("check_lineage_permitted_upstream_models", "secure_mv_daily.*secure_mv_daily_revenue"),
        ("check_lineage_source_cannot_be_used", "wrong_view"),
        ("views_unlike_what_they_show", "secure_mv_daily shows no"),
    ],
}


@pytest.fixture(scope="session")
def found(project_copy: Callable[[str], Path]) -> dict[str, list[str]]:
    """What the gate has against a copy of the project with everything wrong that a rule is about."""
    project = project_copy("wrong")
    for path, text in WRONG.items():
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(text)
    # only a model that no folder gives a group can be without one
    settings = (project / "dbt_project.yml").read_text()
    within = "            staging:\n                +materialized: view\n"
    assert within in settings
    (project / "dbt_project.yml").write_text(
        settings.replace(within, "            elsewhere:\n                +group: null\n" + within)
    )
    return {
        side: [
            *catalog_check.objections(project, catalog_check.parse(project, side)),
            *catalog_check.bounced(project, side),
        ]
        for side in SIDES
    }


@pytest.mark.parametrize(
    ("side", "rule", "words"),
    [(side, rule, words) for side, expected in EXPECTED.items() for rule, words in expected],
)
def test_the_gate_objects(found: dict[str, list[str]], side: str, rule: str, words: str) -> None:
    of_the_rule = [objection for objection in found[side] if objection.startswith(f"{rule}: ")]
    assert any(re.search(words, objection) for objection in of_the_rule), of_the_rule


@pytest.mark.parametrize("side", SIDES)
def test_every_rule_is_seen_to_object(found: dict[str, list[str]], project: Path, side: str) -> None:
    """A rule added to a side's file comes with a wrong model that it objects to; what both say, on the cold side."""
    configured = set(re.findall(r"- name: (\w+)", (project / "tools" / "catalog" / f"{side}.yml").read_text()))
    objected = {objection.split(":")[0] for objection in found["cold"] + found[side]}
    assert configured - objected == set()


# ----------------------------------------------------------------------------------- how to add a report

STEP = re.compile(
    r"(?:New file `(?P<new>[^`]+)`|At the end of `(?P<end>[^`]+)`"
    r"|In `(?P<file>[^`]+)`, (?P<where>above|below) the line that (?P<how>begins|ends) with `(?P<line>[^`]+)`):\n\n"
    r"```\w+\n(?P<text>.*?)```\n",
    re.DOTALL,
)


def follow(page: str, project: Path) -> int:
    """Does to the files what the page says, word for word; the number of steps."""
    steps = list(STEP.finditer(page))
    for step in steps:
        path = project / (step["new"] or step["end"] or step["file"])
        if step["new"]:
            assert not path.exists()
            path.write_text(step["text"])
            continue
        lines = path.read_text().splitlines(keepends=True)
        place = len(lines)
        if step["file"]:
            matches = str.startswith if step["how"] == "begins" else str.endswith
            [place] = [number for number, line in enumerate(lines) if matches(line.rstrip("\n"), step["line"])]
            place += step["where"] == "below"
        lines.insert(place, step["text"])
        path.write_text("".join(lines))
    return len(steps)


def test_a_report_is_added_as_the_page_says(
    project_copy: Callable[[str], Path], database: str, home: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    if (PROJECT / "models/cold/reports/rpt_refunds.sql").exists():
        pytest.skip("somebody has just followed the page in this project")
    project = project_copy("report")
    for folder in ("tools/tests", "tools/dbt_packages"):
        shutil.copytree(PROJECT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    page = (PROJECT / "docs" / "adding-a-report.md").read_text()
    assert follow(page, project) == page.count("```") // 2 - 3
    manifest = catalog_check.parse(project, "cold")
    assert catalog_check.bounced(project, "cold") + catalog_check.objections(project, manifest) == []
    for name in ("test_demo.py", "test_figures.py"):
        compile((project / "tools" / "tests" / name).read_text(), name, "exec")

    as_of = datetime(2026, 3, 17, 14, 30)
    settings = home(project=project, postgres_dsn=database, source_dsn=database)
    source.init(database)
    source.seed(database, garages=8, months=6, payments=600, seed=3, as_of=as_of)
    sync.sync(settings, database)
    upstream = ["--select", "+rpt_refunds", "vw_refunds", "+garage_access", "--indirect-selection", "cautious"]
    outcome = dbt.build(settings, "cold", as_of=as_of, arguments=upstream)
    assert outcome.ok, outcome.failures
    spec = importlib.util.spec_from_file_location("recompute_with_refunds", project / "tools/tests/recompute.py")
    assert spec
    assert spec.loader
    changed = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, changed)
    spec.loader.exec_module(changed)
    function, key = changed.COLD["reports.rpt_refunds"]
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        result = connection.execute("select * from reports.rpt_refunds")
        names = [column[0] for column in result.description]
        found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    assert sum(row["refund_count"] for row in found) > 0
    assert changed.differences(function(changed.read(database), changed.Frame(as_of)), found, key) == []


# --------------------------------------------------------------------------------------- the deviations


def test_every_test_the_deviations_name_exists(manifests: dict[str, Manifest]) -> None:
    names: dict[str, set[str]] = {"u": set(), "d": set(), "p": set()}
    for manifest in manifests.values():
        names["u"] |= {test["name"] for test in manifest["unit_tests"].values()}
        names["d"] |= {test["name"] for test in catalog_check.ours(manifest, "test")}
    for file in (PROJECT / "tools" / "tests").glob("test_*.py"):
        names["p"] |= {
            f"{file.name}::{name}" for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
        }
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in (PROJECT / "docs" / "deviations.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| where")
    ]
    assert len(lines) > 30
    unknown: list[Any] = []
    for cells in lines:
        assert len(cells) == 5, cells[0]
        shown = re.findall(r"\b([udp]): ((?:`[^`]+`(?:, )?)+)", cells[4])
        assert shown, f"{cells[0]}: no test is named"
        unknown += [
            (kind, name) for kind, text in shown for name in re.findall(r"`([^`]+)`", text) if name not in names[kind]
        ]
    assert unknown == []


# -------------------------------------------------------------------------------------- the page of it

PLANTED = "hunter2-much-secret"
DATA = re.compile(r"\{manifest:(\{.*\}),catalog:(\{.*?\})\},r=\{project", re.DOTALL)
# The edges of the graph that are drawn, by the service of the page.
EDGES = """() => angular.element(document.body).injector().get('graph').graph_element.edges(':visible')
    .map(edge => [edge.data('source'), edge.data('target')])"""


@dataclass(frozen=True)
class Site:
    page: Path
    manifest: Manifest
    catalog: Manifest
    data: str


def site(page: Path) -> Site:
    found = DATA.search(page.read_text())
    assert found
    return Site(page, json.loads(found[1]), json.loads(found[2]), found[0])


@pytest.fixture(scope="module")
def declared(manifests: dict[str, Manifest], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The page of a project of which nothing is built, from dbt's own parse."""
    page = tmp_path_factory.mktemp("declared") / "index.html"
    nothing = {"nodes": {}, "sources": {}}
    state = State(missing=("There is no warehouse yet.",))
    page.write_text(docsite.page({side: (manifests[side], nothing) for side in SIDES}, state))
    return site(page)


@pytest.fixture(scope="module")
def published(built: tuple[Settings, str], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The page as `vend docs` publishes it after a build."""
    settings, database = built
    for side in SIDES:  # one parse less
        place = settings.home / "target" / "docs" / side
        place.mkdir(parents=True)
        shutil.copy(settings.home / "target" / side / "partial_parse.msgpack", place)
    out = tmp_path_factory.mktemp("site") / "made by docs"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VEND_", "PG", "SNOWFLAKE_"))}
    planted = dict.fromkeys(("VEND_SMTP_URL", "DBT_ENV_CUSTOM_ENV_TOKEN", "DBT_ENV_SECRET_TOKEN"), PLANTED)
    where = {
        "VEND_HOME": str(settings.home),
        "VEND_POSTGRES_DSN": conninfo.make_conninfo(database, password=PLANTED),
    }
    command = [str(Path(sys.executable).with_name("vend")), "docs", "--out", str(out), "--serve", "--port", "0"]
    with subprocess.Popen(
        command,
        env={**kept, **planted, **where},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(2)]
        try:
            if said[1]:
                with urllib.request.urlopen(said[1].split()[0]) as answer:
                    served = answer.read()
        finally:
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=60)
    assert (process.returncode, said[0].strip(), rest) == (0, str(out / "index.html"), ""), errors
    assert "Traceback" not in errors
    assert PLANTED not in errors
    assert [path.name for path in out.iterdir()] == ["index.html"]
    assert served == (out / "index.html").read_bytes()
    return site(out / "index.html")


def upstream(edges: set[tuple[str, str]], node: str) -> set[str]:
    found, queue = set(), [node]
    while queue:
        at = queue.pop()
        queue += [parent for parent, child in edges if child == at and parent not in found]
        found |= {at}
    return found


def test_a_description_may_hold_any_markup(declared: Site, tmp_path: Path) -> None:
    plain, markup = docsite.filled({}, {}), "".join(shipped for shipped, _ in docsite.MENDED) + "</script><!--<script>"
    page = tmp_path / "index.html"
    page.write_text(docsite.filled(declared.manifest | {"said": markup}, declared.catalog))
    assert site(page).manifest["said"] == markup
    assert page.read_text().count("<") == plain.count("<")


def test_both_sides_are_one_graph(manifests: dict[str, Manifest], declared: Site) -> None:
    whole = declared.manifest
    wanted = {
        node["unique_id"]
        for manifest in manifests.values()
        for node in catalog_check.ours(manifest, "model", "seed", "snapshot", "source", "test", "analysis")
    }
    assert wanted <= whole["nodes"].keys() | whole["sources"].keys()
    assert {name for m in manifests.values() for name in m["exposures"]} == whole["exposures"].keys()
    copies = [name for name in whole["sources"] if ".raw." in name]
    assert len(copies) == 9
    for name in copies:
        assert whole["parent_map"][name] == [name.replace(".raw.", ".operational.")]
    edges = {(parent, child) for child, parents in whole["parent_map"].items() for parent in parents}
    assert edges == {(parent, child) for parent, children in whole["child_map"].items() for child in children}
    sources = {name for name in whole["sources"] if ".operational." in name}
    for name, node in whole["nodes"].items():
        if node["resource_type"] == "model" and node["name"] not in ("dim_date",):
            assert upstream(edges, name) & sources, name


def test_every_relation_has_its_owner(declared: Site) -> None:
    entries = declared.catalog["nodes"] | declared.catalog["sources"]
    assert len(entries) > 80
    for name, entry in entries.items():
        node = declared.manifest["nodes"].get(name) or declared.manifest["sources"][name]
        hot = node["original_file_path"].startswith("models/hot/")
        team = "Engineering <engineering@vend.com>" if hot else "Data team <data-team@vend.com>"
        assert entry["metadata"]["owner"] == team
    columns = entries["model.vend_analytics.rpt_garage_monthly_pl"]["columns"]
    assert columns["gross_revenue"]["type"] == "decimal(38,2)"  # as the contract has it


def test_the_start_page_knows_every_report(declared: Site) -> None:
    text = declared.manifest["docs"]["doc.vend_analytics.__overview__"]["block_contents"]
    named = set(re.findall(r"#!/model/([\w.]+)", text))
    assert named <= declared.manifest["nodes"].keys()
    reports = {
        name
        for name, node in declared.manifest["nodes"].items()
        if node["resource_type"] == "model" and re.match(r"rpt_|secure_mv_", node["name"])
    }
    assert named == reports
    assert "There is no warehouse yet." in text
    assert "**in force** – A subscription is in force" in text


def test_freshness_is_that_of_the_database(built: tuple[Settings, str], published: Site) -> None:
    settings, database = built
    with duckdb.connect(str(settings.duckdb_path), read_only=True) as connection:
        loaded = dict(
            connection.execute("select table_name, max(started_at) from ops.sync_runs group by all").fetchall()
        )
        ((as_of, passed),) = connection.execute(
            "select as_of, tests_passed from ops.dbt_runs where command = 'build' order by started_at desc limit 1"
        ).fetchall()
        built_at = dict(
            connection.execute("select unique_id, max(started_at) from ops.dbt_nodes group by all").fetchall()
        )
    with psycopg.connect(database) as postgres:
        refreshed = dict(
            postgres.execute("select relation, last_success_at at time zone 'utc' from hot.freshness").fetchall()
        )
    for table, at in loaded.items():
        shown = published.catalog["sources"][f"source.vend_analytics.raw.{table}"]["stats"]
        assert shown["Last loaded"]["value"] == f"{at:%Y-%m-%d %H:%M} UTC"
    for name, entry in published.catalog["nodes"].items():
        node = published.manifest["nodes"][name]
        shown = {label: stat["value"] for label, stat in entry["stats"].items()}
        if node["original_file_path"].startswith("models/hot/"):
            at = refreshed.get(node["alias"])
            assert shown == ({"Last refreshed": f"{at:%Y-%m-%d %H:%M} UTC"} if at else {}), name
        else:
            assert shown["Last built"] == f"{built_at[name]:%Y-%m-%d %H:%M} UTC"
            assert shown["As of"] == f"{as_of[:19]} UTC"
    text = published.manifest["docs"]["doc.vend_analytics.__overview__"]["block_contents"]
    assert f"{passed} tests passed" in text
    columns = published.catalog["sources"]["source.vend_analytics.operational.payments"]["columns"]
    assert columns["payment_date"]["type"] == "timestamp without time zone"
    assert "reports" in published.manifest["nodes"]["model.vend_analytics.vw_garage_monthly_pl"]["compiled_code"]


def test_nothing_of_the_machine_is_published(built: tuple[Settings, str], published: Site, declared: Site) -> None:
    settings, database = built
    parts = conninfo.conninfo_to_dict(database)
    secret = [
        PLANTED,
        str(PROJECT),
        str(settings.home),
        str(parts["host"]),
        socket.gethostname(),
        "/tmp/",
        "/home/",
        "env_vars",
    ]
    for place in (published, declared):
        assert [text for text in secret if text in place.data] == []
        users = {getpass.getuser(), str(parts["user"])} - {"vend"}
        assert [user for user in users if re.search(rf"\b{re.escape(user)}\b", place.data)] == []


def test_two_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path / "home")
    said: Queue[str] = Queue()
    monkeypatch.setattr(docsite, "say", said.put)
    with ThreadPoolExecutor() as pool:
        with docsite._alone(settings):
            second = pool.submit(lambda: docsite._alone(settings).__enter__())
            assert "waiting for it to end" in said.get(timeout=60)
            assert not second.done()
        second.result(timeout=60)


def test_a_foreign_page_is_left_alone(built: tuple[Settings, str], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("somebody's page")
    with pytest.raises(UsageError, match="Name another folder with --out"):
        docsite.publish(built[0], tmp_path)
    assert (tmp_path / "index.html").read_text() == "somebody's page"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium without a network."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no Chromium: `make browser` installs it.")
        pytest.skip("there is no Chromium on PATH; `make browser` installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = play.chromium.launch(executable_path=found, args=arguments)
        yield chromium
        chromium.close()


def test_the_page_in_a_browser(browser: Any, published: Site, tmp_path: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    view = context.new_page()
    wrong: list[str] = []
    asked: list[str] = []
    view.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    view.on("pageerror", lambda error: wrong.append(str(error)))
    view.on("requestfailed", lambda request: wrong.append(request.url))
    view.on("request", lambda request: asked.append(request.url))
    address = published.page.as_uri()

    def shows(place: str, *texts: str) -> None:
        view.goto(f"{address}#!/{place}")
        for text in texts:
            view.get_by_text(text).locator("visible=true").first.wait_for(timeout=10_000)

    shows("overview", "Vend's warehouse", "Where to start", "How it stands", "Definitions")
    view.get_by_role("link", name="rpt_garage_monthly_pl").first.click()
    shows("model/model.vend_analytics.rpt_garage_monthly_pl", "Data team <data-team@vend.com>", "Last built", "arpu")
    shows("model/model.vend_analytics.secure_mv_daily_revenue", "Engineering <engineering@vend.com>", "Last refreshed")
    shows("source/source.vend_analytics.raw.payments", "Last loaded", "stripe_payment_intent_id")
    shows("source/source.vend_analytics.operational.garage_admins", "assigned_by")
    shows("exposure/exposure.vend_analytics.realtime_dashboard", "engineering@vend.com")
    shows("exposure/exposure.vend_analytics.executive_dashboard", "data-team@vend.com")

    view.fill("#search", "days_past_due")
    for found in ("rpt_failed_payments", "secure_mv_failed_payments"):
        view.locator(".search-result h4", has_text=re.compile(rf"^\s*{found}\b")).wait_for(timeout=10_000)

    view.goto("about:blank")
    view.goto(f"{address}#!/overview?g_v=1&g_i=%2Bexposure:executive_dashboard")
    view.locator("canvas").first.wait_for(timeout=10_000)
    view.wait_for_function(f"({EDGES})().length > 0", timeout=10_000)
    edges = {tuple(edge) for edge in view.evaluate(EDGES)}
    start, end = "source.vend_analytics.operational.payments", "exposure.vend_analytics.executive_dashboard"
    way = upstream(edges, end)
    assert {start, "source.vend_analytics.raw.payments", "model.vend_analytics.rpt_garage_monthly_pl"} <= way
    view.screenshot(path=tmp_path / "graph.png")
    context.close()
    assert wrong == []
    assert {url.partition("#")[0] for url in asked} <= {address}


def test_the_page_is_served_to_this_machine_alone(published: Site) -> None:
    ready: Queue[str] = Queue()
    files = {"/": published.page, "/index.html": published.page}
    threading.Thread(target=serve.serve, args=(files, 0, ready.put), daemon=True).start()
    address = ready.get(timeout=10)
    assert address.startswith("http://127.0.0.1:")
    host = address.removeprefix("http://").rstrip("/")
    asked = {}
    for method, path in (
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/index.html?x=1"),
        ("GET", "/../index.html"),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd"),
        ("GET", "//etc/passwd"),
        ("GET", "/.index.html.new"),
        ("POST", "/"),
    ):
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.putrequest(method, path, skip_host=False)
        connection.endheaders()
        answer = connection.getresponse()
        asked[method, path] = (answer.status, answer.getheader("Content-Type"), answer.read())
        connection.close()
    page = published.page.read_bytes()
    html = "text/html; charset=utf-8"
    assert asked["GET", "/"] == asked["GET", "/index.html?x=1"] == (200, html, page)
    assert asked["HEAD", "/"] == (200, html, b"")
    assert asked["POST", "/"][0] == 501
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/", headers={"Host": "vend.example"})  # a page elsewhere, whose name was made ours
    assert connection.getresponse().status == 403
    connection.close()
    for path in ("/../index.html", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/.index.html.new"):
        status, _, body = asked["GET", path]
        assert status == 404
        assert b"root:" not in body
    with pytest.raises(VendError, match=r"Port \d+ cannot be had .* --port"):
        serve.serve(files, int(host.partition(":")[2]), ready.put)

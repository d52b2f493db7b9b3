"""The command: what it prints, how it exits, and what it says when something is wrong."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import psycopg
import pytest
from conftest import PROJECT, settings_in
from psycopg import conninfo

from vend import dbt, source, status
from vend.errors import UsageError
from vend.settings import Settings

VEND = Path(sys.executable).with_name("vend")
SECRET = "hunter2-much-secret"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def vend(tmp_path: Path) -> Run:
    """Runs the command with a state folder of its own and nothing of the caller's environment."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VEND_", "PG", "SNOWFLAKE_", "DBT_"))}
        return subprocess.run(
            [str(VEND), *arguments],
            env={**kept, "VEND_HOME": str(tmp_path / "home"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def assert_sentence(finished: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """One plain sentence or two on stderr, nothing on stdout, no traceback, no secret."""
    said = finished.stderr
    assert finished.returncode == code, said
    assert finished.stdout == ""
    assert "Traceback" not in said
    assert SECRET not in said
    assert said.count("Error: ") == 1, said
    assert said.rstrip().endswith((".", "`", ";")), said
    for part in parts:
        assert part in said, said


def test_version_and_help(vend: Run) -> None:
    assert re.fullmatch(r"vend, version \d+\.\d+\.\d+\n", vend("--version").stdout)
    assert vend("--help").returncode == 0


def test_every_command_of_the_readme_exists(vend: Run) -> None:
    documents = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").glob("*.md")]
    named = {
        match[1]
        for document in documents
        for match in re.finditer(r"(?:`|bin/)vend ((?:source )?[a-z]+)", document.read_text())
    }
    assert {"sync", "source mutate", "build"} <= named
    for command in sorted(named):
        assert vend(*command.split(), "--help").returncode == 0, command


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("build", "lukewarm"),
        ("build", "cold", "--as-of", "2026-13-01"),
        ("build", "cold", "--as-of", "yesterday"),
        ("build", "cold", "--as-of", "0001-01-01T00:00+05:00"),
        ("build", "cold", "--as-of", "9999-12-31T23:59-05:00"),
        ("source", "seed", "--payments", "100000000000"),
        ("source", "seed", "--as-of", "31.01.2026"),
        ("sync", "--format", "xml"),
        ("docs", "--port", "70000"),
    ],
)
def test_wrong_usage_exits_2(vend: Run, arguments: tuple[str, ...]) -> None:
    finished = vend(*arguments)
    assert finished.returncode == 2
    assert "Error: " in finished.stderr
    assert "Traceback" not in finished.stderr


def test_malformed_date_is_explained(vend: Run) -> None:
    assert "2026-01-31" in vend("build", "hot", "--as-of", "soon").stderr


def test_unknown_table(vend: Run, database: str) -> None:
    source.init(database)
    finished = vend("sync", "garages", "carparks", VEND_POSTGRES_DSN=database)
    assert_sentence(finished, 2, "carparks", "garage_daily_occupancy")


def test_unknown_warehouse(vend: Run) -> None:
    assert_sentence(vend("sync", VEND_WAREHOUSE="oracle"), 2, "oracle", "duckdb", "snowflake")


def test_dsn_that_is_none(vend: Run) -> None:
    assert_sentence(vend("sync", VEND_POSTGRES_DSN=f"no dsn with {SECRET}"), 2, "VEND_POSTGRES_DSN")


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://boss:p@{SECRET}@127.0.0.1:5499/v",
        f"postgresql://boss:pa/{SECRET}@127.0.0.1:5499/v",
        f"postgresql://boss:{SECRET}@x@127.0.0.1/v",
    ],
)
@pytest.mark.parametrize("command", ["sync", "env", "status"])
def test_password_that_is_not_encoded_is_not_shown(vend: Run, dsn: str, command: str) -> None:
    assert_sentence(vend(command, VEND_POSTGRES_DSN=dsn), 2, "percent-encoded")


def test_dbt_finds_what_is_named_from_another_folder(
    home: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.p8").touch()
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_FILE", "key.p8")
    values = dbt.environment(home(), "host=x sslrootcert=system sslcert=gone.crt sslkey=key.p8")
    assert values["SNOWFLAKE_PRIVATE_KEY_FILE"] == values["PGSSLKEY"] == str(tmp_path / "key.p8")
    assert (values["PGSSLROOTCERT"], values["PGSSLCERT"]) == ("system", "gone.crt")


def test_vars_are_merged(home: Callable[..., Settings]) -> None:
    assert dbt._variables(["--vars", "{a: 1}", "-x"]) == (["-x"], {"a": 1})
    assert dbt._variables(["--vars={a: 1}", "--vars", "b: 2"]) == ([], {"a": 1, "b": 2})
    assert dbt._variables(["--select", "m"]) == (["--select", "m"], {})
    for wrong in (["--vars"], ["--vars", "just a word"]):
        with pytest.raises(UsageError, match="--vars"):
            dbt._variables(wrong)
    with pytest.raises(UsageError, match="given twice"):
        dbt.build(home(), "cold", as_of=datetime(2026, 1, 31), arguments=["--vars", "as_of: 2026-01-31"])


@pytest.mark.parametrize("command", [("sync",), ("build", "hot"), ("refresh",), ("source", "init"), ("up",)])
def test_unreachable_server(vend: Run, command: tuple[str, ...]) -> None:
    dsn = f"postgresql://someone:{SECRET}@127.0.0.1:1/nowhere"
    assert_sentence(vend(*command, VEND_POSTGRES_DSN=dsn), 1, "nowhere at 127.0.0.1:1", "VEND_POSTGRES_DSN")


def test_source_dsn_is_named_where_it_is_the_one(vend: Run) -> None:
    dsn = "postgresql://someone@127.0.0.1:1/nowhere"
    assert_sentence(vend("sync", VEND_POSTGRES_DSN=dsn, VEND_SOURCE_DSN=dsn), 1, "VEND_SOURCE_DSN")


@pytest.mark.parametrize("command", [("sync",), ("build", "hot"), ("source", "seed"), ("source", "mutate")])
def test_database_without_the_schema(vend: Run, database: str, command: tuple[str, ...]) -> None:
    assert_sentence(vend(*command, VEND_POSTGRES_DSN=database), 1, "vend source init")


def test_refresh_before_there_are_views(vend: Run, database: str) -> None:
    assert_sentence(vend("refresh", VEND_POSTGRES_DSN=database), 1, "vend build hot")


def test_missing_privilege(vend: Run, database: str) -> None:
    source.init(database)
    role = f"reader_{conninfo.conninfo_to_dict(database)['dbname']}"
    with psycopg.connect(database) as connection:
        connection.execute(f"create role {role} login")
        connection.execute(f"grant select on users, garages to {role}")
    try:
        dsn = conninfo.make_conninfo(database, user=role)
        assert_sentence(vend("sync", VEND_POSTGRES_DSN=dsn), 1, "payments", "grant select")
        assert_sentence(vend("build", "hot", VEND_POSTGRES_DSN=dsn), 1, "grant create on database")
    finally:
        with psycopg.connect(database) as connection:
            connection.execute(f"drop owned by {role}")
            connection.execute(f"drop role {role}")


def test_snowflake_without_its_settings(vend: Run) -> None:
    assert_sentence(vend("build", "cold", VEND_WAREHOUSE="snowflake"), 2, "SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER")


def test_cold_before_the_first_sync(vend: Run) -> None:
    assert_sentence(vend("build", "cold"), 1, "vend sync")


def test_home_that_cannot_be_written(vend: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_sentence(vend("up", VEND_HOME=str(tmp_path / "file" / "home")), 1, "VEND_HOME")


@pytest.mark.parametrize("command", [("sync",), ("build", "cold"), ("docs",)])
def test_duckdb_file_in_use(vend: Run, tmp_path: Path, database: str, command: tuple[str, ...]) -> None:
    source.init(database)
    path = tmp_path / "home" / "vend_analytics.duckdb"
    path.parent.mkdir()
    with duckdb.connect(path):
        assert_sentence(vend(*command, VEND_POSTGRES_DSN=database), 1, str(path), "in use")
    assert vend("sync", VEND_POSTGRES_DSN=database).returncode == 0


def test_a_report_waits_for_the_duckdb_file(tmp_path: Path) -> None:
    path = tmp_path / "vend_analytics.duckdb"
    command = [str(VEND), "report", "rpt_executive_dashboard"]
    with duckdb.connect(path):
        waits = subprocess.Popen(
            command, env={**os.environ, "VEND_HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True
        )
        assert waits.stderr is not None
        assert "waiting for it, 30 seconds at most" in waits.stderr.readline()
    _, said = waits.communicate()  # it has the file now, and nothing is built there
    assert (waits.returncode, "The cold side is not built yet" in said) == (1, True)


@pytest.mark.parametrize("command", [("sync",), ("build", "cold"), ("status",)])
def test_file_that_is_no_warehouse(vend: Run, tmp_path: Path, database: str, command: tuple[str, ...]) -> None:
    source.init(database)
    path = tmp_path / "letter.duckdb"
    path.write_text("Dear reader, this is no database.\n" * 500)
    finished = vend(*command, VEND_POSTGRES_DSN=database, VEND_DUCKDB_PATH=str(path))
    assert "is not a DuckDB file" in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    assert path.read_text().startswith("Dear reader")


@pytest.mark.parametrize("command", ["sync", "reconcile"])
def test_an_error_of_the_whole_run_is_json_too(vend: Run, database: str, command: str) -> None:
    parts = conninfo.conninfo_to_dict(database)
    for changed, code in ({"connect_timeout": "soon"}, 2), ({"host": "127.0.0.1", "port": "1"}, 1):
        dsn = conninfo.make_conninfo("", **{**parts, "password": SECRET, **changed})
        finished = vend(command, "--format", "json", VEND_POSTGRES_DSN=dsn)
        told = json.loads(finished.stdout)
        assert (finished.returncode, told["ok"]) == (code, False)
        assert f"Error: {told['error']}" in finished.stderr
        assert "VEND_POSTGRES_DSN" in told["error"]
        assert SECRET not in finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("warehouse", "code", "part"), [("duckdb", 1, "Another `vend run` is going on"), ("x", 2, "'x'")]
)
def test_a_run_that_is_refused_says_so_in_its_log(
    vend: Run, tmp_path: Path, warehouse: str, code: int, part: str
) -> None:
    (tmp_path / "home").mkdir()
    with (tmp_path / "home" / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finished = vend("run", VEND_WAREHOUSE=warehouse)
    (line,) = map(json.loads, finished.stderr.splitlines())
    assert (finished.returncode, line["level"], line["run_id"], line["step"]) == (code, "error", None, None)
    assert part in line["message"]


def test_env_prints_what_is_in_force_without_passwords(vend: Run, database: str) -> None:
    parts = conninfo.conninfo_to_dict(database)
    dsn = conninfo.make_conninfo("", **{**parts, "password": SECRET})
    finished = vend("env", VEND_POSTGRES_DSN=dsn)
    assert finished.returncode == 0
    assert SECRET not in finished.stdout + finished.stderr
    assert "password" in finished.stderr
    assert all(re.match(r"export [A-Z_]+=", line) for line in finished.stdout.splitlines())
    shell = f"{finished.stdout}\nprintf '%s' \"$VEND_POSTGRES_DSN\""
    said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert conninfo.conninfo_to_dict(said) == parts


def test_status_before_anything(vend: Run) -> None:
    finished = vend("status")
    assert finished.returncode == 0
    assert "is stopped" in finished.stdout
    assert "vend sync" in finished.stdout


def test_status_knows_the_last_whole_build(tmp_path: Path) -> None:
    target = tmp_path / "state" / "target" / "cold"
    target.mkdir(parents=True)
    settings = settings_in(tmp_path / "state")
    for name, at, as_of in ((dbt.WHOLE, 1, "2026-01-31 12:00:00"), ("run_results.json", 2, "2026-01-31 13:00:00")):
        metadata = {
            "generated_at": f"2026-02-0{at}T01:02:03Z",
            "invocation_id": str(at),
            "env": {dbt.AS_OF_NOTED: as_of},
        }
        (target / name).write_text(json.dumps({"metadata": metadata, "args": {}}))
    assert status._built(settings) == [
        "Cold       vend build cold ran 2026-02-01 01:02:03 UTC as of 2026-01-31 12:00:00 UTC",
        "Cold       a part of it ran 2026-02-02 01:02:03 UTC as of 2026-01-31 13:00:00 UTC",
    ]
    shutil.copy(target / "run_results.json", target / dbt.WHOLE)
    assert len(status._built(settings)) == 1


def test_a_command_without_a_checkout(tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(PROJECT / "tools" / "vend", copy / "deep" / "er" / "vend")
    finished = subprocess.run(
        [sys.executable, "-m", "vend", "status"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(copy / "deep" / "er")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert_sentence(finished, 1, "dbt_project.yml")


@pytest.mark.parametrize(
    ("arguments", "environment", "parts"),
    [
        (("no-such-alert",), {}, ("no-such-alert", "etl-sync-delayed")),
        (("--no-such-option",), {}, ("no-such-option",)),
        (("--format", "xml"), {}, ("xml",)),
        ((), {"VEND_WAREHOUSE": "oracle"}, ("oracle",)),
        ((), {"VEND_ALERT_WEBHOOK": f"hooks.example/{SECRET}"}, ("VEND_ALERT_WEBHOOK",)),
        ((), {"VEND_SMTP_URL": f"smtp://u:{SECRET}@mail.example"}, ("VEND_ALERT_FROM",)),
        ((), {"VEND_HOME": "/proc/none"}, ("VEND_HOME",)),
    ],
)
def test_check_in_wrong_usage_exits_3(
    vend: Run, arguments: tuple[str, ...], environment: dict[str, str], parts: tuple[str, ...]
) -> None:
    """1 and 2 would say that something was checked."""
    finished = vend("check", *arguments, **environment)
    assert (finished.returncode, finished.stdout) == (3, "")
    assert "Traceback" not in finished.stderr
    assert SECRET not in finished.stderr
    for part in parts:
        assert part in finished.stderr


def test_check_with_nothing_there_is_unknown_and_shows_no_secret(vend: Run, tmp_path: Path) -> None:
    secrets = {
        "VEND_ALERT_WEBHOOK": f"http://127.0.0.1:9/{SECRET}",
        "VEND_SMTP_URL": f"smtp://boss:{SECRET}@127.0.0.1:9",
        "VEND_ALERT_FROM": "vend@vend.example",
        "VEND_POSTGRES_DSN": f"postgresql://boss:{SECRET}@127.0.0.1:9/vend",
    }
    finished = vend("check", "--format", "json", **secrets)
    report = json.loads(finished.stdout)
    assert (finished.returncode, report["exit_code"], report["status"]) == (3, 3, "unknown")
    assert any(line.startswith("Webhook: ") for line in report["undelivered"])
    assert any(line.startswith("data-team@vend.com: ") for line in report["undelivered"])
    shown = vend("check", "disk-nearly-full", "etl-sync-delayed", **secrets)
    assert "There is no warehouse at" in shown.stdout
    kept = "".join(path.read_text() for path in (tmp_path / "home").glob("alerts*"))
    for text in (finished.stdout, finished.stderr, shown.stdout, shown.stderr, kept):
        assert SECRET not in text
        assert "Traceback" not in text

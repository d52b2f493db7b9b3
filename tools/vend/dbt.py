"""Runs dbt for one side of the project, as a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from vend import packages, postgres
from vend.errors import UsageError, VendError
from vend.progress import Progress
from vend.settings import Settings

# libpq's own variables, so that dbt's adapter and psql agree with the DSN in every detail
PG_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}

# Files that may be named from the folder one is in, while dbt runs in the project's.
FILES = ("SNOWFLAKE_PRIVATE_KEY_FILE", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY")

# dbt notes a variable of the environment that begins like this in its artifacts.
AS_OF_NOTED = "AS_OF"
AS_OF = f"DBT_ENV_CUSTOM_ENV_{AS_OF_NOTED}"

DBT = (sys.executable, "-P", "-m", "vend.tethered")
LOGGED = re.compile(r"\S*\d{2}:\d{2}:\d{2}")
NODE_STARTED = re.compile(r"(\d+) of (\d+) START")


@dataclass(frozen=True)
class Outcome:
    """What one dbt build did. nodes: (resource type, status) → how many; failures: one line each."""

    side: str
    exit_code: int
    seconds: float = 0.0
    nodes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def count(self, *statuses: str, kinds: Sequence[str] = ()) -> int:
        """How many nodes ended in one of the statuses, of the resource types given or of all."""
        return sum(n for (kind, status), n in self.nodes.items() if status in statuses and (not kinds or kind in kinds))


def target(settings: Settings, side: str) -> str:
    """The dbt target of a side: hot, cold (Snowflake) or cold_local (DuckDB)."""
    if side == "hot":
        return "hot"
    return "cold" if settings.warehouse == "snowflake" else "cold_local"


def pg_environment(dsn: str) -> dict[str, str]:
    """libpq's variables for a DSN; they hold its password if it has one."""
    parts = postgres.parse(dsn, "VEND_POSTGRES_DSN")
    return {name: str(parts[key]) for key, name in PG_VARIABLES.items() if parts.get(key)}


def environment(settings: Settings, dsn: str | None) -> dict[str, str]:
    """What dbt reads from the environment, beside what is there already. dsn: the hot side's, if needed."""
    values = {
        "VEND_HOME": str(settings.home),
        "VEND_WAREHOUSE": settings.warehouse,
        "VEND_DUCKDB_PATH": str(settings.duckdb_path),
    }
    if (settings.project / "profiles.yml").exists():
        values["DBT_PROFILES_DIR"] = str(settings.project)
    if dsn:
        values |= pg_environment(dsn)
    for name in FILES:
        given = values.get(name) or os.environ.get(name, "")
        if given and (file := Path(given).expanduser()).exists():
            values[name] = str(file.absolute())
    return values


# The results of the last build of a whole side, beside run_results.json, which may be those of a part.
WHOLE = "whole_build.json"
PARTS = {"--select", "-s", "--selector", "--models", "-m", "--exclude", "--resource-type", "--resource-types"}


def target_path(settings: Settings, side: str) -> Path:
    return settings.home / "target" / side


def build(
    settings: Settings,
    side: str,
    *,
    dsn: str | None = None,
    as_of: datetime | None = None,
    arguments: Sequence[str] = (),
    progress: Progress | None = None,
    environ: Mapping[str, str] | None = None,
) -> Outcome:
    """`dbt build` of one side; its own output goes to stderr, or only to its log file where `progress` is given.

    environ: variables beside those there are. Raises VendError if dbt cannot be started at all; a failed model or test
    is in the Outcome.
    """
    command = _command(settings, side, "build")
    if not any(a in ("--select", "-s", "--selector", "--models", "-m") for a in arguments):
        command += ["--selector", side]
    arguments, variables = _variables(arguments)
    if as_of and "as_of" in variables:
        raise UsageError("as_of is given twice, by --as-of and in --vars. Give it once.")
    if variables:
        command += ["--vars", json.dumps(variables, default=str)]
    outcome = _outcome([*command, *arguments], settings, side, dsn, progress, {**(environ or {}), **_instant(as_of)})
    if not PARTS & {argument.partition("=")[0] for argument in arguments}:
        results = target_path(settings, side) / "run_results.json"
        with suppress(OSError):  # a full disk: the build is told of all the same
            shutil.copyfile(results, results.with_name(WHOLE))
    return outcome


def _instant(as_of: datetime | None) -> dict[str, str]:
    """How macros/as_of.sql learns of --as-of; with other vars dbt would parse the whole project anew, 9 s."""
    return {AS_OF: as_of.isoformat(sep=" ") if as_of else ""}


def retry(settings: Settings, side: str, *, as_of: datetime | None, progress: Progress | None = None) -> Outcome:
    """`dbt retry`: what failed or was skipped in the last build of the side, as of that instant, with its arguments."""
    return _outcome(_command(settings, side, "retry"), settings, side, None, progress, _instant(as_of))


def freshness(settings: Settings) -> dict[str, str]:
    """pass, warn or error by table of RAW: how long ago it was loaded, as `dbt source freshness` sees it.

    Raises VendError where it cannot be told.
    """
    command = _command(settings, "cold", "source")
    command[1:1] = ["freshness"]
    found = target_path(settings, "cold") / "sources.json"
    found.unlink(missing_ok=True)
    _run(command, settings, {**os.environ, **environment(settings, None)}, "cold", lambda task, done, total=None: None)
    log = settings.home / "logs" / "cold" / "dbt.log"
    if not found.exists():
        raise VendError(f"The freshness of RAW cannot be told: {_last_error(log)} The whole story is in {log}.")
    results = _json(found, log)["results"]
    if failed := [node for node in results if node["status"] == "runtime error"]:
        raise VendError(f"The freshness of RAW cannot be told: {' '.join(str(failed[0].get('error')).split())[:300]}")
    return {node["unique_id"].rpartition(".")[2]: node["status"] for node in results}


def document(settings: Settings, side: str, dsn: str | None, *, types: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """dbt's manifest and catalog of a side. types: with what the database says of columns; else nothing is asked of it.

    In a folder of its own, so that a build's results stay for `retry`. Raises VendError with dbt's words.
    """
    catalog: dict[str, Any] = {"nodes": {}, "sources": {}}
    manifest = _written(settings, side, dsn, ["parse"], "manifest.json")
    if types:
        catalog = _written(settings, side, dsn, ["docs", "generate", "--no-compile"], "catalog.json")
    if catalog.get("errors"):
        said = " ".join(str(catalog["errors"][0]).split())[:300]
        raise VendError(f"The columns of the {side} side cannot be read: {said}")
    return manifest, catalog


def _written(settings: Settings, side: str, dsn: str | None, verb: list[str], name: str) -> dict[str, Any]:
    """What such a dbt command leaves in the file of that name."""
    folder = settings.home / "target" / "docs" / side
    command = _command(settings, side, verb[0])
    command[1:1] = verb[1:]
    command += ["--target-path", str(folder)]
    (folder / name).unlink(missing_ok=True)
    exit_code = _run(
        command, settings, {**os.environ, **environment(settings, dsn)}, side, lambda task, done, total=None: None
    )
    if exit_code or not (folder / name).exists():
        log = settings.home / "logs" / side / "dbt.log"
        raise VendError(f"The {side} side cannot be documented: {_last_error(log)} The whole story is in {log}.")
    found: dict[str, Any] = json.loads((folder / name).read_text())
    return found


def compiled(settings: Settings, side: str, manifest: dict[str, Any]) -> dict[str, str]:
    """The SQL that the last build of the side ran, by the unique ids of models that are still as they were then."""
    try:
        last = json.loads((target_path(settings, side) / "manifest.json").read_text())["nodes"]
    except (OSError, ValueError):
        return {}
    return {
        name: last[name]["compiled_code"]
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
        and last.get(name, {}).get("compiled_code")
        and last[name]["checksum"] == node["checksum"]
    }


def _command(settings: Settings, side: str, verb: str) -> list[str]:
    """A command of dbt with what each is given here; a profile is made where there is none."""
    packages.ensure(settings)
    settings.make_home()
    profile = settings.project / "profiles.yml"
    if not profile.exists() and not profile.is_symlink() and not (Path.home() / ".dbt/profiles.yml").exists():
        profile.symlink_to("profiles.yml.example")
    command = [verb, "--project-dir", str(settings.project)]
    command += ["--target", target(settings, side), "--target-path", str(target_path(settings, side))]
    command += ["--log-path", str(settings.home / "logs" / side)]
    return command if sys.stderr.isatty() else [*command, "--no-use-colors"]


def _outcome(
    command: list[str],
    settings: Settings,
    side: str,
    dsn: str | None,
    progress: Progress | None,
    environ: Mapping[str, str],
) -> Outcome:
    results = target_path(settings, side) / "run_results.json"
    if command[0] != "retry":  # which begins with them
        results.unlink(missing_ok=True)
    exit_code = _run(command, settings, {**os.environ, **environment(settings, dsn), **environ}, side, progress)
    return read_results(side, exit_code, results, settings.home / "logs" / side / "dbt.log")


def operation(
    settings: Settings,
    name: str,
    dsn: str | None = None,
    *,
    side: str = "hot",
    environ: Mapping[str, str] | None = None,
    **arguments: Any,
) -> str:
    """What `dbt run-operation` on the hot side, or on Snowflake as the cold one, printed.

    environ: variables beside those there are. Raises VendError with the database's own words.
    """
    packages.ensure(settings)
    settings.make_home()
    log = settings.home / "logs" / side
    command = ["--quiet", "--no-write-json", "run-operation", name]  # a build's results stay
    command += ["--args", json.dumps(arguments), "--project-dir", str(settings.project), "--target", side]
    command += ["--target-path", str(target_path(settings, side)), "--log-path", str(log), "--no-use-colors"]
    variables = {**os.environ, **environment(settings, dsn), **(environ or {})}
    with _started(command, settings, variables, subprocess.PIPE, subprocess.DEVNULL) as process:
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        said = _database_says(output) or f"dbt run-operation {name} failed. The whole story: {log}"
        if running := _last_printed(output):
            said += f" The statement was: {running}"
        raise VendError(said)
    return output.strip()


def _last_printed(output: str) -> str:
    """The statement that a macro printed last before dbt says what went wrong; empty if it printed none."""
    printed = re.split(r"\S*\d{2}:\d{2}:\d{2}\S*\s+Encountered an error", output)[0].strip()
    return " ".join(printed.rpartition(";\n")[2].split()) if printed.endswith(";") else ""


def _database_says(output: str) -> str:
    """The message of the database in dbt's output, without the place in the SQL."""
    found = re.search(
        r"Database Error\s+(.*?)(?=\s+(?:CONTEXT|DETAIL|HINT|LINE \d+|compiled code|$))", output, re.DOTALL
    )
    return " ".join(found[1].split()) if found else ""


def _variables(arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The arguments without --vars, and the vars they gave: dbt heeds the last --vars only."""
    import yaml

    rest: list[str] = []
    variables: dict[str, Any] = {}
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        name, given, value = argument.partition("=")
        if name != "--vars":
            rest.append(argument)
            continue
        if not given and not queue:
            raise UsageError("--vars wants a value, as in --vars '{reporting_timezone: America/Chicago}'.")
        try:
            parsed = yaml.safe_load(value if given else queue.pop(0))
        except yaml.YAMLError:
            parsed = None
        if not isinstance(parsed, dict):
            raise UsageError("--vars is no mapping; write it as '{reporting_timezone: America/Chicago}'.")
        variables |= parsed
    return rest, variables


def _run(command: list[str], settings: Settings, environ: dict[str, str], side: str, progress: Progress | None) -> int:
    """dbt's exit code."""
    output = (sys.stderr, sys.stderr) if progress is None else (subprocess.PIPE, subprocess.STDOUT)
    with _started(command, settings, environ, *output) as process:
        for line in process.stdout or ():
            if progress is not None and (node := NODE_STARTED.search(line)):
                progress(f"dbt build {side}", int(node[1]), int(node[2]))
    return process.returncode


@contextmanager
def _started(
    command: list[str], settings: Settings, environ: Mapping[str, str], stdout: Any, stderr: Any
) -> Iterator[subprocess.Popen[str]]:
    """dbt, which ends when the block or this process does. It has a session of its own, so that Ctrl-C comes to us
    alone."""
    with subprocess.Popen(
        [*DBT, *command],
        cwd=settings.project,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            yield process
            process.wait()
        except BaseException:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
            raise


def read_results(side: str, exit_code: int, results: Path, log: Path) -> Outcome:
    """The Outcome from dbt's run_results.json."""
    if not results.exists():
        raise VendError(
            f"dbt stopped before it built anything of the {side} side: {_last_error(log)} The whole story is in {log}."
        )
    document = _json(results, log)
    nodes: Counter[tuple[str, str]] = Counter()
    failures = []
    for node in document["results"]:
        kind, _, name = node["unique_id"].split(".", 2)
        nodes[kind, node["status"]] += 1
        if node["status"] in ("error", "fail"):
            failures.append(f"{kind} {name}: {_one_line(node)}")
    return Outcome(side, exit_code, float(document["elapsed_time"]), nodes, failures)


def _json(artifact: Path, log: Path) -> Any:
    try:
        return json.loads(artifact.read_text())
    except ValueError:
        raise VendError(
            f"dbt could not finish {artifact}: {_last_error(log)} Is the disk full? The whole story is in {log}."
        ) from None


def _one_line(node: dict[str, Any]) -> str:
    lines = [line.strip() for line in str(node.get("message") or node["status"]).splitlines() if line.strip()]
    return " ".join(lines[:3])[:300]


def _last_error(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "it left no log."
    marks = [i for i, line in enumerate(lines) if "Encountered an error" in line]
    if not marks:
        return "it gave no reason."
    # the lines of the message, up to the next one with a time of its own
    message = itertools.takewhile(lambda line: not LOGGED.match(line), lines[marks[-1] + 1 :])
    text = " ".join(line.strip() for line in message)[:400]
    return text if text.endswith(".") else f"{text}."

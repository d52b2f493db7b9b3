"""The schedules to copy: what they say is read by cron's, systemd's and GitHub's rules, and what they call is there."""

from __future__ import annotations

import configparser
import importlib.metadata
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from conftest import PROJECT

from vend.cli import main

SCHEDULES = PROJECT / "examples" / "schedules"
DEPLOYED = "/srv/vend_analytics"
SECRET = "hunter2-much-secret"
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
WORKFLOWS = sorted((SCHEDULES / "github").glob("*.yml"))


def accepted(words: list[str]) -> None:
    """Fails where the command line of vend has no such command, option or argument."""
    command: click.Command = main
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    command.make_context("vend", words)


# --------------------------------------------------------------------------------------------- crontab


def lines_of(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The settings of a crontab, and its (times, command)."""
    settings, jobs = {}, []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if setting := re.fullmatch(r"([A-Z_]+)=(.*)", line):
            settings[setting[1]] = setting[2]
        else:
            *times, command = line.split(None, 5)
            jobs.append((" ".join(times), command))
    return settings, jobs


def moments(times: str, start: datetime, days: int) -> list[datetime]:
    """When cron would run it in the days from `start`, which is a midnight. Day and weekday are * in ours."""
    allowed = []
    for field, (lowest, highest) in zip(times.split(), FIELDS, strict=True):
        values: set[int] = set()
        for part in field.split(","):
            found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
            assert found, f"cron does not read {part!r}"
            first = int(found[1]) if found[1] else lowest
            last = int(found[2]) if found[2] else (highest if not found[1] or found[3] else first)
            assert lowest <= first <= last <= highest, part
            values |= set(range(first, last + 1, int(found[3] or 1)))
        allowed.append(values)
    every = (start + timedelta(minutes=n) for n in range(days * 24 * 60))
    assert allowed[2] >= set(range(1, 32))
    assert allowed[4] >= set(range(7))
    return [at for at in every if at.minute in allowed[0] and at.hour in allowed[1] and at.month in allowed[3]]


CRONTAB = (SCHEDULES / "crontab").read_text()
# the lines for those who want them otherwise as well
OTHERWISE = re.sub(r"^#(?=[\d*])", "", CRONTAB, flags=re.MULTILINE)


def test_the_crontab_calls_often_enough() -> None:
    settings, jobs = lines_of(CRONTAB)
    assert settings["PATH"].split(":")[0] == f"{DEPLOYED}/examples/schedules"
    assert "@" in settings["MAILTO"]
    alerts = {alert["name"]: alert for alert in yaml.safe_load((PROJECT / "alerts.yml").read_text())["alerts"]}
    late = timedelta(hours=float(alerts["ETL Sync Delayed"]["threshold"]))
    for command, longest in (("run", late), ("check", timedelta(minutes=15)), ("reconcile", timedelta(days=1))):
        (times,) = [times for times, line in jobs if line.startswith(f"vend-cron {command}")]
        found = moments(times, datetime(2028, 2, 28), 3)  # over a leap day
        gaps = {later - earlier for earlier, later in itertools.pairwise(found)}
        assert max(gaps) <= longest, command
        assert max(gaps) == min(gaps)
    runs, night = ({at.time() for at in moments(times, datetime(2026, 1, 1), 1)} for times, _ in (jobs[0], jobs[2]))
    assert not runs & night


def test_cron_takes_the_crontab(tmp_path: Path) -> None:
    crontab = shutil.which("crontab")
    if crontab is None:
        pytest.skip("no cron on this machine")
    for number, text in enumerate((CRONTAB, OTHERWISE)):
        file = tmp_path / str(number)
        file.write_text(text)
        checked = [subprocess.run([crontab, flag, str(file)], capture_output=True) for flag in ("-n", "-T")]
        assert any(each.returncode == 0 for each in checked), [each.stderr for each in checked]


@pytest.mark.parametrize("text", [CRONTAB, OTHERWISE])
def test_each_line_runs_what_there_is(tmp_path: Path, text: str) -> None:
    """By the shell, as cron does, in a folder with another `vend` that tells how it was called."""
    place = tmp_path / "vend_analytics"
    (place / ".venv" / "bin").mkdir(parents=True)
    shutil.copytree(SCHEDULES, place / "examples" / "schedules")
    vend = place / ".venv" / "bin" / "vend"
    vend.write_text(f'#!/bin/sh\nprintf "%s\\n" "$WHO: $*" >>{tmp_path}/calls\n')
    vend.chmod(0o755)
    for name in ("sync", "dbt"):
        (tmp_path / f"{name}.env").write_text(f"WHO={name}\n")
    settings, jobs = lines_of(text.replace(DEPLOYED, str(place)).replace("/etc/vend", str(tmp_path)))
    for _, command in jobs:
        environment = {**settings, "HOME": str(tmp_path), "WHO": "", "VEND_LOGS": str(tmp_path / "logs")}
        done = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, cwd="/")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), command
    calls = [line.partition(": ") for line in (tmp_path / "calls").read_text().splitlines()]
    assert len(calls) == sum(command.count("vend-cron ") for _, command in jobs)
    for _, _, arguments in calls:
        accepted(shlex.split(arguments))
    if text is OTHERWISE:
        assert [who for who, _, arguments in calls if arguments in ("sync", "run --no-sync")] == ["sync", "dbt"]


def test_what_cron_mails(tmp_path: Path) -> None:
    """Nothing of a success; of a failure the sentence, and no secret."""
    home = tmp_path / "home"
    settings = tmp_path / "env"
    settings.write_text(
        f"VEND_HOME='{home}'\nVEND_POSTGRES_DSN='postgresql://someone:{SECRET}@127.0.0.1:1/vend?sslmode=disable&target_session_attrs=any'\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VEND_", "PG", "SNOWFLAKE_"))}
    outcomes = {}
    for command in ("setup", "refresh", "check", "no-such-command"):
        done = subprocess.run(
            [str(SCHEDULES / "vend-cron"), command],
            env={**kept, "VEND_ENV": str(settings)},
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert done.stderr == ""
        outcomes[command] = (done.returncode, done.stdout)
        assert SECRET not in done.stdout + (home / "logs" / f"{command}.log").read_text()
    assert outcomes["setup"] == (0, "")
    assert outcomes["refresh"][0] == 1
    assert "127.0.0.1:1" in outcomes["refresh"][1]
    assert outcomes["check"][0] == 3
    assert "vend check ended with 3" in outcomes["check"][1]
    assert outcomes["no-such-command"][0] == 2


@pytest.mark.parametrize(("code", "told"), [(0, False), (1, False), (2, False), (3, True), (143, True)])
def test_an_alert_is_not_told_twice(tmp_path: Path, code: int, told: bool) -> None:
    place = tmp_path / "examples" / "schedules"
    place.mkdir(parents=True)
    shutil.copy(SCHEDULES / "vend-cron", place)
    vend = tmp_path / ".venv" / "bin" / "vend"
    vend.parent.mkdir(parents=True)
    vend.write_text(f"#!/bin/sh\nexit {code}\n")
    vend.chmod(0o755)
    done = subprocess.run([place / "vend-cron", "check"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert (done.returncode, bool(done.stdout)) == (code, told)


# --------------------------------------------------------------------------------------------- systemd


def test_the_service(tmp_path: Path) -> None:
    text = (SCHEDULES / "vend-refresh.service").read_text()
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    service = dict(unit["Service"])
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == f"{service['WorkingDirectory']}/.venv/bin/vend"
    assert service["WorkingDirectory"] == DEPLOYED
    accepted(arguments)
    assert service["Restart"] == "always"
    assert service["SuccessExitStatus"] == "143"  # test_refresh.py holds that SIGTERM ends it so
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd on this machine; the rest was looked at")
    here = tmp_path / "vend-refresh.service"
    deployed = tmp_path / "vend_analytics"  # this checkout's own path may have a space
    deployed.symlink_to(PROJECT)
    here.write_text(text.replace(DEPLOYED, str(deployed)))
    done = subprocess.run([verify, "verify", str(here)], capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "vend-refresh" in line]) == (0, [])


# ---------------------------------------------------------------------------------------------- GitHub


def workflow(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    # YAML 1.1 reads `on` as a truth
    return {"on" if key is True else key: value for key, value in document.items()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_workflow_is_one(path: Path) -> None:
    try:
        packed = importlib.metadata.files("check-jsonschema") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.fail("check-jsonschema is not here. Run `make setup`.", pytrace=False)
    (schema,) = [file for file in packed if file.match("vendor/github-workflows.json")]
    jsonschema.validate(workflow(path), json.loads(schema.read_text()))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_steps_of_the_workflow(path: Path) -> None:
    document = workflow(path)
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    calls = 0
    for job in document["jobs"].values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            if "run" not in step:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
                continue
            script = step["run"]
            assert "${{" not in script, "an expression in a script is a way in for whoever names a branch"
            assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
            for line in script.splitlines():
                for call in re.findall(r"(?:^|\s)(?:\.venv/bin/vend) ([^>;|]+)", line):
                    words = [
                        word.replace("$AS_OF", "2026-01-31") for word in shlex.split(re.sub(r"\$\{.*?\}", "", call))
                    ]
                    accepted(words)
                    calls += 1
                for target in re.findall(r"(?:^|\s)make ([a-z-]+)", line):
                    assert target in targets
                    calls += 1
    assert calls >= 4


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_secrets_come_from_the_environment_and_are_named_in_the_docs(path: Path) -> None:
    text = path.read_text()
    page = (PROJECT / "docs" / "schedules.md").read_text()
    for name in set(re.findall(r"(?:secrets|vars)\.([A-Z_]+)", text)):
        assert f"`{name}`" in page, name
    document = workflow(path)
    for job in document["jobs"].values():
        for step in job["steps"]:
            assert "secrets." not in step.get("run", "") + json.dumps(step.get("with", {}))
            if ".p8" in step.get("run", "") and ">" in step["run"]:
                assert step["run"].startswith("umask 077\n")
    if "pull_request" in document["on"]:
        for job in document["jobs"].values():
            if "secrets." in json.dumps(job):
                assert "head.repo.full_name == github.repository" in job["if"]
    else:
        assert document["concurrency"]["cancel-in-progress"] is False
        (schedule,) = document["on"]["schedule"]
        assert len(moments(schedule["cron"], datetime(2026, 1, 1), 1)) == 4

"""What dbt made of the project, shared by all homes of a test run.

dbt keeps a parsed project beside what it builds, and throws it away when the connection is another one or vars are
given, for a model could read them while it is parsed. Ours read no more of the connection than the database's name,
and none of the vars that loaded.UNREAD names (test_catalog.py). A parse takes 10 s, so each home of the tests begins
with the one of the loader, with that name, the folder and the checksums of connection and vars replaced.
Where this does not fit, dbt notices and parses anew.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pprint
import re
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import msgpack
import yaml
from loaded import PARSED, UNREAD, Loader

from vend import dbt
from vend.settings import Settings

OWN_NAME = re.compile(rb"test_[0-9a-f]{12}")
COLD_NAME = "vend_analytics"

Run = Callable[..., int]


def running(run: Run, loader: Loader) -> Run:
    """vend.dbt._run, but that the parse comes from the loader."""

    def shared(command: list[str], settings: Settings, environ: dict[str, str], *rest: Any) -> int:
        if command[0] != "retry":  # which has the vars of the build before
            _share(loader, command, settings, environ)
        return run(command, settings, environ, *rest)

    return shared


def operating(operation: Callable[..., str], loader: Loader) -> Callable[..., str]:
    """vend.dbt.operation in the same way."""

    def shared(settings: Settings, name: str, dsn: str | None = None, *, side: str = "hot", **more: Any) -> str:
        command = ["--target", side, "--target-path", str(dbt.target_path(settings, side))]
        environ = {**os.environ, **dbt.environment(settings, dsn), **(more.get("environ") or {})}
        _share(loader, command, settings, environ)
        return operation(settings, name, dsn, side=side, **more)

    return shared


def _share(loader: Loader, command: list[str], settings: Settings, environ: dict[str, str]) -> None:
    own = Path(_after(command, "--target-path")) / PARSED
    target = _after(command, "--target")
    variables = yaml.safe_load(_after(command, "--vars") or "{}")
    named = environ.get("PGDATABASE", "") if target == "hot" else Path(environ["VEND_DUCKDB_PATH"]).stem
    if not (OWN_NAME.fullmatch(named.encode()) if target == "hot" else named == COLD_NAME) or variables.keys() - UNREAD:
        return
    checksums = [
        _checksum(str(settings.project), target, tuple(sorted(_connection(environ).items()))).encode(),
        _checksum_of_variables(variables, target).encode(),
    ]
    if own.exists() and all(checksum in own.read_bytes() for checksum in checksums):
        return
    if variables.get("reporting_timezone", "UTC") not in available_timezones():
        return  # no parse outlasts that
    if parsed := loader.parsed(target):
        for before, checksum in zip(_checksums(parsed), checksums, strict=True):
            parsed = parsed.replace(before, checksum)
        if target == "hot":
            parsed = OWN_NAME.sub(named.encode(), parsed)
        if settings.project != loader.project:
            parsed = msgpack.packb(
                _moved(msgpack.unpackb(parsed, strict_map_key=False), str(loader.project), str(settings.project))
            )
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(parsed)


def _after(command: Sequence[str], option: str) -> str:
    """The value of the option, the last one if it is given twice."""
    values = [value for name, value in pairwise(command) if name == option]
    return values[-1] if values else ""


@cache
def _checksums(parsed: bytes) -> list[bytes]:
    state = msgpack.unpackb(parsed, strict_map_key=False)["state_check"]
    return [state[name]["checksum"].encode() for name in ("profile_hash", "vars_hash")]


def _moved(value: Any, old: str, new: str) -> Any:
    """With the project's folder replaced, where it stands by itself."""
    if isinstance(value, dict):
        return {name: _moved(part, old, new) for name, part in value.items()}
    if isinstance(value, list):
        return [_moved(part, old, new) for part in value]
    return new if value == old else value


def _connection(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(("PG", "VEND_", "SNOWFLAKE_", "DBT_"))}


@cache
def _checksum(project: str, target: str, connection: tuple[tuple[str, str], ...]) -> str:
    """That of the connection, as dbt.parser.manifest reckons it."""
    from dbt.config.runtime import load_profile
    from dbt.flags import set_from_args
    from dbt_common.context import set_invocation_context

    set_from_args(Namespace(profiles_dir=project), None)
    set_invocation_context({**os.environ, **dict(connection)})
    profile = load_profile(project, {}, "vend_analytics", target)
    return hashlib.sha256(pprint.pformat(sorted(profile.credentials.connection_info())).encode()).hexdigest()


def _checksum_of_variables(variables: dict[str, Any], target: str) -> str:
    """That of --vars, as dbt.parser.manifest reckons it."""
    parts = (pprint.pformat(variables), "", target, importlib.metadata.version("dbt-core"))
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()

"""What dbt made of the project, shared by all homes of a test run.

dbt keeps a parsed project beside what it builds, and throws it away when the connection is another one, for a model
could read it. Ours read no more of it than the database's name. A parse takes 9 s, so each home of the tests begins
with the parse of an earlier one of the same target and vars, with that name and the connection's checksum replaced.
Where this does not fit, dbt notices and parses anew.
"""

from __future__ import annotations

import hashlib
import os
import pprint
import re
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack

from vend import dbt
from vend.settings import Settings

PARSED = "partial_parse.msgpack"
OWN_NAME = re.compile(rb"test_[0-9a-f]{12}")

Run = Callable[..., int]


def running(run: Run, folder: Path) -> Run:
    """vend.dbt._run, but that the parse comes from the folder, or goes there."""

    def shared(command: list[str], settings: Settings, environ: dict[str, str], *rest: Any) -> int:
        with _shared(folder, command, settings, environ):
            return run(command, settings, environ, *rest)

    return shared


def operating(operation: Callable[..., str], folder: Path) -> Callable[..., str]:
    """vend.dbt.operation in the same way."""

    def shared(settings: Settings, name: str, dsn: str | None = None, *, side: str = "hot", **more: Any) -> str:
        command = ["--target", side, "--target-path", str(dbt.target_path(settings, side))]
        environ = {**os.environ, **dbt.environment(settings, dsn), **(more.get("environ") or {})}
        with _shared(folder, command, settings, environ):
            return operation(settings, name, dsn, side=side, **more)

    return shared


@contextmanager
def _shared(folder: Path, command: list[str], settings: Settings, environ: dict[str, str]) -> Iterator[None]:
    own = Path(_after(command, "--target-path")) / PARSED
    target = _after(command, "--target")
    named = environ.get("PGDATABASE", "") if target == "hot" else Path(environ["VEND_DUCKDB_PATH"]).stem
    same = OWN_NAME.sub(b"test_", named.encode()).decode()
    kept = folder / f"{target}-{hashlib.sha256(repr((same, _after(command, '--vars'))).encode()).hexdigest()[:16]}"
    checksum = _checksum(str(settings.project), target, tuple(sorted(_connection(environ).items()))).encode()
    if kept.exists() and not (own.exists() and checksum in own.read_bytes()):
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(_moved(kept.read_bytes(), named.encode(), checksum))
    yield
    if own.exists() and not kept.exists():
        draft = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        draft.write_bytes(own.read_bytes())
        draft.rename(kept)


def _after(command: Sequence[str], option: str) -> str:
    """The value of the option, the last one if it is given twice."""
    values = [value for name, value in pairwise(command) if name == option]
    return values[-1] if values else ""


def _moved(parsed: bytes, name: bytes, checksum: bytes) -> bytes:
    before = msgpack.unpackb(parsed, strict_map_key=False)["state_check"]["profile_hash"]["checksum"]
    parsed = parsed.replace(before.encode(), checksum)
    return OWN_NAME.sub(name, parsed) if OWN_NAME.fullmatch(name) else parsed


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

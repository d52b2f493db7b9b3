"""What all tests share: one real Postgres for the whole run, and a fresh database for whoever asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import parsed
import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as limits
from loaded import Loader
from psycopg import conninfo

from vend import dbt, server
from vend.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]

# The files that take minutes, longest first: begun last they would leave the other workers idle at the end.
LONG = (
    *("test_builds", "test_figures", "test_zones", "test_catalog", "test_refresh", "test_run", "test_hot", "test_demo"),
    *("test_snowflake", "test_secrets", "test_kill", "test_tenants_roles", "test_cdnow", "test_fivetran", "test_sync"),
    *("test_interleavings", "test_drift", "test_outages", "test_failover", "test_tenants", "test_model"),
)

WITH_UNIT_TESTS = {"DBT_EXCLUDE_RESOURCE_TYPES": ""}

# A slow machine is not a failure.
limits.register_profile("vend", deadline=None, suppress_health_check=[HealthCheck.too_slow])
limits.load_profile("vend")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


def settings_in(home: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "project": PROJECT,
        "home": home,
        "postgres_dsn": None,
        "source_dsn": None,
        "warehouse": "duckdb",
        "duckdb_path": home / "vend_analytics.duckdb",
    }
    return Settings(**values | changes)


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    folder = tmp_path_factory.getbasetemp()
    loader = Loader((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "parsed", PROJECT)
    yield loader
    loader.end()


@pytest.fixture(scope="session", autouse=True)
def _loaded_once(loader: Loader) -> Iterator[None]:
    """dbt is loaded once per worker, and parses the project once for all homes and workers."""
    if sys.platform != "linux":  # as loaded.py is written
        yield
        return
    started = SimpleNamespace(**vars(subprocess) | {"Popen": loader.dbt})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "_run", parsed.running(dbt._run, loader))
        patch.setattr(dbt, "operation", parsed.operating(dbt.operation, loader))
        patch.setattr(dbt, "subprocess", started)
        yield


@pytest.fixture(scope="session", autouse=True)
def _unit_tests_apart() -> Iterator[None]:
    """dbt's unit tests bring rows of their own; WITH_UNIT_TESTS is for the build of a file that looks at them.

    Nor does dbt log each statement, with which it spends a tenth of its time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_EXCLUDE_RESOURCE_TYPES", "unit_test")
        patch.setenv("DBT_LOG_LEVEL_FILE", "info")
        yield


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """A server where this session may create databases: VEND_TEST_POSTGRES_DSN, else an embedded one."""
    if given := os.environ.get("VEND_TEST_POSTGRES_DSN"):
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="vend-"))
    folder.chmod(0o755)  # as root the server runs as another user
    settings = settings_in(folder / "home")
    try:
        dsn = server.up(settings)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):  # it need not outlast a power cut
                connection.execute(f"alter system set {setting} = off".encode())
            connection.execute("select pg_reload_conf()")
        yield dsn
    finally:
        server.down(settings)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make_database(server_dsn: str) -> Iterator[Callable[[], str]]:
    """Call it for the DSN of a fresh, empty database; all are dropped at the end of the session."""
    made: list[str] = []

    def make() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        made.append(name)
        return conninfo.make_conninfo(server_dsn, dbname=name)

    yield make
    for name in made:
        _drop(server_dsn, name)


@pytest.fixture(scope="session")
def copy_database(server_dsn: str, make_database: Callable[[], str]) -> Callable[..., str]:
    """Call it with the DSN of a database that nobody uses for that of a copy: a new one, or what `onto` names, anew.

    dbt parses a project once per database, so what is built in a copy of the same name is not parsed again.
    """

    def copy(dsn: str, onto: str | None = None) -> str:
        target = onto or make_database()
        names = [str(conninfo.conninfo_to_dict(address)["dbname"]) for address in (target, dsn)]
        _drop(server_dsn, names[0])
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            connection.execute(f"create database {names[0]} template {names[1]}")
        return target

    return copy


@pytest.fixture
def database(server_dsn: str, make_database: Callable[[], str]) -> Iterator[str]:
    """The DSN of a fresh, empty database, dropped after the test."""
    dsn = make_database()
    yield dsn
    _drop(server_dsn, str(conninfo.conninfo_to_dict(dsn)["dbname"]))


@pytest.fixture
def home(tmp_path: Path) -> Callable[..., Settings]:
    """Call it, with fields to change, for Settings whose state folder is the test's own."""
    return lambda **changes: settings_in(tmp_path / "home", **changes)


def _drop(server_dsn: str, name: str) -> None:
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")

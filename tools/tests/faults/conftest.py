"""A place for each case: a source with rows, a warehouse, and the count of what was compared."""

from __future__ import annotations

import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from faults import checker, rows, servers
from vend.settings import Settings
from vend.source import init
from vend.sync import Run, sync

ALL = os.environ.get("VEND_FAULTS") == "all"
GIVEN = "given"
VERSIONS = [GIVEN] if "VEND_TEST_POSTGRES_DSN" in os.environ else [*servers.found()][::-1]
HERE = VERSIONS[0]


@dataclass
class Count:
    cases: int = 0
    comparisons: int = 0
    rows: int = 0
    differences: int = 0
    versions: set[str] = field(default_factory=set)


COUNTS: dict[str, Count] = defaultdict(Count)


@dataclass
class Site:
    """A source, its warehouse and what is done with them. connection: autocommit, to the source."""

    settings: Settings
    dsn: str
    connection: psycopg.Connection[Any]
    kind: str = ""

    @property
    def file(self) -> Path:
        return self.settings.duckdb_path

    def sync(self, **options: Any) -> Run:
        """A sync in which every table has to succeed."""
        run = sync(self.settings, self.dsn, **options)
        assert run.ok, [table.error for table in run.tables if table.error]
        return run

    def check(self, cases: int = 0, names: tuple[str, ...] = checker.TABLES) -> None:
        """Compare everything; the sync before has succeeded."""
        self._judge(checker.settled(self.connection, self.file, self.settings.home / "stage", names), cases)

    def sync_and_check(self, cases: int = 0, **options: Any) -> Run:
        run = self.sync(**options)
        self.check(cases)
        return run

    def check_untorn(self, before: dict[str, checker.Side], after: dict[str, checker.Side]) -> None:
        """The sync before has died. What it left is looked at in a copy, so that recovering it is left to the next."""
        folder = self.settings.home.with_name("copy")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for left in self.file.parent.glob(self.file.name + "*"):
            shutil.copy(left, folder)
        if (folder / self.file.name).exists():
            with checker.duckdb.connect(folder / self.file.name):
                pass  # replays what the dead process had written ahead
            self._judge(checker.untorn(folder / self.file.name, before, after), 0)

    def _judge(self, result: checker.Result, cases: int) -> None:
        count = COUNTS[self.kind]
        count.cases += cases
        count.comparisons += 1
        count.rows += result.rows
        count.differences += len(result.differences)
        count.versions.add(str(self.connection.info.server_version // 10000))
        assert not result.differences, "\n".join([f"{len(result.differences)} differences", *result.differences[:9]])

    def with_home(self, home: Path) -> Site:
        return replace(self, settings=replace(self.settings, home=home, duckdb_path=home / "vend_analytics.duckdb"))


@contextmanager
def _site(server: str, settings: Settings, kind: str) -> Iterator[Site]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(f"create database {name}")
        dsn = conninfo.make_conninfo(server, dbname=name)
        init(dsn)
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("set timezone to 'UTC'")
                rows.loosen(connection)
                yield Site(settings, dsn, connection, kind)
        finally:
            link.execute(f"drop database {name} with (force)")


def _kind(request: pytest.FixtureRequest) -> str:
    marker = request.node.get_closest_marker("kind")
    return str(marker.args[0])


@pytest.fixture(scope="session")
def servers_running() -> Iterator[Callable[[str], str]]:
    """Call it with a version for the DSN of its server, started when first asked for."""
    with ExitStack() as stack:
        yield cache(lambda version: stack.enter_context(servers.started(servers.found()[version])))


@pytest.fixture(params=VERSIONS if ALL else [HERE], scope="session")
def each_server(servers_running: Callable[[str], str], request: pytest.FixtureRequest) -> str:
    """Every Postgres there is; without VEND_FAULTS=all the first."""
    return os.environ["VEND_TEST_POSTGRES_DSN"] if request.param == GIVEN else servers_running(request.param)


@pytest.fixture
def site(
    servers_running: Callable[[str], str], home: Callable[..., Settings], request: pytest.FixtureRequest
) -> Iterator[Site]:
    """For what does not depend on the version: on the first Postgres."""
    server = os.environ["VEND_TEST_POSTGRES_DSN"] if HERE == GIVEN else servers_running(HERE)
    with _site(server, home(), _kind(request)) as made:
        yield made


@pytest.fixture
def each_site(each_server: str, home: Callable[..., Settings], request: pytest.FixtureRequest) -> Iterator[Site]:
    with _site(each_server, home(), _kind(request)) as made:
        yield made


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The counts, as a table for docs/reliability.md."""
    if not COUNTS:
        return
    terminalreporter.section("fault suite")
    terminalreporter.line("| what happened | cases | comparisons | rows compared | differences | Postgres |")
    terminalreporter.line("|---|---:|---:|---:|---:|---|")
    for kind, count in COUNTS.items():
        versions = ", ".join(sorted(count.versions, key=int))
        figures = f"{count.cases:,} | {count.comparisons:,} | {count.rows:,} | {count.differences:,}"
        terminalreporter.line(f"| {kind} | {figures} | {versions} |")

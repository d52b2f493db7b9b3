"""The disk fills up, the connection breaks, the server ends the session, and several runs want the same warehouse."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
from psycopg import conninfo

from faults import checker, rows
from faults.conftest import ALL, Site
from faults.rows import Maker
from faults.victim import Steps, Victim, wrapped
from vend.errors import VendError
from vend.sync import sync

DISK = 48 << 20


def prepared(site: Site, seed: int, numbers: range) -> dict[str, checker.Side]:
    """A warehouse that is behind the source by some rows; what is in RAW."""
    maker = Maker(site.connection, seed)
    rows.fill(site.connection, maker, numbers)
    site.sync_and_check()
    rows.disturb(site.connection, maker, numbers, 10_000)
    return checker.raw(site.file)


def told(outcome: str, errors: list[str]) -> bool:
    """Whether the sync failed, and by sentences, as it has to."""
    assert outcome in ("done", "refused"), (outcome, errors)
    assert all(error.endswith(".") and "Traceback" not in error for error in errors), errors
    return bool(errors)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", folder], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"a disk to fill cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.kind("disk full")
def test_disk_full(site: Site, tmp_path: Path) -> None:
    """With less and less left, in pages, until the sync has none; then there is room again."""
    with small_disk(tmp_path / "disk") as disk:
        site = site.with_home(disk / "home")
        numbers = range(500)
        prepared(site, 20, numbers)
        failures = 0
        steps = range(0, 1200, 40 if ALL else 400)
        for fresh, left in enumerate(steps):
            before = checker.raw(site.file)
            ballast = disk / "ballast"
            room = os.statvfs(disk)
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - (left << 10)))
            failed = told(*Victim(site.settings, site.dsn, {"full_refresh": fresh % 2 == 1}).go().outcome())
            ballast.unlink()
            failures += failed
            site.check_untorn(before, checker.source(site.connection))
            site.sync_and_check(cases=failed)
            rows.disturb(site.connection, Maker(site.connection, fresh), numbers, 20_000 + 10 * fresh)
        assert failures


@pytest.mark.kind("file that may not grow")
def test_a_file_that_may_not_grow(site: Site) -> None:
    """The staged files, the warehouse or its log reach the longest a process may write."""
    numbers = range(400)
    before = prepared(site, 21, numbers)
    begun = site.settings.home.with_name("begun")
    shutil.copytree(site.settings.home, begun)
    size, failures = site.file.stat().st_size, 0
    limits = [1, 1 << 10, 4 << 10, 16 << 10, size // 2, size - 4096, size, size + 4096]
    for limit in limits if ALL else limits[2::4]:
        for options in ({}, {"full_refresh": True}):
            shutil.rmtree(site.settings.home)
            shutil.copytree(begun, site.settings.home)
            failed = told(*Victim(site.settings, site.dsn, options, file_bytes=limit).go().outcome())
            failures += failed
            site.check_untorn(before, checker.source(site.connection))
            site.sync_and_check(cases=failed)
    assert failures


class Cut:
    """A way to the server through a port of its own, which breaks after so many bytes from the server."""

    def __init__(self, dsn: str, after: int, rudely: bool) -> None:
        parts = conninfo.conninfo_to_dict(dsn)
        self.host, self.port = unquote(str(parts["host"])), int(parts.get("port") or 5432)
        self.left, self.rudely, self.passed = after, rudely, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.dsn = conninfo.make_conninfo(dsn, host="127.0.0.1", port=self.listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.host.startswith("/"):
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(f"{self.host}/.s.PGSQL.{self.port}")
                else:
                    server = socket.create_connection((self.host, self.port))
                for pump in (self._up, self._down):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while self.left > 0 and (data := server.recv(1 << 14)):
                data = data[: self.left]
                self.left -= len(data)
                self.passed += len(data)
                client.sendall(data)
            if self.rudely and self.left <= 0:  # a reset instead of an end
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Cut:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.kind("connection cut")
@pytest.mark.parametrize("full", [False, True], ids=["incremental", "full"])
def test_connection_cut(each_site: Site, full: bool) -> None:
    """After so many bytes, from the first to the last."""
    site = each_site
    before = prepared(site, 22, range(300))
    after = checker.source(site.connection)
    begun = site.settings.home.with_name("begun")
    shutil.copytree(site.settings.home, begun)
    with Cut(site.dsn, 1 << 40, False) as whole:
        assert sync(site.settings, whole.dsn, full_refresh=full).ok
    pieces = 12 if ALL else 4
    for piece in range(pieces):
        shutil.rmtree(site.settings.home)
        shutil.copytree(begun, site.settings.home)
        with Cut(site.dsn, whole.passed * piece // pieces, rudely=piece % 2 == 1) as cut:
            assert told(*attempt(site, cut.dsn, full))
        site.check_untorn(before, after)
        site.sync_and_check(cases=1)


def attempt(site: Site, dsn: str, full: bool) -> tuple[str, list[str]]:
    """A sync in this process, with its outcome as that of a Victim."""
    try:
        run = sync(site.settings, dsn, full_refresh=full)
    except VendError as error:
        return "refused", [str(error)]
    return "done", [table.error for table in run.tables if table.error]


@pytest.mark.kind("session ended by the server")
def test_session_ended_at_each_statement(each_site: Site) -> None:
    """At a statement of a run from the same beginning, then at the next, until there is none."""
    site = each_site
    before = prepared(site, 23, range(20))
    after = checker.source(site.connection)
    begun = site.settings.home.with_name("begun")
    shutil.copytree(site.settings.home, begun)
    end = (
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        if site.connection.info.server_version >= 140000
        else "select pg_terminate_backend(pid) from pg_stat_activity"
    )
    with psycopg.connect(site.dsn, autocommit=True, application_name="the test") as other:

        def terminate() -> None:
            other.execute(f"{end} where datname = current_database() and application_name = 'vend'")

        for at in itertools.count(1, 2 if ALL else 15):
            shutil.rmtree(site.settings.home)
            shutil.copytree(begun, site.settings.home)
            steps = Steps(at, terminate)
            with wrapped(steps, psycopg.Cursor):
                outcome = attempt(site, site.dsn, False)
            told(*outcome)
            site.check_untorn(before, after)
            site.sync_and_check(cases=at <= steps.seen)
            if at > steps.seen:
                break


@pytest.mark.kind("runs at the same time")
@pytest.mark.parametrize("round_", range(12 if ALL else 2))
def test_runs_at_the_same_time(site: Site, round_: int) -> None:
    """Four syncs of one warehouse begin together, one of them is killed now and then: each works or says who does."""
    prepared(site, 24 + round_, range(60))
    victims = [Victim(site.settings, site.dsn, {"full_refresh": number == 3}) for number in range(4)]
    for victim in victims:
        victim.go()
    if round_ % 3 == 2:
        victims[0].process.kill()
    outcomes = [victim.outcome() for victim in victims]
    for outcome, errors in outcomes:
        assert outcome in ("done", "refused", *(["killed"] if round_ % 3 == 2 else []))
        assert not errors or "Another sync or build of" in errors[0] or "is in use by process" in errors[0]
    assert [outcome for outcome, _ in outcomes if outcome in ("done", "killed")]
    site.sync_and_check(cases=1)


@pytest.mark.kind("runs at the same time")
def test_two_warehouses_of_one_source_at_the_same_time(site: Site, tmp_path: Path) -> None:
    """They share the state folder, and neither disturbs the other."""
    prepared(site, 40, range(60))
    second = replace(site, settings=replace(site.settings, duckdb_path=tmp_path / "second.duckdb"))
    victims = [Victim(place.settings, place.dsn) for place in (site, second)]
    for victim in victims:
        victim.go()
    assert [victim.outcome() for victim in victims] == [("done", []), ("done", [])]
    site.check(cases=1)
    second.check(cases=1)

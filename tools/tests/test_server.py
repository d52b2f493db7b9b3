"""The embedded Postgres, with real servers: whatever befell it, `up` ends in a working one or a sentence."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from conftest import PROJECT, settings_in
from psycopg import conninfo

from vend import cli, server
from vend.errors import VendError
from vend.settings import Settings

ROOT = os.geteuid() == 0
Homes = Callable[[str], Settings]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short folder that the server's user can enter: pytest's own is closed and long."""
    made = Path(tempfile.mkdtemp(prefix="vend-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Path:
    """A stopped state folder, to be copied by tests that need not make a cluster anew."""
    settings = settings_in(folder / "template")
    server.up(settings)
    server.down(settings)
    return settings.home


@pytest.fixture
def homes(folder: Path) -> Iterator[Homes]:
    """Settings by name of the state folder; their servers are stopped after the test."""
    made: list[Settings] = []

    def make(name: str) -> Settings:
        made.append(settings_in(folder / name))
        return made[-1]

    yield make
    for settings in made:
        server.down(settings)
        shutil.rmtree(settings.home, ignore_errors=True)


@pytest.fixture
def ready(cluster: Path) -> Iterator[Settings]:
    """The template itself, for tests that leave it sound; stopped after the test."""
    settings = settings_in(cluster)
    yield settings
    server.down(settings)


@pytest.fixture
def fresh(homes: Homes, cluster: Path) -> Settings:
    """A state folder with a stopped cluster, to be moved or deleted."""
    settings = homes("fresh")
    copy(cluster, settings.home)
    return settings


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@contextmanager
def altered(file: Path, content: bytes) -> Iterator[None]:
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


def answer(dsn: str, query: str = "select 1") -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def pid_of(settings: Settings) -> int:
    pid = server.status(settings).pid
    assert pid is not None
    return pid


def test_first_start_reuse_and_stop(homes: Homes) -> None:
    settings = homes("first")
    draft = settings.home / "postgres" / "data.new"  # of an attempt that was killed in the middle
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    assert not server.status(settings).running
    assert server.dsn(settings) is None
    dsn = server.up(settings)
    assert not draft.exists()
    pid = pid_of(settings)
    assert server.up(settings) == dsn
    assert pid_of(settings) == pid
    status = server.status(settings)
    assert status.running
    assert status.dsn == dsn
    assert status.version is not None
    assert status.version.startswith("18")
    assert answer(dsn, "select current_user || ' ' || current_database()") == "vend vend"
    assert answer(dsn, "select current_setting('listen_addresses')") == ""
    assert answer(dsn, "select current_setting('timezone')") == "UTC"
    assert answer(dsn, "select upper('ä')") == "Ä"
    assert answer(dsn, "select string_agg(x, '' order by x) from unnest('{b,B,a,Z}'::text[]) x") == "BZab"
    assert server.down(settings)
    assert not server.down(settings)
    assert not server.status(settings).running
    server.up(settings)
    assert pid_of(settings) != pid


def test_another_database_of_it_is_not_mistaken_for_its_own(ready: Settings) -> None:
    own = server.up(ready)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("create database elsewhere")
    given = conninfo.make_conninfo(own, dbname="elsewhere")
    settings = replace(ready, postgres_dsn=given)
    assert (server.address(ready, None), server.address(settings, given)) == (own, given)
    server.down(ready)
    assert server.address(settings, given) is None
    assert cli.hot_dsn(settings) == cli.source_dsn(settings) == given
    assert answer(given, "select current_database()") == "elsewhere"
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("drop database elsewhere with (force)")


def test_only_the_servers_user_can_enter_the_socket_folder(ready: Settings) -> None:
    dsn = server.up(ready)
    socket = Path(str(answer(dsn, "select current_setting('unix_socket_directories')")).strip('"'))
    about = socket.stat()
    assert stat.S_IMODE(about.st_mode) == 0o700
    assert about.st_uid == (ready.home / "postgres" / "data").stat().st_uid


def test_the_environment_of_the_caller_does_not_lead_astray(ready: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATABASE", "nowhere")
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", "s3cret")
    dsn = server.up(ready)
    assert answer(dsn) == 1
    if sys.platform == "linux":
        assert b"s3cret" not in Path(f"/proc/{pid_of(ready)}/environ").read_bytes()


def test_two_state_folders_side_by_side(homes: Homes, cluster: Path) -> None:
    one, other = homes("one"), homes("other")
    copy(cluster, one.home)
    with psycopg.connect(server.up(one), autocommit=True) as connection:
        connection.execute("create table only_in_one ()")
    # Copied while it runs, pid file and socket included: the copy must not take the server for its own.
    copy(one.home, other.home)
    assert not server.down(other)
    dsn = server.up(other)
    assert answer(dsn, "select current_setting('data_directory')") == str(other.home / "postgres" / "data")
    assert pid_of(one) != pid_of(other)
    assert server.down(other)
    assert answer(server.up(one), "select to_regclass('only_in_one') is not null")


def test_pid_file_with_the_pid_of_somebody_else(ready: Settings) -> None:
    data = ready.home / "postgres" / "data"
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1\n5432\n/nowhere\n\n1 1\nready   \n")
        assert not server.status(ready).running
        assert not server.down(ready)
        assert answer(server.up(ready)) == 1
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("text", ["", "garbage\n", "-1\n"])
def test_pid_file_cut_short(ready: Settings, text: str) -> None:
    (ready.home / "postgres" / "data" / "postmaster.pid").write_text(text)
    assert answer(server.up(ready)) == 1


def test_killed_server_comes_back_with_its_data(ready: Settings) -> None:
    with psycopg.connect(server.up(ready)) as connection:
        connection.execute("set synchronous_commit = on")
        connection.execute("create table kept as select 42 as answer")
        connection.commit()
        os.kill(pid_of(ready), signal.SIGKILL)
        # Still connected: the session of the dead server may hold its memory for a moment.
        assert answer(server.up(ready), "select answer from kept") == 42


def test_two_ups_at_once_make_one_server(homes: Homes) -> None:
    settings = homes("race")
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: server.up(settings), range(4)))) == 1
    log = (settings.home / "postgres" / "log").read_text()
    assert log.count("ready to accept connections") == 1
    assert not (settings.home / "postgres" / "log.old").exists()


def test_long_path_with_space_quotes_and_comma(homes: Homes, cluster: Path, tmp_path: Path) -> None:
    settings = homes('it\'s "a" $HOME, é ' + "x" * 100)
    copy(cluster, settings.home)
    dsn = server.up(settings)
    assert answer(dsn) == 1
    assert server.status(settings).dsn == dsn
    socket = Path(str(answer(dsn, "select current_setting('unix_socket_directories')")).strip('"'))
    server.down(settings)
    assert not socket.exists()

    socket.symlink_to(tmp_path)  # somebody else's, in the place of ours
    try:
        with pytest.raises(VendError, match="in the way"):
            server.up(settings)
    finally:
        socket.unlink()


def test_folder_moved_while_stopped_and_while_running(homes: Homes, fresh: Settings) -> None:
    moved, again = homes("moved here"), homes("and again")
    fresh.home.rename(moved.home)
    assert quote(str(moved.home / "postgres" / "run"), safe="") in server.up(moved)
    pid = pid_of(moved)
    moved.home.rename(again.home)
    assert answer(server.up(again)) == 1
    assert pid_of(again) == pid


def test_folder_deleted_under_a_running_server(fresh: Settings, cluster: Path) -> None:
    dsn = server.up(fresh)
    orphan = pid_of(fresh)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table gone ()")
    shutil.rmtree(fresh.home)
    copy(cluster, fresh.home)
    try:
        assert answer(server.up(fresh), "select to_regclass('gone') is null")
        assert pid_of(fresh) != orphan
    finally:
        os.kill(orphan, signal.SIGQUIT)


def test_data_of_another_version(ready: Settings) -> None:
    with (
        altered(ready.home / "postgres" / "data" / "PG_VERSION", b"16\n"),
        pytest.raises(VendError, match=r"PostgreSQL 16; .*PostgreSQL 18.*Move the folder away"),
    ):
        server.up(ready)


def test_server_that_fails_to_start_says_why(ready: Settings) -> None:
    base = ready.home / "postgres"
    with (
        altered(base / "data" / "postgresql.conf", b"shared_bufers = 1\n"),
        pytest.raises(VendError, match='"shared_bufers"') as failure,
    ):
        server.up(ready)
    assert str(base / "log") in str(failure.value)
    with (
        altered(base / "data" / "global" / "pg_control", b"\0" * 8192),
        pytest.raises(VendError, match=r"did not start: .*PG_CONTROL_VERSION"),
    ):
        server.up(ready)


def test_folder_that_is_no_database(homes: Homes) -> None:
    settings = homes("foreign")
    data = settings.home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "thesis.txt").touch()
    with pytest.raises(VendError, match="no PG_VERSION"):
        server.up(settings)
    assert (data / "thesis.txt").exists()


def test_unwritable_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VendError, match="cannot be written"):
        server.up(settings_in(tmp_path / "file" / "home"))


def test_initdb_that_fails_says_why(homes: Homes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What initdb says when the disk is full, in its words.
    words = (
        "creating configuration files ... initdb: error: could not write file: No space left on device\n"
        "initdb: removing data directory"
    )
    (folder / "initdb").write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    (folder / "initdb").chmod(0o755)
    monkeypatch.setattr(server, "_binaries", lambda: folder)
    settings = homes("full")
    with pytest.raises(VendError, match=r"could not write file: No space left on device\."):
        server.up(settings)
    assert not (settings.home / "postgres" / "data").exists()


def test_no_binaries(homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MODULE", "no_such_package")
    with pytest.raises(VendError, match="VEND_POSTGRES_DSN"):
        server.up(homes("none"))


def test_database_fixtures(database: str, make_database: Callable[[], str]) -> None:
    other = make_database()
    names = {str(answer(dsn, "select current_database()")) for dsn in (database, other)}
    assert len(names) == 2
    assert answer(database, "select count(*) from pg_tables where schemaname = 'public'") == 0


def test_binaries_below_a_name_that_initdb_cannot_take(
    homes: Homes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder / "$HOME" / server.MODULE
    (place / server.TREE / "bin").mkdir(parents=True)
    for name in ("__init__.py", f"{server.TREE}/bin/initdb", f"{server.TREE}/bin/postgres"):
        (place / name).touch()
    monkeypatch.syspath_prepend(place.parent)
    monkeypatch.delitem(sys.modules, server.MODULE, raising=False)
    with pytest.raises(VendError, match="Move the checkout"):
        server.up(homes("odd"))


def test_started_server_is_let_go(ready: Settings) -> None:
    """It holds neither the pipes nor the lock of the command that started it, nor its session."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; from conftest import settings_in; from vend import server\n"
        "print(server.up(settings_in(Path(sys.argv[3]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(PROJECT / "tools"), str(PROJECT / "tools/tests"), str(ready.home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert answer(done.stdout.strip()) == 1
    pid = pid_of(ready)
    assert os.getsid(pid) == pid
    if sys.platform == "linux":
        held = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
        assert not [file for file in held if "postgres.lock" in file]
    assert server.down(ready)


@pytest.fixture
def closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that only root can enter, with the place where root keeps data instead."""
    monkeypatch.setattr(server, "ROOT_STATE", folder / "var")
    parent = folder / "closed"
    parent.mkdir(mode=0o700)
    yield parent
    shutil.rmtree(parent)
    shutil.rmtree(folder / "var", ignore_errors=True)


@pytest.mark.skipif(not ROOT, reason="only root runs the server as another user")
def test_root_keeps_the_data_of_a_closed_folder_elsewhere(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, moved, copied = (settings_in(closed / name) for name in ("one", "moved", "copied"))
    server.up(one)
    assert "its data is in" in capsys.readouterr().err
    try:
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert (one.home / "postgres").is_symlink()
        pid = pid_of(one)

        one.home.rename(moved.home)
        assert answer(server.up(moved)) == 1
        assert pid_of(moved) == pid

        copy(moved.home, copied.home)
        assert answer(server.up(copied)) == 1
        assert pid_of(copied) != pid
        assert pid_of(moved) == pid

        # Deleted and made anew: the old server goes, its data is set aside.
        shutil.rmtree(moved.home)
        server.up(moved)
        assert pid_of(moved) != pid
        assert not Path(f"/proc/{pid}/cwd").exists()
        assert "is kept in" in capsys.readouterr().err
        assert server.down(copied)
        assert answer(server.up(moved)) == 1
    finally:
        server.down(moved)
        server.down(copied)


@pytest.mark.skipif(not ROOT, reason="only root runs the server as another user")
def test_root_copies_binaries_out_of_a_closed_folder(
    closed: Path, homes: Homes, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = server._binaries().parents[1]
    (closed / "site").symlink_to(package.parent)
    binaries = closed / "site" / package.name / server.TREE / "bin"
    monkeypatch.setattr(server, "_binaries", lambda: binaries)
    settings = homes("elsewhere")
    dsn = server.up(settings)
    try:
        assert answer(dsn) == 1
        assert Path(f"/proc/{pid_of(settings)}/exe").readlink().is_relative_to(server.ROOT_STATE)
    finally:
        server.down(settings)

"""Sources that crash, are replaced, restored or promoted, on real servers of this test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import settings_in
from landing import NAMES, assert_equal, figures, fill, park
from psycopg import conninfo

from vend import dbt, extract, server
from vend.settings import Settings
from vend.source import init
from vend.sync import sync


@pytest.fixture
def settings(home: Callable[..., Settings]) -> Settings:
    return home()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' account can enter."""
    path = Path(tempfile.mkdtemp(prefix="vend-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def primary(folder: Path) -> Iterator[str]:
    """A server of its own, with the nine tables filled."""
    of_primary = settings_in(folder / "primary")
    dsn = server.up(of_primary)
    try:
        init(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            fill(connection)
        yield dsn
    finally:
        server.down(of_primary)


@pytest.fixture
def standby(folder: Path, primary: str) -> Iterator[str]:
    """A streaming standby of the primary, made by pg_basebackup."""
    of_standby = settings_in(folder / "standby")
    of_standby.make_home()
    account = server._account(of_standby.home) if os.geteuid() == 0 else None
    base = server._settle(of_standby.home, account) if account else server._base(of_standby.home)
    server._open_folder(base)
    server._own_folder(base / "data", account)
    tool = (server._reachable_binaries(account) if account else server._binaries()) / "pg_basebackup"
    command = [str(tool), "-D", str(base / "data"), "-d", primary, "-R", "-X", "stream", "--checkpoint=fast"]
    done = server._run(command, account)
    assert done.returncode == 0, done.stderr
    dsn = server.up(of_standby)
    try:
        yield dsn
    finally:
        server.down(of_standby)


def caught_up(primary: psycopg.Connection[Any], standby: psycopg.Connection[Any]) -> None:
    """Return once the standby has replayed what the primary has written."""
    written = primary.execute("select pg_current_wal_insert_lsn()").fetchone()
    assert written is not None
    while standby.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", written).fetchone() != (True,):
        standby.execute("select pg_sleep(0.01)")


def test_a_standby_as_source_and_its_promotion(settings: Settings, primary: str, standby: str) -> None:
    with (
        psycopg.connect(primary, autocommit=True) as writer,
        psycopg.connect(standby, autocommit=True) as reader,
    ):
        caught_up(writer, reader)
        first = sync(settings, standby)
        assert {figures(first, name)[0] for name in NAMES} == {"full"}
        assert_equal(settings, reader)

        with psycopg.connect(primary) as open_one:
            open_one.execute("update users set phone = 'late' where email = '1@x.org'")
            park(writer)
            writer.execute("delete from parked where id = %s", [uuid.UUID(int=1)])
            caught_up(writer, reader)
            assert figures(sync(settings, standby), "parked") == ("incremental", 1, 1, 0, 1)
            assert_equal(settings, reader)
            open_one.commit()
        caught_up(writer, reader)
        assert figures(sync(settings, standby), "users") == ("incremental", 1, 0, 1, 0)
        assert_equal(settings, reader)
        # The primary is the same line of history, but of another server one cannot know that it always was.
        assert figures(sync(settings, primary), "users")[0] == "full"

        # What only the primary had is lost with it; the standby goes on, with the same transaction ids.
        assert reader.execute("select pg_wal_replay_pause()").fetchone()
        park(writer, "lost with the primary")
        sync(settings, primary)
        assert_equal(settings, writer)
        writer.execute("select pg_terminate_backend(pid) from pg_stat_replication")
        reader.execute("alter system set primary_conninfo = ''")
        reader.execute("select pg_reload_conf()")
        reader.execute("select pg_wal_replay_resume()")
        assert reader.execute("select pg_promote()").fetchone() == (True,)
        park(reader, "after the promotion")
        run = sync(settings, standby)
        assert {figures(run, name)[0] for name in NAMES} == {"full"}
        assert_equal(settings, reader)
        assert figures(sync(settings, standby), "parked")[:2] == ("incremental", 0)


def test_a_crash_takes_back_what_was_not_on_disk(
    settings: Settings, primary: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With synchronous_commit off a commit is visible before it is on disk. The sync must not load it before it is."""
    assert sync(settings, primary).ok
    writer = psycopg.connect(primary, autocommit=True)
    found = writer.execute("select pid from pg_stat_activity where backend_type = 'walwriter'").fetchone()
    assert found is not None
    os.kill(found[0], signal.SIGSTOP)  # it writes the log of transactions that do not wait
    try:
        writer.execute("set synchronous_commit = off")
        writer.execute("update users set phone = 'lost' where email = '1@x.org'")
        monkeypatch.setattr(extract, "FLUSH_SECONDS", 0.1)
        run = sync(settings, primary)
        assert {row.table for row in run.tables if "has not written its log to disk" in (row.error or "")} == set(NAMES)
        os.kill(found[0], signal.SIGKILL)  # the server ends all its sessions, and recovers from its log
    except BaseException:
        os.kill(found[0], signal.SIGCONT)
        raise
    monkeypatch.undo()
    with pytest.raises(psycopg.OperationalError):
        writer.execute("select pg_sleep(60)")
    dsn = server.up(settings_in(folder / "primary"))
    with psycopg.connect(dsn, autocommit=True) as again:
        assert again.execute("select phone from users where email = '1@x.org'").fetchone() != ("lost",)
        park(again)  # takes the lost transaction's id
        assert sync(settings, dsn).ok
        assert_equal(settings, again)


def test_a_crash_takes_back_a_refresh_as_a_whole(settings: Settings, primary: str, folder: Path) -> None:
    """A refresh does not wait for the disk. What it took of the notes comes back with what it made of them."""
    assert dbt.build(settings, "hot", dsn=primary, arguments=("--resource-type", "model")).ok
    state = """
        select (select count(*) from hot.changed_key), (select count(*) from hot.refresh_log),
            (select sum(payment_count) from hot.mv_daily_revenue)
    """
    pay = """
        insert into payments (garage_id, amount, status, payment_date)
        select id, 1, 'succeeded', now() at time zone 'UTC' from garages order by id limit 1
    """
    writer = psycopg.connect(primary, autocommit=True)
    writer.execute("call hot.refresh()")
    writer.execute(pay)
    noted, logged, counted = writer.execute(state).fetchone() or ()
    assert noted > 0
    found = writer.execute("select pid from pg_stat_activity where backend_type = 'walwriter'").fetchone()
    assert found is not None
    os.kill(found[0], signal.SIGSTOP)
    try:
        writer.execute("call hot.refresh()")
        assert writer.execute(state).fetchone() == (0, logged + 5, counted + 1)
        os.kill(found[0], signal.SIGKILL)
    except BaseException:
        os.kill(found[0], signal.SIGCONT)
        raise
    with pytest.raises(psycopg.OperationalError):
        writer.execute("select pg_sleep(60)")
    dsn = server.up(settings_in(folder / "primary"))
    writer = psycopg.connect(dsn, autocommit=True)
    assert writer.execute(state).fetchone() == (noted, logged, counted)
    writer.execute("call hot.refresh()")
    assert writer.execute(state).fetchone() == (0, logged + 5, counted + 1)
    # a process killed in the middle of one takes all sessions with it
    writer.execute(pay)
    noted, logged, counted = writer.execute(state).fetchone() or ()
    writer.execute("begin")
    writer.execute("select * from hot.sum_daily_payments for update")  # the second view's merge waits for it
    refresher = psycopg.connect(dsn, autocommit=True)
    with ThreadPoolExecutor() as pool:
        refreshing = pool.submit(refresher.execute, "call hot.refresh()")
        waits = "select count(*) from pg_locks where pid = %s and not granted"
        while writer.execute(waits, [refresher.info.backend_pid]).fetchone() != (1,):
            assert not refreshing.done()
        os.kill(refresher.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            refreshing.result()
    with pytest.raises(psycopg.OperationalError):
        writer.execute("select pg_sleep(60)")
    with psycopg.connect(server.up(settings_in(folder / "primary")), autocommit=True) as again:
        left = again.execute(state).fetchone() or ()
        assert (left[0], left[2]) == (noted, counted)
        again.execute("call hot.refresh()")
        assert again.execute(state).fetchone() == (0, left[1] + 5, counted + 1)


def test_a_source_put_back_from_a_copy_of_its_disk(settings: Settings, primary: str, folder: Path) -> None:
    """The same cluster, timeline and database; its new history has passed the point that the last sync knew."""
    of_primary = settings_in(folder / "primary")
    with psycopg.connect(primary, autocommit=True) as connection:
        (data,) = connection.execute("show data_directory").fetchone() or ("",)
    sync(settings, primary)

    def stopped(*command: str) -> None:
        server.down(of_primary)
        subprocess.run(command, check=True)
        server.up(of_primary)

    copy = str(folder / "copy")
    stopped("cp", "-a", str(data), copy)
    plate = "update parked set vehicle_plate = %s where id = %s"
    with psycopg.connect(primary, autocommit=True) as connection:
        connection.execute(plate, ["lost", uuid.UUID(int=1)])
        connection.execute("update users set first_name = 'lost'")
    assert sync(settings, primary).ok
    stopped("sh", "-c", 'rm -rf "$1" && cp -a "$2" "$1"', "sh", str(data), copy)
    with psycopg.connect(primary, autocommit=True) as connection:
        connection.execute(plate, ["new", uuid.UUID(int=2)])
        for _ in range(200):
            connection.execute("select pg_current_xact_id()")
        assert sync(settings, primary).ok
        assert_equal(settings, connection)
        # and from then on it is continued again
        park(connection)
        assert figures(sync(settings, primary), "parked")[:2] == ("incremental", 1)


def test_a_source_restored_from_a_dump(settings: Settings, primary: str, folder: Path) -> None:
    """Another database with the same rows: read in full, nothing twice, nothing other than before."""
    with psycopg.connect(primary, autocommit=True) as connection:
        sync(settings, primary)
        connection.execute("delete from parked where id = %s", [uuid.UUID(int=1)])
        connection.execute("create database restored")
    other = conninfo.make_conninfo(primary, dbname="restored")
    account = server._account(folder / "primary") if os.geteuid() == 0 else None
    binaries = server._reachable_binaries(account) if account else server._binaries()
    dump = subprocess.run([binaries / "pg_dump", "-d", primary], capture_output=True, check=True)
    subprocess.run([binaries / "psql", "-q", "-d", other], input=dump.stdout, capture_output=True, check=True)
    run = sync(settings, other)
    assert {figures(run, name)[0] for name in NAMES} == {"full"}
    assert figures(run, "parked")[4] == 1
    with psycopg.connect(other, autocommit=True) as connection:
        assert_equal(settings, connection)
        assert figures(sync(settings, other), "parked")[:2] == ("incremental", 0)

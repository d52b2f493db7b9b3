"""A sync in a process of its own, to be killed at one of its steps or from outside at any moment.

A step is a statement to Postgres or DuckDB that has just been done, or a file or folder that is about to be made or
removed in the state folder. They are found by wrapping the drivers, so the code under test knows nothing of them.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from typing import Any

import duckdb
import psycopg

from vend.errors import VendError
from vend.settings import Settings
from vend.sync import sync

FILES = ("open", "os.mkdir", "os.remove", "os.rmdir", "os.rename")

# Children are forked from a process that has the libraries loaded and no thread running.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    ["vend.sync", "vend.warehouse.duckdb", "duckdb", "psycopg", "pyarrow.csv", "pyarrow.parquet", "yaml"]
)


class Steps:
    """Counts the steps and acts at one of them; label: what it was."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self.at = at
        self.act = act
        self.seen = 0
        self.label = ""
        self._lock = threading.Lock()

    def pass_by(self, label: str) -> None:
        with self._lock:
            self.seen += 1
            reached = self.seen == self.at
        if reached:
            self.label = label
            self.act()


@contextmanager
def wrapped(steps: Steps, *owners: Any) -> Iterator[None]:
    """Every execute and copy of these connection and cursor classes ends in a step."""
    kept = [
        (owner, name, getattr(owner, name)) for owner in owners for name in ("execute", "copy") if name in dir(owner)
    ]

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, statement: Any, *rest: Any, **named: Any) -> Any:
            answer = original(self, statement, *rest, **named)
            steps.pass_by(str(statement))
            return answer

        return call

    for owner, name, original in kept:
        setattr(owner, name, around(original))
    try:
        yield
    finally:
        for owner, name, original in kept:
            setattr(owner, name, original)


def _watch_files(steps: Steps, home: str) -> None:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in FILES or not str(arguments[0]).startswith(home):
            return
        if event != "open" or (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            steps.pass_by(f"{event} {arguments[0]}")

    sys.addaudithook(hook)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _run(pipe: Pipe, settings: Settings, dsn: str, options: dict[str, Any], at: int | None, file_bytes: int) -> None:
    """at: the step to die at, None to take no notice of steps. file_bytes: how long a file may become, 0: any."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    pipe.send("ready")
    pipe.recv()
    try:
        if at is None:
            outcome = sync(settings, dsn, **options)
        else:
            steps = Steps(at, _die)
            _watch_files(steps, str(settings.home))
            with wrapped(steps, psycopg.Cursor, duckdb.DuckDBPyConnection):
                outcome = sync(settings, dsn, **options)
        errors = [table.error for table in outcome.tables if table.error]
        pipe.send(("done", errors))
    except VendError as error:
        pipe.send(("refused", [str(error)]))
    except BaseException as error:
        pipe.send(("crashed", [repr(error)]))


class Victim:
    """A sync that waits for `go`. outcome: done with the tables' errors, refused with a sentence, crashed with an
    error nobody foresaw, or killed."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        options: dict[str, Any] | None = None,
        at: int | None = None,
        file_bytes: int = 0,
    ) -> None:
        self.pipe, theirs = processes.Pipe()
        self.process: BaseProcess = processes.Process(
            target=_run, args=(theirs, settings, dsn, options or {}, at, file_bytes)
        )
        self.process.start()
        theirs.close()
        assert self.pipe.recv() == "ready"

    def go(self) -> Victim:
        self.pipe.send("go")
        return self

    def kill_after(self, seconds: float) -> None:
        """Unless it ends by itself before."""
        self.process.join(seconds)
        self.process.kill()

    def outcome(self) -> tuple[str, list[str]]:
        try:
            told: tuple[str, list[str]] = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            told = ("killed", [])
        self.process.join()
        self.pipe.close()
        if told[0] == "killed":
            assert self.process.exitcode == -signal.SIGKILL, self.process.exitcode
        return told

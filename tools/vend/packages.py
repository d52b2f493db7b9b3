"""Fills dbt_packages/: from the dbt hub where it can be reached, else with this project's stand-ins."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from vend.errors import VendError
from vend.progress import say
from vend.settings import Settings

HUB = "hub"
STAND_IN = "stand-in"
PROBE_SECONDS = 3.0
DEPS_SECONDS = 60.0
MARKER = "vend.json"
SCRATCH = ".dbt_packages-"

# What dbt says when the hub did answer, and the answer is that packages.yml is wrong.
WRONG_PACKAGES_YML = (
    "not found in the package index",
    "Could not find a matching",
    "Version error for package",
)


def ensure(settings: Settings, *, offline: bool = False) -> str:
    """Make the project's dbt_packages/ hold the packages; returns "hub" or "stand-in", whichever it holds.

    Does nothing where dbt_packages/ already is what packages.yml and the stand-ins ask for. `offline` leaves
    the hub alone. Raises VendError if packages.yml asks for what the hub does not have, or if the project's
    folder cannot be written.
    """
    project = settings.project
    try:
        if source := _installed(project):
            return source
        with _alone(project):
            return _installed(project) or _install(project, offline)
    except OSError as error:
        raise VendError(
            f"dbt_packages in {project} cannot be filled ({error.strerror or error}). "
            "Mend the folder's permissions or free some room, then rerun."
        ) from None


def stand_ins(project: Path) -> Path:
    """The folder that holds a dbt package per stand-in."""
    return project / "tools" / "dbt_packages"


def _install(project: Path, offline: bool) -> str:
    for leftover in project.glob(f"{SCRATCH}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=project))
    scratch.chmod(0o755)
    try:
        why_not = "not asked" if offline else _from_hub(project, scratch)
        source = STAND_IN if why_not else HUB
        packages = scratch / "dbt_packages"
        if why_not:
            shutil.rmtree(packages, ignore_errors=True)
            shutil.copytree(stand_ins(project), packages)
        (packages / MARKER).write_text(json.dumps({"source": source, "of": _wanted(project, source)}) + "\n")
        _swap(packages, project / "dbt_packages", scratch / "old")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if source == HUB:
        say("dbt packages: installed from the dbt hub.")
    else:
        say(f"dbt packages: installed this project's stand-ins (dbt hub: {why_not}).")
    return source


def _from_hub(project: Path, scratch: Path) -> str | None:
    """Run `dbt deps` in the scratch folder. None if it filled dbt_packages/ there, else why it did not."""
    hub = _hub()
    if not _proxied(hub) and not _answers(hub):
        return "cannot be reached"
    # A project of its own: dbt deps needs no profile, and a failure leaves the real one untouched.
    (scratch / "dbt_project.yml").write_text("name: packages\nversion: 1.0.0\n")
    shutil.copy(project / "packages.yml", scratch)
    lock = project / "package-lock.yml"
    if lock.is_file():
        shutil.copy(lock, scratch)
    command = [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "deps", "--project-dir", str(scratch)]
    environ = {
        **os.environ,
        "DBT_DOWNLOADS_DIR": str(scratch / "downloads"),
        "DBT_LOG_PATH": str(scratch / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    status, output = _bounded(command, scratch, environ)
    if status is None:
        return f"no end of `dbt deps` within {DEPS_SECONDS:.0f} s"
    if status == 0 and _complete(project, scratch / "dbt_packages"):
        return None
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if any(sign in output for sign in WRONG_PACKAGES_YML):
        reason = next(line for line in lines if any(sign in line for sign in WRONG_PACKAGES_YML))
        raise VendError(f"packages.yml asks for what the dbt hub does not have: {reason} Correct packages.yml.")
    return f"`dbt deps` failed, {lines[-1]}" if lines else f"`dbt deps` failed with status {status}"


def _hub() -> str:
    """The hub's address, which is dbt's to know."""
    if chosen := os.environ.get("DBT_PACKAGE_HUB_URL"):
        return chosen
    from dbt.clients import registry

    return str(registry.DEFAULT_REGISTRY_BASE_URL)


def _bounded(command: list[str], folder: Path, environ: dict[str, str]) -> tuple[int | None, str]:
    """Exit status and output; the status is None if time ran out and the whole process group was killed."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=DEPS_SECONDS)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _proxied(url: str) -> bool:
    """Whether a proxy stands between, so that reaching the host directly proves nothing."""
    parts = urlsplit(url)
    proxies = getproxies()
    return (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or "")


def _answers(url: str) -> bool:
    """Whether the host accepts a connection. In a thread, for looking up its name has no time limit."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
    reached = threading.Event()

    def connect() -> None:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=PROBE_SECONDS):
            reached.set()

    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(PROBE_SECONDS)
    return reached.is_set()


def _installed(project: Path) -> str | None:
    """The source of a dbt_packages/ that is right, else None.

    One without a marker is right if it is complete: someone ran `dbt deps`, which takes the marker away, and
    what they fetched must not give way to stand-ins.
    """
    packages = project / "dbt_packages"
    if not _complete(project, packages):
        return None
    try:
        marker = json.loads((packages / MARKER).read_text())
        source = str(marker["source"])
        return source if marker["of"] == _wanted(project, source) else None
    except FileNotFoundError:
        return HUB
    except (ValueError, KeyError, TypeError):
        return None


def _complete(project: Path, packages: Path) -> bool:
    """Whether each package of packages.yml has its folder."""
    return all((packages / name / "dbt_project.yml").is_file() for name in _names(project))


def _names(project: Path) -> list[str]:
    import yaml

    entries = (yaml.safe_load((project / "packages.yml").read_text()) or {}).get("packages") or []
    return [str(entry["package"]).rpartition("/")[2] for entry in entries]


def _wanted(project: Path, source: str) -> str:
    """A hash of what decides the contents of dbt_packages/."""
    files = [project / "packages.yml"]
    if source == STAND_IN:
        files += sorted(path for path in stand_ins(project).rglob("*") if path.is_file())
    elif (project / "package-lock.yml").is_file():
        files.append(project / "package-lock.yml")
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(project)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _swap(new: Path, place: Path, old: Path) -> None:
    """Put `new` in its place by renaming, so that nobody meets a half-filled folder."""
    with contextlib.suppress(FileNotFoundError):
        place.rename(old)
    new.rename(place)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for any other process that does the same in this folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

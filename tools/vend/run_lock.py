"""The lock that a `vend run` holds while it goes on: one at a time on a state folder."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vend.errors import VendError
from vend.settings import Settings
from vend.sync import utc_now

NAME = "run.lock"
TEXT = re.compile(r"pid (\d+), since (\S+ \S+) UTC, run (\S+)")


class BusyError(VendError):
    """Another run is going on."""


@dataclass(frozen=True)
class Holder:
    """Who held the lock last. since: naive UTC. lives: whether it holds it still."""

    pid: int
    since: datetime
    run_id: str
    lives: bool


@contextmanager
def held(settings: Settings, run_id: str) -> Iterator[None]:
    """Hold it. Raises BusyError, naming the other's process, where another run does, VendError where it cannot be
    written."""
    path = settings.make_home() / NAME
    try:
        lock = path.open("a+")
    except OSError as error:
        raise _unwritable(path, error) from None
    with lock:
        for patience in (0.02, 0.02, 0.02, None):  # a check holds it for an instant, to see whether a run is going on
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if patience is None:
                    lock.seek(0)
                    raise BusyError(
                        f"Another `vend run` is going on ({lock.read().strip() or 'just started'}). Wait for it to end."
                    ) from None
                time.sleep(patience)
        try:
            lock.truncate(0)
            # not buffered: what does not fit now would fail once more when the file is closed
            text = f"pid {os.getpid()}, since {utc_now():%Y-%m-%d %H:%M:%S} UTC, run {run_id}"
            os.write(lock.fileno(), text.encode())
        except OSError as error:
            raise _unwritable(path, error) from None
        yield


def holder(settings: Settings) -> Holder | None:
    """Who holds it, or did last; None where nobody ever did."""
    try:
        with (settings.home / NAME).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                lives = False
            except OSError:
                lives = True
            found = TEXT.match(lock.read())
    except OSError:
        return None
    return Holder(int(found[1]), datetime.fromisoformat(found[2]), found[3], lives) if found else None


def _unwritable(path: Path, error: OSError) -> VendError:
    return VendError(f"{path} cannot be written ({error.strerror}). Free some space or mend its permissions.")

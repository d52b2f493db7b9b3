"""dbt as a process that does not outlive who started it, whatever ended that one, SIGKILL too.

Its stdin is a pipe to which nobody writes, and the system closes a pipe whose other end has died. Then dbt is told to
stop, upon which it cancels what it has running in the database. It does so once, and waits for its threads: one that
just then began a statement would keep it, so that is cancelled too. If all that takes long it is killed.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

GRACE = 5.0
"""Seconds; `vend run` waits longer than that for what a killed run has left."""
AGAIN = 0.5
"""Seconds between two cancellations."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what cron or nohup starts may ignore it
    logging.raiseExceptions = False  # or each line that a full disk keeps from dbt's log is a traceback on stderr
    threading.Thread(target=_watch, daemon=True).start()
    try:
        # what dbt makes of the project stays until its end, and to look through it for waste took a seventh of its time
        gc.set_threshold(50_000, 20, 100)
        from dbt.cli.main import cli

        sys.argv[0] = "dbt"
        sys.exit(cli())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _watch() -> None:
    while os.read(0, 1):
        pass
    # nobody may be there to read on, and dbt tells of its end in a traceback; its log has that
    silence = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(silence, output)
    os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=_cancel, daemon=True).start()  # of its own: a database that does not answer delays no end
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _cancel() -> None:
    while True:
        time.sleep(AGAIN)
        with suppress(Exception):  # of a dbt that is half gone
            from dbt.adapters.factory import FACTORY

            adapters: list[Any] = list(FACTORY.adapters.values())
            for adapter in adapters:
                with adapter.connection_named("tether"):
                    adapter.cancel_open_connections()


if __name__ == "__main__":
    main()

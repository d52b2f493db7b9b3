"""Waits for a DuckDB file that another process has open: one process at a time can have it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from vend.errors import InUseError

T = TypeVar("T")
SECONDS = 30.0
"""How long a command waits that only reads."""


@contextmanager
def patiently(
    opened: Callable[[], AbstractContextManager[T]], end: float | None = None, tell: Callable[[str], None] | None = None
) -> Iterator[T]:
    """Open it, again and again while another process holds the DuckDB file, until `end` of the monotonic clock, else
    for SECONDS. tell: is told once that it takes a while."""
    last = time.monotonic() + SECONDS if end is None else end
    while True:
        attempt = opened()
        try:
            value = attempt.__enter__()
            break
        except InUseError:
            if time.monotonic() >= last:
                raise
            if tell is not None:
                tell(f"Another process has the DuckDB file open; waiting for it, {SECONDS:.0f} seconds at most.")
                tell = None
            time.sleep(0.2)
    with ExitStack() as stack:
        stack.push(attempt)
        yield value

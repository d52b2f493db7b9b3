"""Progress for a person: on stderr, and only where stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Called with how much has been done of one task and, where known, of how much."""

    def __call__(self, task: str, done: int, total: int | None = None) -> None: ...


@contextmanager
def progress(unit: str = "rows") -> Iterator[Progress]:
    """A live display with a line per task on a terminal; nothing at all elsewhere."""
    if not sys.stderr.isatty():
        yield lambda task, done, total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:>12,} " + unit),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    tasks = {}

    def update(task: str, done: int, total: int | None = None) -> None:
        if task not in tasks:
            tasks[task] = bars.add_task(task, total=total)
        bars.update(tasks[task], completed=done, total=total)

    with bars:
        yield update


def say(message: str) -> None:
    """One line for a person, on stderr."""
    print(message, file=sys.stderr, flush=True)

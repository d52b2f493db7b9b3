"""Progress for a person, on stderr: live where it is a terminal, else nothing, or a line per table for a log."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol


class Progress(Protocol):
    """Called with how much has been done of one task and, where known, of how much."""

    def __call__(self, task: str, done: int, total: int | None = None) -> None: ...


class State(Protocol):
    """Called with what a task is doing, and at its end with what came of it."""

    def __call__(self, task: str, text: str, final: bool = False) -> None: ...


@contextmanager
def progress(unit: str = "rows") -> Iterator[Progress]:
    """A live display with a line per task on a terminal; nothing at all elsewhere."""
    if not sys.stderr.isatty():
        yield lambda task, done, total=None: None
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

    bars = _bars(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.completed:>12,} " + unit),
        TimeElapsedColumn(),
    )
    tasks = {}

    def update(task: str, done: int, total: int | None = None) -> None:
        if task not in tasks:
            tasks[task] = bars.add_task(task, total=total)
        bars.update(tasks[task], completed=done, total=total)

    with bars:
        yield update


@contextmanager
def tables(kept: bool = True) -> Iterator[tuple[Progress, State]]:
    """A line per table: on a terminal a live one with rows, rate and state, else one for the log at its end. Not kept:
    where the result has the same lines; then they have no rows, go from the terminal, and are not logged."""
    if not sys.stderr.isatty():
        yield (
            lambda task, done, total=None: None,
            lambda task, text, final=False: say(f"{task}: {text}") if final and kept else None,
        )
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    bars = _bars(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<24}"),
        *((TextColumn("{task.completed:>12,} rows"), TextColumn("{task.fields[rate]:>12}")) if kept else ()),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}"),
        transient=not kept,
    )
    tasks: dict[str, Any] = {}

    def known(task: str) -> Any:
        if task not in tasks:
            tasks[task] = bars.add_task(task, total=None, rate="", state="")
        return tasks[task]

    def rows(task: str, done: int, total: int | None = None) -> None:
        number = known(task)
        taken = bars.tasks[number].elapsed
        rate = f"{done / taken:,.0f}/s" if taken and done else ""
        bars.update(number, completed=done, total=total, rate=rate)

    def state(task: str, text: str, final: bool = False) -> None:
        failed = final and text.startswith("failed")
        bars.update(known(task), state="[red]failed" if failed else "done" if final else text)
        if final:
            bars.update(known(task), total=bars.tasks[known(task)].completed)
            bars.stop_task(known(task))

    with bars:
        yield rows, state


def _bars(*columns: Any, transient: bool = False) -> Any:
    from rich.console import Console
    from rich.progress import Progress as Bars

    return Bars(*columns, console=Console(stderr=True), transient=transient)


# What each line of the log at hand begins with; None where what is said is for a person.
_log: dict[str, Any] | None = None


@contextmanager
def log(**known: Any) -> Iterator[None]:
    """In the block, what is said is a line of JSON where stderr is no terminal. known: what each line tells besides."""
    global _log
    before, _log = _log, known
    try:
        yield
    finally:
        _log = before


def say(message: str, level: str = "info", **news: Any) -> None:
    """One line, on stderr. news: of what each line of a log tells, what has changed."""
    if _log is not None:
        _log.update(news)
        if not sys.stderr.isatty():
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            message = json.dumps({"at": at, **_log, "level": level, "message": message}, ensure_ascii=False)
    print(message, file=sys.stderr, flush=True)

"""`make bench`, the sync: whole processes side by side in one run, the results to docs/benchmarks.md.

Three ways to get the payments of a Postgres into a DuckDB file, by turns in each round: a bare script, dlt, and
`vend sync`. Then 1 % of the rows change and each runs again on its own file. Each run is checked: a
result that is wrong is no result. The server is an embedded one of its own, which also listens on a loopback address,
for connectorx takes no Unix socket.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import duckdb
import psycopg

PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
OURS = PROJECT / ".venv" / "bin"
THEIRS = PROJECT / ".venv-bench" / "bin"
ADDRESS = "127.54.32.1"
REPORT = PROJECT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- sync: begin -->", "<!-- sync: end -->"


@dataclass(frozen=True)
class Run:
    """One process: wall-clock seconds, CPU seconds, peak resident memory in MB."""

    seconds: float
    cpu: float
    peak: float


def timed(command: list[str], environ: dict[str, str]) -> Run:
    begun = time.monotonic()
    # each may keep its compiled modules, whatever this shell says
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, env={**inherited, **environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{output.decode(errors='replace')[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Bench:
    """A server with made-up business, and a folder for the destinations."""

    def __init__(self, folder: Path, payments: int, garages: int) -> None:
        self.folder = folder
        self.payments = payments
        self.home = folder / "server"
        self.environ = {"VEND_HOME": str(self.home)}
        self.vend("up")
        socket = self.socket()
        with psycopg.connect(socket, autocommit=True) as connection:
            connection.execute(f"alter system set listen_addresses = '{ADDRESS}'")
            (data,) = connection.execute("show data_directory").fetchone() or ("",)
        hba = Path(str(data)) / "pg_hba.conf"
        rule = f"host all all {ADDRESS}/32 trust"
        kept = [line for line in hba.read_text().splitlines() if "reject" not in line and line != rule]
        hba.write_text("\n".join([*kept, "host all all 127.0.0.0/8 trust", rule, ""]))
        self.vend("down")
        self.vend("up")
        self.dsn = f"postgresql://vend@{ADDRESS}:5432/vend"
        self.vend("source", "init")
        self.vend(
            *("source", "seed", "--garages", str(garages), "--months", "36", "--payments", str(payments)),
            *("--as-of", "2026-11-01"),
        )
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("vacuum (freeze, analyze)")

    def vend(self, *arguments: str) -> None:
        command = [str(OURS / "vend"), *arguments]
        subprocess.run(command, env={**os.environ, **self.environ}, check=True, stdout=subprocess.DEVNULL)

    def socket(self) -> str:
        found = subprocess.run(
            [str(OURS / "vend"), "env"], env={**os.environ, **self.environ}, check=True, capture_output=True, text=True
        )
        line = next(line for line in found.stdout.splitlines() if "VEND_POSTGRES_DSN" in line)
        return line.split("=", 1)[1].strip("'")

    def expected(self) -> tuple[object, ...]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute("select count(*), sum(amount), max(updated_at) from payments").fetchone() or ()

    def checked(self, file: Path) -> None:
        with duckdb.connect(str(file), read_only=True) as warehouse:
            query = "select count(*), sum(amount), max(updated_at)::timestamp from raw.payments"
            warehouse.execute("set timezone = 'UTC'")
            found = warehouse.execute(query).fetchone()
        if found != self.expected():
            sys.exit(f"{file.name} holds {found}, the source {self.expected()}.")

    def change(self, share: float) -> int:
        """Change a share of the payments as an application would, at a later updated_at each time."""
        with psycopg.connect(self.dsn) as connection:
            changed = connection.execute(
                "update payments set amount = amount + 0.01,"
                " updated_at = (select max(updated_at) from payments) + interval '1 minute' * random()"
                " where random() < %s",
                [share],
            ).rowcount
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("vacuum analyze payments")
            connection.execute("checkpoint")
        return changed

    def file(self, name: str) -> Path:
        return self.folder / name / "warehouse.duckdb"

    def fresh(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir()

    def bare(self) -> Run:
        script = [str(THEIRS / "python"), str(HERE / "bare.py"), self.dsn, str(self.file("bare"))]
        return self.run("bare", [*script, "payments"])

    def bare_again(self) -> Run:
        script = [str(THEIRS / "python"), str(HERE / "bare_merge.py"), self.dsn, str(self.file("bare"))]
        return self.run("bare", [*script, "payments"])

    def dlt(self) -> Run:
        script = [str(THEIRS / "python"), str(HERE / "dlt_merge.py"), self.dsn, str(self.file("dlt"))]
        return self.run("dlt", [*script, str(self.folder / "dlt" / "state"), "payments"])

    def ours(self, *tables: str, name: str = "vend") -> Run:
        return self.run(name, [str(OURS / "vend"), "sync", *(tables or ("payments",))])

    def run(self, name: str, command: list[str]) -> Run:
        environ = {
            "VEND_HOME": str(self.folder / name),
            "VEND_DUCKDB_PATH": str(self.file(name)),
            "VEND_POSTGRES_DSN": self.dsn,
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        run = timed(command, environ)
        self.checked(self.file(name))
        print(f"  {name:<6}{run.seconds:8.2f} s  {run.cpu:8.2f} s CPU  {run.peak:6.0f} MB", file=sys.stderr)
        return run


Ways = dict[str, list[Run]]


def rounds(count: int, ways: dict[str, Callable[[], Run]], before: Callable[[], None]) -> Ways:
    """Each way once a round, by turns; `before` each round."""
    results: Ways = {name: [] for name in ways}
    for number in range(count):
        before()
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            results[name].append(ways[name]())
    return results


def table(results: Ways, rows: int) -> list[str]:
    lines = ["| | seconds, median (min–max) | rows/s | CPU s | peak MB |", "|---|---|---|---|---|"]
    for name, runs in results.items():
        seconds = [run.seconds for run in runs]
        middle = median(seconds)
        lines.append(
            f"| {name} | {middle:.2f} ({min(seconds):.2f}–{max(seconds):.2f}) | {rows / middle:,.0f} "
            f"| {median(run.cpu for run in runs):.1f} | {max(run.peak for run in runs):.0f} |"
        )
    return lines


def ratios(results: Ways, one: str, other: str) -> list[float]:
    """Round by round, how many times as long `one` took as `other`."""
    return [a.seconds / b.seconds for a, b in zip(results[one], results[other], strict=True)]


def verdict(text: str, values: list[float], bound: float, at_least: bool) -> str:
    middle = median(values)
    met = middle >= bound if at_least else middle <= bound
    each = ", ".join(f"{value:.2f}" for value in values)
    target = f"target {'≥' if at_least else '≤'} {bound}: {'met' if met else 'NOT met'}"
    return f"- {text}: **{middle:.2f}×** ({each}); {target}"


def bench(options: argparse.Namespace) -> list[str]:
    folder = PROJECT / ".vend" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"seeding {options.payments:,} payments …", file=sys.stderr)
    stage = Bench(folder, options.payments, options.garages)
    try:
        lines = small(stage, options)
        if options.all_tables:
            lines += whole(stage)
    finally:
        stage.vend("down")
        shutil.rmtree(folder, ignore_errors=True)
    return lines


def small(stage: Bench, options: argparse.Namespace) -> list[str]:
    ways: dict[str, Callable[[], Run]] = {"bare COPY → DuckDB": stage.bare, "dlt": stage.dlt, "vend sync": stage.ours}

    def anew() -> None:
        print("full", file=sys.stderr)
        for name in ("bare", "dlt", "vend"):
            stage.fresh(name)

    full = rounds(options.rounds, ways, anew)
    changed: list[int] = []

    def later() -> None:
        changed.append(stage.change(0.01))
        print(f"{changed[-1]:,} rows changed", file=sys.stderr)

    again = {"bare COPY → MERGE": stage.bare_again, "dlt": stage.dlt, "vend sync": stage.ours}
    part = rounds(options.rounds, again, later)
    del again["bare COPY → MERGE"]  # whose reader wants rows to find out how they are written
    idle = rounds(options.rounds, again, lambda: print("nothing changed", file=sys.stderr))
    versions = [timed([str(OURS / "vend"), "--version"], {}) for _ in range(7)]
    count = stage.expected()[0]
    assert isinstance(count, int)
    return [
        f"### {count:,} payments, the whole table",
        "",
        *table(full, count),
        "",
        verdict("dlt ÷ vend sync", ratios(full, "dlt", "vend sync"), 2, True),
        verdict("vend sync ÷ bare", ratios(full, "vend sync", "bare COPY → DuckDB"), 1.5, False),
        "",
        f"### 1 % of them changed ({median(changed):,.0f} rows)",
        "",
        *table(part, round(median(changed))),
        "",
        verdict("dlt ÷ vend sync", ratios(part, "dlt", "vend sync"), 3, True),
        f"- dlt ÷ bare: **{median(ratios(part, 'dlt', 'bare COPY → MERGE')):.2f}×**: what the least process can reach, "
        "without guard, count, checksum and ledger",
        "",
        "### Nothing changed",
        "",
        *table(idle, 0),
        "",
        f"`vend --version`: {median(run.seconds for run in versions):.2f} s, median of 7; target < 0.3 s.",
        "",
    ]


def whole(stage: Bench) -> list[str]:
    """All nine tables, ours alone: from nothing, and then with nothing changed."""
    stage.fresh("vend")
    environ = {
        "VEND_HOME": str(stage.folder / "vend"),
        "VEND_DUCKDB_PATH": str(stage.file("vend")),
        "VEND_POSTGRES_DSN": stage.dsn,
    }
    command = [str(OURS / "vend"), "sync"]
    results: Ways = {"from nothing": [timed(command, environ)], "nothing changed": [timed(command, environ)]}
    stage.checked(stage.file("vend"))
    with duckdb.connect(str(stage.file("vend")), read_only=True) as warehouse:
        (rows,) = warehouse.execute("select sum(rows_extracted) from ops.sync_runs").fetchone() or (0,)
    return [f"### All nine tables, {rows:,} rows, `vend sync` alone", "", *table(results, int(rows)), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--payments", type=int, default=1_000_000)
    parser.add_argument("--garages", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--all-tables", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--dry-run", action="store_true", help="print the results, leave docs/benchmarks.md alone")
    options = parser.parse_args()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    started = datetime.now(UTC)
    load = os.getloadavg()[0]
    lines = [
        f"{started:%Y-%m-%d}, `make bench`: {options.payments:,} payments, {options.rounds} rounds. "
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}, "
        f"DuckDB {duckdb.__version__}; load {load:.1f} at the start.",
        "",
        *bench(options),
    ]
    text = "\n".join(lines)
    print(text)
    if not options.dry_run:
        document = REPORT.read_text()
        head, _, rest = document.partition(BEGIN)
        _, _, tail = rest.partition(END)
        REPORT.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()

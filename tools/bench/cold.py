"""`make bench`, the cold side: a full build, one after 0.1 % has changed, the reports' answers; to docs/benchmarks.md.

On a server and a DuckDB file of its own with made-up business, stored by time. Database time is that of a node's
statements, as dbt's adapter takes it, models apart from tests; node time is dbt's own and holds its Python too. dbt has
one thread here: beside another one a statement also takes the time that it waits for that one, and is counted in both.
Answers are those of a reader's connection to the finished file, each garage another one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import duckdb
import psycopg

PROJECT = Path(__file__).resolve().parents[2]
REPORT = PROJECT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- cold: begin -->", "<!-- cold: end -->"
SLOWEST = 12
TESTS = ("test", "unit_test")
MODELS = ("model", "seed", "snapshot")
BUILT = ("staging", "marts", "security", "reports")

# What the architecture's catalog asks of each report: a garage admin of one garage, Vend's leadership of all.
QUESTIONS = {
    "rpt_garage_monthly_pl, a garage's months": "from reports.rpt_garage_monthly_pl where garage_id = ? order by month",
    "rpt_garage_monthly_pl, the year before beside it": "select month, gross_revenue, lag(gross_revenue, 12) over"
    " (order by month) from reports.rpt_garage_monthly_pl where garage_id = ? order by month",
    "rpt_garage_monthly_pl, the ten best of a month": "from reports.rpt_garage_monthly_pl where month ="
    " (select max(month) from reports.rpt_garage_monthly_pl) order by gross_revenue desc limit 10",
    "rpt_executive_dashboard, all months": "from reports.rpt_executive_dashboard order by month",
    "rpt_cohort_retention, a garage": "from reports.rpt_cohort_retention where garage_id = ? order by all",
    "rpt_occupancy_analytics, a garage": "from reports.rpt_occupancy_analytics where garage_id = ? order by all",
    "rpt_pass_performance, a garage": "from reports.rpt_pass_performance where garage_id = ? order by all",
    "rpt_financial_analytics, a garage": "from reports.rpt_financial_analytics where garage_id = ? order by month",
    "rpt_mrr_movements, a garage": "from reports.rpt_mrr_movements where garage_id = ? order by month",
    "rpt_subscription_health, a garage": "from reports.rpt_subscription_health where garage_id = ? order by month",
    "rpt_failed_payments, a garage": "from reports.rpt_failed_payments where garage_id = ? order by all",
    "rpt_cohort_revenue, a garage": "from reports.rpt_cohort_revenue where garage_id = ? order by all",
    "rpt_garage_rankings, a month": "from reports.rpt_garage_rankings where month ="
    " (select max(month) from reports.rpt_garage_rankings) order by revenue_rank",
    "rpt_platform_financials, all months": "from reports.rpt_platform_financials order by month",
    "rpt_platform_health, all months": "from reports.rpt_platform_health order by month",
    "rpt_customer_360, the hundred worth most": "from reports.rpt_customer_360 where currency = 'usd'"
    " order by lifetime_value desc limit 100",
    "vw_garage_monthly_pl, as the admin of one garage": "from reports.vw_garage_monthly_pl order by all",
}


@dataclass(frozen=True)
class Build:
    """Seconds: of the process on the clock and of CPU, of nodes by dbt; of the database by node, tests apart."""

    clock: float
    cpu: float
    nodes: float
    models: dict[str, float]
    tests: float


def vend(home: Path, *arguments: str) -> float:
    environ = {**os.environ, "VEND_HOME": str(home)}
    for name in ("VEND_POSTGRES_DSN", "VEND_SOURCE_DSN", "VEND_DUCKDB_PATH"):
        environ.pop(name, None)
    command = [str(PROJECT / ".venv" / "bin" / "vend"), *arguments]
    begun = time.monotonic()
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    print(f"  vend {' '.join(arguments)}: {seconds:.1f} s", file=sys.stderr)
    return seconds


def build(home: Path, *arguments: str) -> Build:
    log = home / "logs" / "cold" / "dbt.log"
    log.unlink(missing_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = vend(home, "build", "cold", *arguments, "--threads", "1", "--log-format-file", "json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds: defaultdict[str, float] = defaultdict(float)
    for line in log.open():
        event = json.loads(line)
        if event["info"]["name"] == "SQLQueryStatus":
            seconds[event["data"].get("node_info", {}).get("unique_id", "")] += event["data"]["elapsed"]
    models: dict[str, float] = {}
    nodes = tests = 0.0
    for node in json.loads((home / "target" / "cold" / "run_results.json").read_text())["results"]:
        kind, _, name = node["unique_id"].split(".", 2)
        if kind in TESTS:
            tests += seconds[node["unique_id"]]
        else:
            nodes += node["execution_time"]
            models[name] = seconds[node["unique_id"]]
    return Build(clock, cpu, nodes, models, tests)


def dsn(home: Path) -> str:
    environ = {**os.environ, "VEND_HOME": str(home)}
    environ.pop("VEND_POSTGRES_DSN", None)
    told = subprocess.run(
        [str(PROJECT / ".venv" / "bin" / "vend"), "env"], env=environ, check=True, capture_output=True, text=True
    ).stdout
    return next(line for line in told.splitlines() if "VEND_POSTGRES_DSN" in line).split("=", 1)[1].strip("'")


def as_they_came(address: str) -> None:
    """Store payments and stays by time, as an application writes them; the seed writes them customer by customer."""
    with psycopg.connect(address, autocommit=True) as connection:
        for table in ("payments", "parked"):
            connection.execute(f"create index bench_as_they_came on {table} (created_at)")
            connection.execute(f"cluster {table} using bench_as_they_came")
            connection.execute("drop index bench_as_they_came")


def change(address: str, share: float) -> int:
    """Correct payments at random over the whole history: harder than a day's business, which touches the last weeks."""
    with psycopg.connect(address) as connection:
        return connection.execute(
            "update payments set amount = amount + 0.01, net_amount = net_amount + 0.01,"
            " updated_at = now() at time zone 'UTC' where random() < %s",
            [share],
        ).rowcount


def answers(file: Path, rounds: int) -> list[str]:
    lines = ["| question | rows | p50 ms | p95 ms |", "|---|---:|---:|---:|"]
    every: list[float] = []
    with duckdb.connect(file, read_only=True) as warehouse:
        garages = [row[0] for row in warehouse.execute("select garage_id from marts.dim_garages").fetchall()]
        admin = warehouse.execute(
            "select user_id from security.garage_access group by user_id having count(*) = 1 order by 1 limit 1"
        ).fetchone()
        warehouse.execute("set variable app_user = ?", list(admin or [""]))
        dice = random.Random(1)  # noqa: S311, for a benchmark
        for question, query in QUESTIONS.items():
            taken, rows = [], 0
            for _ in range(rounds):
                values = [dice.choice(garages)] * query.count("?")
                begun = time.perf_counter()
                rows = max(rows, len(warehouse.execute(query, values).fetchall()))
                taken.append((time.perf_counter() - begun) * 1000)
            every += taken
            lines.append(f"| {question} | {rows:,} | {median(taken):.1f} | {quantiles(taken, n=20)[-1]:.1f} |")
    p95 = quantiles(every, n=20)[-1]
    met = "met" if p95 < 100 else "NOT met"
    return [*lines, "", f"- all of them: p50 {median(every):.1f} ms, **p95 {p95:.1f} ms**; target < 100 ms: {met}"]


def bench(options: argparse.Namespace) -> list[str]:
    home = PROJECT / ".vend" / (f"bench-cold-{options.payments}" if options.keep else "bench-cold")
    warehouse, seeded = home / "vend_analytics.duckdb", home / "seeded"
    kinds = [word for kind in MODELS for word in ("--resource-type", kind)] if options.models_only else []
    try:
        if options.keep and seeded.exists():
            vend(home, "up")
            vend(home, "sync")  # in full, for the server was started anew: before the builds, and not amid them
            with duckdb.connect(warehouse) as built:
                for schema in BUILT:
                    built.execute(f"drop schema if exists {schema} cascade")
        else:
            vend(home, "down") if home.exists() else None
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            home.chmod(0o755)
            vend(home, "source", "init")
            vend(
                home,
                *("source", "seed", "--garages", str(options.garages), "--months", "36"),
                *("--payments", str(options.payments), "--as-of", "2026-11-01"),
            )
            as_they_came(dsn(home))
            vend(home, "sync")
            seeded.touch()
        full = build(home, *kinds)
        with_nothing = build(home, *kinds)
        changed = change(dsn(home), 0.001)
        vend(home, "sync")
        part = build(home, *kinds)
        questions = answers(warehouse, options.rounds)
    finally:
        vend(home, "down")
        if not options.keep:
            shutil.rmtree(home, ignore_errors=True)
    return [*_builds(full, with_nothing, part, changed, options.payments), "", *questions, ""]


def _builds(full: Build, quiet: Build, part: Build, changed: int, payments: int) -> list[str]:
    def total(one: Build) -> float:
        return sum(one.models.values())

    ratio = total(part) / total(full)
    met = "met" if ratio < 0.2 else "NOT met"
    slowest = sorted(full.models, key=lambda name: -max(full.models[name], part.models.get(name, 0)))[:SLOWEST]
    rows: list[tuple[str, Any, Any, Any]] = [
        (name, full.models[name], quiet.models.get(name, 0), part.models.get(name, 0)) for name in slowest
    ]
    others = [name for name in full.models if name not in slowest]
    rows.append((f"{len(others)} others", *(sum(one.models.get(n, 0) for n in others) for one in (full, quiet, part))))
    rows.append(("**models, seeds, snapshots**", total(full), total(quiet), total(part)))
    if full.tests:
        rows.append(("tests", full.tests, quiet.tests, part.tests))
    rows.append(("nodes, dbt's Python included", full.nodes, quiet.nodes, part.nodes))
    rows.append(("the process on the clock", full.clock, quiet.clock, part.clock))
    rows.append(("the process, seconds of CPU", full.cpu, quiet.cpu, part.cpu))
    return [
        f"### {payments:,} payments: everything, nothing changed, {changed:,} of them changed",
        "",
        "| seconds of the database | full | quiet | 0.1 % |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {a:.2f} | {b:.2f} | {c:.2f} |" for name, a, b, c in rows),
        "",
        f"- 0.1 % ÷ full, database time of the models: **{ratio:.2f}**; target < 0.2: {met}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--payments", type=int, default=1_000_000)
    parser.add_argument("--garages", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=200, help="how often each question is asked")
    parser.add_argument("--models-only", action="store_true", help="leave dbt's tests out of the builds")
    parser.add_argument(
        "--keep", action="store_true", help="leave the synced business, and build anew from what was left"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the results, leave docs/benchmarks.md alone")
    options = parser.parse_args()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    started, load = datetime.now(UTC), os.getloadavg()[0]
    lines = [
        f"{started:%Y-%m-%d}, `make bench`: {options.payments:,} payments. {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.machine()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}; "
        f"load {load:.1f} at the start.",
        "",
        *bench(options),
    ]
    text = "\n".join(lines)
    print(text)
    if not options.dry_run:
        head, _, rest = REPORT.read_text().partition(BEGIN)
        _, _, tail = rest.partition(END)
        REPORT.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()

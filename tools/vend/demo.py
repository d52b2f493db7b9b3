"""The rehearsal: every layer once, on this machine, and a page of figures to show for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from vend import contract, dbt, figures, postgres, source
from vend.cli import build_side, hot_dsn, source_dsn, summary_line
from vend.errors import VendError
from vend.progress import progress, say
from vend.settings import Settings

GARAGES, MONTHS, PAYMENTS, SEED = 200, 30, 100_000, 1
COLD_SCHEMAS = ("raw", "staging", "marts", "reports")
MADE_OF = ("dbt_project.yml", "packages.yml", "selectors.yml", "models", "macros", "seeds", "tests", "snapshots")
TESTS = ("test", "unit_test")

LAST_CHANGE = """
    select cast(max(started_at) as varchar)
    from ops.sync_runs
    where status = 'success' and rows_inserted + rows_updated + rows_deleted > 0
"""


def run(settings: Settings, *, garages: int = GARAGES, months: int = MONTHS, payments: int = PAYMENTS) -> bool:
    """Play it; True if everything was built and every test passed. What a run before did and still stands is kept."""
    from vend import sync as loader

    begun = time.monotonic()
    say("1/5  Postgres")
    hot = hot_dsn(settings)
    source.init(hot)
    say("2/5  Vend's business: garages, passes, subscriptions, payments, parking")
    as_of = _seeded(hot, garages, months, payments)
    say("3/5  sync: Postgres → RAW")
    with progress() as update:
        loaded = loader.sync(settings, source_dsn(settings), progress=update)
    if not loaded.ok:
        say(loader.as_text(loaded))
        return False
    passed = warned = built = 0
    for step, side in (("4/5  hot", "hot"), ("5/5  cold", "cold")):
        outcome = _standing(settings, side, as_of, hot)
        say(f"{step}: models and tests{'' if outcome is None else ', built before and unchanged'}")
        if outcome is None:
            with progress("steps") as update:
                outcome = build_side(settings, side, as_of, progress=update)
            if not outcome.ok:
                say(summary_line(outcome))
                say(f"The whole story is in {settings.home / 'logs' / side / 'dbt.log'}.")
                return False
            _stamp(settings, side).write_text(_fingerprint(settings, side, as_of, hot))
            built += 1
        passed += outcome.count("pass", kinds=TESTS)
        warned += outcome.count("warn", kinds=TESTS)
    pages = _dashboards(settings, hot)
    news = f"ready in {time.monotonic() - begun:.0f} s" if built else "as at the last build; nothing has changed since"
    tests = f"{passed} tests passed, {warned} warned, 0 failed"
    print(page(settings, hot, as_of, tests, news, [*pages, *_next(settings, hot)]))
    return True


def _dashboards(settings: Settings, hot: str) -> list[str]:
    """Write the platform's page and that of the garage which earned most last month; the lines that name them."""
    from vend.dashboard import write

    best = best_garage(settings)
    if best is None:
        return []
    try:
        written = write.write(settings, hot, garage=best, platform=True)
    except VendError as error:
        return ["", f"  Dashboards: {error}"]
    return ["", f"  Dashboards, in {written.folder}", *(f"    {file.name}" for file in written.files)]


def best_garage(settings: Settings) -> str | None:
    """The one that earned most in the last whole month; None where there is none."""
    return next((garage for (garage,) in figures.query(settings, BEST_GARAGE)), None)


def _next(settings: Settings, hot: str) -> list[str]:
    """What to try next: as an admin of that garage too, where the roles are there that reading as a user needs."""
    with postgres.connect(hot) as connection:
        admin = connection.execute(ADMIN, {"garage": best_garage(settings)}).fetchone()
    return ["", *NEXT, *(AS_ADMIN.format(admin[0]).splitlines() if admin else ROLES)]


def _seeded(dsn: str, garages: int, months: int, payments: int) -> datetime | None:
    """Fill an empty database. Returns the instant its data were made for; None for a business of its own."""
    recorded = source.recorded(dsn)
    if recorded is None:
        with postgres.connect(dsn) as connection:
            if connection.execute("select exists (select from public.garages)").fetchone() == (True,):
                return None
        with progress() as update:
            source.seed(dsn, garages=garages, months=months, payments=payments, seed=SEED, progress=update)
        recorded = source.recorded(dsn)
    assert recorded is not None
    as_of: datetime = recorded["as_of"]
    return as_of


def _standing(settings: Settings, side: str, as_of: datetime | None, hot: str) -> dbt.Outcome | None:
    """The outcome of the demo's last build of a side, if a build now could bring nothing new."""
    stamp = _stamp(settings, side)
    if as_of is None or not stamp.exists() or stamp.read_text() != _fingerprint(settings, side, as_of, hot):
        return None
    return dbt.read_results(side, 0, dbt.target_path(settings, side) / "run_results.json", stamp)


def _stamp(settings: Settings, side: str) -> Path:
    return settings.home / f"demo-{side}"


def _built(settings: Settings, side: str, hot: str) -> str:
    """What lies there now; dbt by hand leaves its results elsewhere."""
    if side == "cold":
        return figures.fingerprint(settings, ("marts", "reports"))
    with postgres.connect(hot) as connection:
        fixed = connection.execute("select to_regclass('hot.setting') is not null").fetchone() == (True,)
        return str(connection.execute("select max(as_of) from hot.setting").fetchone()) if fixed else "none"


def _fingerprint(settings: Settings, side: str, as_of: datetime | None, hot: str) -> str:
    """Changes with the project's files, the data in RAW, the instant, and what any other build made of the side."""
    digest = hashlib.sha256(f"{as_of} {figures.query(settings, LAST_CHANGE)}".encode())
    for part in MADE_OF:
        top = settings.project / part
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.is_file():
                digest.update(str(file.relative_to(settings.project)).encode() + file.read_bytes())
    results = dbt.target_path(settings, side) / "run_results.json"
    digest.update(results.read_bytes() if results.exists() else b"none")
    digest.update(_built(settings, side, hot).encode())
    return digest.hexdigest()


def page(settings: Settings, hot: str, as_of: datetime | None, tests: str, news: str, closing: Sequence[str]) -> str:
    """The closing page: rows per layer, tests, headline figures, what to try next. Fits one screen."""
    with postgres.connect(hot) as connection:
        operational = [
            _one(connection, f"select count(*) from public.{table.name}")[0] for table in contract.tables(settings)
        ]
        views = [
            _one(connection, f"select count(*) from reporting.{name}")[0]
            for (name,) in connection.execute("select matviewname from pg_matviews where schemaname = 'hot'")
        ]
        today = _one(
            connection,
            "select coalesce(sum(gross_revenue), 0), coalesce(sum(payment_count), 0)"
            " from reporting.mv_daily_revenue"
            " where payment_date = (select max(payment_date) from reporting.mv_daily_revenue)",
        )
        inside = _one(connection, "select sum(current_occupancy), sum(capacity) from reporting.mv_current_occupancy")
        overdue = _one(
            connection, "select count(*), coalesce(sum(monthly_amount), 0) from reporting.mv_failed_payments"
        )
    layers = [("source", len(operational), sum(operational)), ("hot", len(views), sum(views))]
    layers += figures.layers(settings, COLD_SCHEMAS)
    headlines = figures.query(settings, HEADLINES)
    lines = [
        "",
        f"Vend analytics as of {as_of or datetime.now(UTC):%Y-%m-%d %H:%M} UTC — {news}",
        "",
        f"  {'layer':<10}{'relations':>10}{'rows':>14}      {tests}",
        *(f"  {name:<10}{relations:>10}{rows:>14,}" for name, relations, rows in layers),
        "",
        "  Right now (hot, Postgres)",
        f"    revenue today {_money(today[0])} from {today[1]:,} payments · "
        f"{inside[0]:,} vehicles inside of {inside[1]:,} spaces",
        f"    {overdue[0]:,} subscriptions overdue, {_money(overdue[1])} a month",
        "",
    ]
    for month, *values in headlines:
        lines += [f"  {month:%B %Y}, the last whole month (cold, reports.rpt_executive_dashboard)"]
        lines += _headlines(values)
    lines += [
        "",
        "  Five garages by profit in that month (cold, reports.rpt_garage_monthly_pl)",
        f"    {'garage':<28}{'revenue':>14}{'fees':>13}{'profit':>14}{'subs':>7}{'churn':>9}",
    ]
    for name, revenue, fees, profit, subscriptions, churn in figures.query(settings, TOP_GARAGES):
        lines.append(
            f"    {name[:27]:<28}{_money(revenue):>14}{_money(fees):>13}{_money(profit):>14}"
            f"{subscriptions:>7,}{_percent(churn):>9}"
        )
    return "\n".join([*lines, *closing])


HEADLINES = """
    select month, total_gross_revenue, revenue_growth_pct, total_platform_fees, total_garage_profit,
        active_garages, total_unique_customers, total_active_subscriptions, total_monthly_recurring_revenue,
        platform_churn_rate
    from reports.rpt_executive_dashboard
    order by month desc
    limit 1 offset 1
"""

TOP_GARAGES = """
    select garage_name, gross_revenue, total_stripe_fees + total_platform_fees, garage_profit,
        active_subscriptions, churn_rate_percent
    from reports.rpt_garage_monthly_pl
    where month = (select month from reports.rpt_executive_dashboard order by month desc limit 1 offset 1)
    order by garage_profit desc, garage_id
    limit 5
"""

BEST_GARAGE = """
    select garage_id
    from reports.rpt_garage_rankings
    where is_complete_month
    order by month desc, revenue_rank, garage_id
    limit 1
"""

NEXT = [
    "  Try next",
    "    .venv/bin/vend source mutate        a day of business on the source; then `make demo` again,",
    "                                        and what changed has arrived in every layer",
    "    .venv/bin/vend status               what runs, what is loaded, how fresh it is",
    "    .venv/bin/vend dashboard            a page for each garage, and an index of them",
    '    eval "$(.venv/bin/vend env)"; psql  the hot views: select * from reporting.mv_daily_revenue',
]

AS_ADMIN = """    .venv/bin/vend dashboard --as {0}
                                        what that garage's admin sees, and nothing else"""

ROLES = ["    .venv/bin/vend roles                then reports and dashboards --as USER: docs/tenants.md"]

# an address that two have names nobody
ADMIN = """
    select lower(trim(email)) as address
    from public.users
    where email is not null and exists (select from pg_roles where rolname = 'vend_app')
    group by address
    having count(*) = 1 and bool_or(role::text <> 'super_admin' and id in (
        select user_id from public.garage_admins where garage_id::text = %(garage)s
    ))
    order by address
    limit 1
"""


def _headlines(values: list[Any]) -> list[str]:
    revenue, growth, fees, profit, garages, customers, subscriptions, recurring, churn = values
    return [
        f"    revenue {_money(revenue)} ({_percent(growth, sign=True)} on the month before) · "
        f"platform fees {_money(fees)}",
        f"    garages' profit {_money(profit)} · recurring {_money(recurring)} a month · churn {_percent(churn)}",
        f"    {garages:,} garages · {customers:,} customers · {subscriptions:,} subscriptions",
    ]


def _one(connection: postgres.Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def _money(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def _percent(value: Decimal | None, sign: bool = False) -> str:
    return "—" if value is None else f"{value:+.2f} %" if sign else f"{value:.2f} %"

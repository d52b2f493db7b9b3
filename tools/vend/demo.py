"""The rehearsal: every layer once, on this machine, and a page of figures to show for it."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from vend import contract, figures, postgres, source
from vend.cli import build_side, hot_dsn, source_dsn, summary_line
from vend.dbt import Outcome
from vend.progress import progress, say
from vend.settings import Settings

GARAGES, MONTHS, PAYMENTS, SEED = 200, 30, 100_000, 1
COLD_SCHEMAS = ("raw", "staging", "marts", "reports")


def run(settings: Settings) -> bool:
    """Play it; True if everything was built and every test passed. A second run finds all done and says so."""
    from vend import sync as loader

    begun = time.monotonic()
    say("1/5  Postgres")
    hot = hot_dsn(settings)
    source.init(hot)
    say("2/5  Vend's business: garages, passes, subscriptions, payments, parking")
    as_of = _seeded(hot)
    say("3/5  sync: Postgres → RAW")
    with progress() as update:
        loaded = loader.sync(settings, source_dsn(settings), progress=update)
    if not loaded.ok:
        say(loader.as_text(loaded))
        return False
    outcomes = []
    for step, side in (("4/5  hot", "hot"), ("5/5  cold", "cold")):
        say(f"{step}: models and tests")
        outcome = build_side(settings, side, as_of, quiet=True)
        outcomes.append(outcome)
        if not outcome.ok:
            say(summary_line(outcome))
            say(f"The whole story is in {settings.home / 'logs' / side / 'dbt.log'}.")
            return False
    print(page(settings, hot, as_of, outcomes, time.monotonic() - begun))
    return True


def _seeded(dsn: str) -> datetime | None:
    """Fill an empty database. Returns the instant its data were made for; None for a business of its own."""
    recorded = source.recorded(dsn)
    if recorded is None:
        with postgres.connect(dsn) as connection:
            if connection.execute("select exists (select from public.garages)").fetchone() == (True,):
                return None
        with progress() as update:
            source.seed(dsn, garages=GARAGES, months=MONTHS, payments=PAYMENTS, seed=SEED, as_of=None, progress=update)
        recorded = source.recorded(dsn)
    assert recorded is not None
    as_of: datetime = recorded["as_of"]
    return as_of


def page(settings: Settings, hot: str, as_of: datetime | None, outcomes: list[Outcome], seconds: float) -> str:
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
    tests = ("test", "unit_test")
    passed = sum(o.count("pass", kinds=tests) for o in outcomes)
    warned = sum(o.count("warn", kinds=tests) for o in outcomes)
    lines = [
        "",
        f"Vend analytics as of {as_of or datetime.now().replace(microsecond=0)} UTC — ready in {seconds:.0f} s",
        "",
        f"  {'layer':<10}{'relations':>10}{'rows':>14}      {passed} tests passed, {warned} warned, 0 failed",
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
    lines += ["", *NEXT]
    return "\n".join(lines)


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

NEXT = [
    "  Try next",
    "    .venv/bin/vend source mutate        a day of business on the source; then `vend sync`,",
    "    .venv/bin/vend build cold           and what changed has arrived",
    "    .venv/bin/vend status               what runs, what is loaded, how fresh it is",
    '    eval "$(.venv/bin/vend env)"; psql  the hot views: select * from reporting.mv_daily_revenue',
]


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

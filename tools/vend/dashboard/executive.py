"""The page of the platform, for Vend's leadership: the last complete month, who leads, a year, cohorts, health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from vend.dashboard import charts, words
from vend.dashboard.page import (
    Column,
    Figure,
    Page,
    Table,
    cold_stamp,
    cold_warnings,
    count_column,
    money_column,
    month_column,
    percent_column,
    share,
)
from vend.dashboard.read import Cold, Hot, Platform, Row

COHORTS, MONTHS = 12, 12
MOVEMENTS = (
    ("At the start", "opening_mrr"),
    ("New customers", "new_mrr"),
    ("Came back", "reactivation_mrr"),
    ("Pay more", "expansion_mrr"),
    ("Pay less", "contraction_mrr"),
    ("Left", "churned_mrr"),
    ("At the end", "closing_mrr"),
)
NO_BASE = "nothing in the month before to compare with"


def page(platform: Platform, hot: Hot, cold: Cold, links: Mapping[str, str], made: datetime) -> Page:
    """hot: for its clock and zone. links: the address of a garage's page by its id. made: naive UTC, when it is
    written."""
    zone = hot.zone
    last = platform.last
    complete = [row for row in platform.months if row["is_complete_month"]]
    year = complete[-12:]
    currency = platform.months[-1]["currency"] if platform.months else "usd"
    health = [row for row in platform.health if last and row["month"] <= last["month"]]
    context: dict[str, Any] = {
        "month": words.month(last["month"]) if last else None,
        "currency": currency,
        "cold_stamp": cold_stamp(cold, zone),
        "warnings": cold_warnings(hot, cold, made),
        "day": words.local(max(cold.as_of), zone) if cold.as_of else None,
        "made": words.at(made, zone),
    }
    tables = [_kpis(year, currency), _top(platform, currency), _year(year, currency), _cohorts(platform)]
    tables += [_health(health), _movements(year, currency)]
    drawn: list[charts.Chart] = []
    if last:
        before = complete[-2] if len(complete) > 1 else None
        drawn = [
            charts.revenue_by_month(year, currency, _year_says(year, currency)),
            charts.success_rates(health[-12:], _health_says(health)),
            charts.movements(year, currency, _movements_say(last, currency)),
        ]
        best = max((row["gross_revenue"] for row in platform.garages), default=Decimal(0))
        context |= {
            "kpis": _figures(last, before, currency),
            "top": tables[1],
            "garages": [
                {
                    "row": row,
                    "link": links.get(row["garage_id"]),
                    "bar": share(row["gross_revenue"], best),
                    "of_first": words.percent(100 * row["gross_revenue"] / best, 0) if best else words.DASH,
                }
                for row in platform.garages
            ],
            "year": tables[2],
            "year_chart": drawn[0],
            "running": _running(platform.months[-1], currency),
            "cohorts": tables[3],
            "heat": _heat(platform),
            "health": tables[4],
            "rates": _rates(health),
            "health_chart": drawn[1],
            "movements": tables[5],
            "movements_chart": drawn[2],
            "bridge": _bridge(last, currency),
            "retention": (last["gross_retention_percent"], last["net_retention_percent"]),
        }
    return Page("executive", "executive.html", "Vend platform analytics", context, tables, drawn)


# ------------------------------------------------------------------------------------------------------- KPIs


def _figures(last: Row, before: Row | None, currency: str) -> list[Figure]:
    def then(name: str) -> Any:
        return before[name] if before else None

    name = words.month(before["month"]) if before else ""

    def on(text: str) -> str:
        return f"{text} in {name}" if before else "no month before to compare with"

    def amount(key: str) -> words.Change:
        return words.in_percent(last[key], then(key), on(words.money(then(key), currency)))

    def count(key: str) -> words.Change:
        return words.by(last[key], then(key), on(words.number(then(key))))

    growth, yearly = last["revenue_growth_pct"], last["yoy_growth_pct"]
    year_ago = "the same month of the year before"
    signed = words.given(growth, "")
    return [
        Figure("Revenue", words.money(last["total_gross_revenue"], currency), amount("total_gross_revenue")),
        Figure("Garages", words.number(last["active_garages"]), count("active_garages")),
        Figure("Customers", words.number(last["total_unique_customers"]), count("total_unique_customers")),
        Figure("Platform fees", words.money(last["total_platform_fees"], currency), amount("total_platform_fees")),
        Figure(
            "Growth",
            signed.text,
            words.given(yearly, f"on {year_ago}" if yearly is not None else f"{year_ago} is not known"),
            "on the month before",
            "" if growth is not None else NO_BASE,
        ),
        Figure(
            "Recurring revenue",
            words.money(last["total_monthly_recurring_revenue"], currency),
            amount("total_monthly_recurring_revenue"),
        ),
    ]


def _kpis(year: list[Row], currency: str) -> Table:
    columns = [
        month_column(),
        money_column("total_gross_revenue", "Revenue", currency),
        count_column("active_garages", "Garages"),
        count_column("total_unique_customers", "Customers"),
        count_column("total_active_subscriptions", "Subscriptions"),
        money_column("total_platform_fees", "Platform fees", currency),
        percent_column("revenue_growth_pct", "Growth", NO_BASE),
        money_column("total_monthly_recurring_revenue", "Recurring revenue", currency),
    ]
    return Table("kpis", "The platform by month", columns, year[::-1])


# ----------------------------------------------------------------------------------------------- top garages


def _top(platform: Platform, currency: str) -> Table:
    columns = [
        count_column("revenue_rank", "Place"),
        Column("garage_name", "Garage", is_text=True),
        money_column("gross_revenue", "Revenue", currency),
        money_column("garage_profit", "Profit", currency),
        percent_column("revenue_growth_pct", "On the month before", NO_BASE),
        percent_column("utilization_rate", "Mean occupancy", "not counted in the month"),
    ]
    return Table("top-garages", "Garages by revenue", columns, platform.garages)


# -------------------------------------------------------------------------------------------------- the year


def _year(year: list[Row], currency: str) -> Table:
    unknown = "nothing in the same month of the year before"
    columns = [
        month_column(),
        money_column("total_gross_revenue", "Revenue", currency),
        money_column("previous_year_revenue", "The year before", currency, unknown),
        percent_column("yoy_growth_pct", "Change", unknown),
        money_column("total_garage_profit", "Garages' profit", currency),
    ]
    return Table("revenue-12-months", "Revenue by month", columns, year[::-1])


def _year_says(year: list[Row], currency: str) -> str:
    if not year:
        return "No complete month is known yet."
    total = sum((row["total_gross_revenue"] for row in year), Decimal(0))
    first, last = year[0], year[-1]
    best = max(year, key=lambda row: row["total_gross_revenue"])
    span = (
        f"{words.month(first['month'])} to {words.month(last['month'])}"
        if len(year) > 1
        else words.month(last["month"])
    )
    return (
        f"{words.money(total, currency)} in {words.plural(len(year), 'complete month')}, {span}; "
        f"{words.money(last['total_gross_revenue'], currency)} in the last, "
        f"most in {words.month(best['month'])} with {words.money(best['total_gross_revenue'], currency)}."
    )


def _running(row: Row, currency: str) -> str:
    """The month that is not over, which the chart leaves out."""
    if row["is_complete_month"]:
        return ""
    so_far = f"{words.month(row['month'])} is not over and not drawn: "
    so_far += f"{words.money(row['total_gross_revenue'], currency)} so far"
    if row["projected_revenue"] is None:
        return f"{so_far}; too early to say what it is on course for."
    return f"{so_far}, on course for {words.money(row['projected_revenue'], currency)}."


# ---------------------------------------------------------------------------------------------------- cohorts


def _rate(row: Row) -> Decimal | None:
    return words.ratio(row["retained_users"], row["cohort_size"])


def _cohorts(platform: Platform) -> Table:
    columns = [
        Column("cohort_month", "Cohort", is_text=True),
        count_column("months_since_start", "Months since"),
        count_column("cohort_size", "Customers"),
        count_column("retained_users", "Retained"),
        percent_column("retention_rate", "Retention", "nobody in the cohort", 1),
    ]
    rows = [row | {"retention_rate": _rate(row)} for row in platform.cohorts]
    return Table("cohort-retention", "Cohort retention", columns, _recent(rows))


def _recent(rows: list[Row]) -> list[Row]:
    wanted = sorted({row["cohort_month"] for row in rows})[-COHORTS:]
    return [row for row in rows if row["cohort_month"] in wanted and row["months_since_start"] <= MONTHS]


def _heat(platform: Platform) -> dict[str, Any] | None:
    found = {(row["cohort_month"], int(row["months_since_start"])): row for row in _recent(platform.cohorts)}
    if not found:
        return None
    sizes = {cohort: int(row["cohort_size"]) for (cohort, _), row in found.items()}
    cohorts = sorted(sizes)
    width = max(month for _, month in found)

    def one(cohort: str, month: int) -> dict[str, Any]:
        row = found.get((cohort, month))
        rate = _rate(row) if row else None
        if row is None or rate is None:
            return {"text": words.DASH, "tint": None, "says": f"month {month} of {cohort}: not over yet"}
        kept = f"{words.number(row['retained_users'])} of {words.plural(int(row['cohort_size']), 'customer')}"
        return {"text": words.percent(rate, 0), "tint": share(rate, 100), "says": f"month {month} of {cohort}: {kept}"}

    return {
        "months": range(width + 1),
        "rows": [
            (
                words.short_month(date.fromisoformat(f"{cohort}-01")),
                words.number(sizes[cohort]),
                [one(cohort, month) for month in range(width + 1)],
            )
            for cohort in cohorts
        ],
        "says": _cohorts_say(found, cohorts),
    }


def _cohorts_say(found: dict[tuple[str, int], Row], cohorts: list[str]) -> str:
    """Over all cohorts shown that are so old."""
    parts = []
    for month in (1, 3, 6, 12):
        rows = [row for cohort in cohorts if (row := found.get((cohort, month)))]
        size = sum(row["cohort_size"] for row in rows)
        if size:
            rate = words.ratio(sum(row["retained_users"] for row in rows), size)
            parts.append(f"{words.percent(rate, 1)} after {words.plural(month, 'month')}")
    if not parts:
        return "No cohort is a month old yet."
    return f"Of the customers who came, there were still {', '.join(parts)}."


# ----------------------------------------------------------------------------------------------------- health

CHURN = "churn_rate_percent"
RATES = (
    ("Paid at the first attempt", "first_attempt_success_rate_percent", "no charge in the month"),
    ("Paid in the end", "eventual_success_rate_percent", "no charge in the month"),
    ("Recovered of what failed", "dunning_recovery_rate_percent", "nothing failed in the month"),
    ("Subscriptions lost", CHURN, "no subscription at the month's start"),
)


def _health(health: list[Row]) -> Table:
    columns = [
        month_column(),
        count_column("charge_count", "Charges"),
        *(percent_column(key, label, unknown) for label, key, unknown in RATES),
        count_column("in_dunning_charge_count", "Still owed"),
        Column("avg_days_to_recovery", "Days to recover", lambda value: words.number(value, 1), "nothing recovered"),
        Column("avg_subscription_lifetime_days", "Mean lifetime, days", words.number, "no subscription has begun"),
    ]
    return Table("platform-health", "Platform health by month", columns, health[:-13:-1])


def _rates(health: list[Row]) -> list[Figure]:
    if not health:
        return []
    last, before = health[-1], health[-2] if len(health) > 1 else None
    figures = []
    for label, key, unknown in RATES:
        then = before[key] if before else None
        against = f"{words.percent(then, 1)} the month before" if then is not None else "the month before is not known"
        change = replace(words.by(last[key], then, against, 1, " points"), less_is_better=key == CHURN)
        figures.append(
            Figure(label, words.percent(last[key], 1), change, unknown="" if last[key] is not None else unknown)
        )
    life = last["avg_subscription_lifetime_days"]
    then = before["avg_subscription_lifetime_days"] if before else None
    against = f"{words.number(then)} days the month before" if then is not None else "the month before is not known"
    figures.append(
        Figure(
            "Mean lifetime of a subscription",
            f"{words.number(life)} days" if life is not None else words.DASH,
            words.by(life, then, against, 0, " days"),
            unknown="" if life is not None else "no subscription has begun",
        )
    )
    return figures


def _health_says(health: list[Row]) -> str:
    if not health:
        return "No charge is known yet."
    last = health[-1]
    first, end = last["first_attempt_success_rate_percent"], last["eventual_success_rate_percent"]
    if first is None or end is None:
        return f"There was no charge in {words.month(last['month'])}."
    return (
        f"Of {words.plural(last['charge_count'], 'charge')} in {words.month(last['month'])}, "
        f"{words.percent(first, 1)} were paid at the first attempt and {words.percent(end, 1)} in the end."
    )


# -------------------------------------------------------------------------------------------------- movements


def _movements(year: list[Row], currency: str) -> Table:
    columns = [month_column(), *(money_column(key, label, currency) for label, key in MOVEMENTS)]
    columns += [
        percent_column("gross_retention_percent", "Gross retention", "nothing recurring at the start"),
        percent_column("net_retention_percent", "Net retention", "nothing recurring at the start"),
    ]
    return Table("mrr-movements", "Recurring revenue by month", columns, year[::-1])


def _movements_say(last: Row, currency: str) -> str:
    net = last["net_new_mrr"]
    grew = "grew" if net > 0 else "shrank" if net < 0 else "did not change"
    by = f" by {words.money(abs(net), currency)}" if net else ""
    gained = last["new_mrr"] + last["reactivation_mrr"] + last["expansion_mrr"]
    lost = -(last["contraction_mrr"] + last["churned_mrr"])
    return (
        f"Recurring revenue {grew}{by} in {words.month(last['month'])}: "
        f"{words.money(gained, currency)} gained, {words.money(lost, currency)} lost."
    )


def _bridge(last: Row, currency: str) -> list[dict[str, Any]]:
    """From the month's start to its end, line by line."""
    kinds = dict(zip((key for _, key in MOVEMENTS[1:-1]), charts.COLOURS, strict=True))
    return [
        {
            "label": label,
            "amount": words.money(last[key], currency)
            if key not in kinds
            else words.signed(words.money(last[key], currency), last[key]),
            "kind": kinds.get(key, ""),
        }
        for label, key in MOVEMENTS
    ]

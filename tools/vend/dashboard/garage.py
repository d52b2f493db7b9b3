"""The page of one garage, for its admins: today, thirty days, last month, who owes, how full it is, what sells."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from vend.dashboard import charts, words
from vend.dashboard.page import (
    Column,
    Figure,
    Page,
    Table,
    cold_stamp,
    count_column,
    hot_stamp,
    mailto,
    money_column,
    month_column,
    percent_column,
    share,
    warnings,
)
from vend.dashboard.read import Cold, Garage, Hot, Row
from vend.dashboard.words import Change

SHOWN = 10
"""So many who owe at once; the others are a click away."""
WEEK = (1, 2, 3, 4, 5, 6, 0)
NO_SPACES = "the application gives this garage 0 spaces"
NO_BASE = "nothing in the month before"


def page(garage: Garage, hot: Hot, cold: Cold, made: datetime) -> Page:
    """made: naive UTC, when it is written."""
    days, failed, months = _days(garage), _failed(garage), _months(garage)
    hours, passes = _hours(garage), _passes(garage)
    profit = _profit(garage)
    today = Table(
        "today",
        "Today",
        [
            Column("measure", "Measure", is_text=True),
            Column("value", "So far today"),
            Column("week_ago", "Same time last week", unknown="not counted"),
        ],
        _today_rows(garage),
    )
    chart = charts.revenue_by_day(garage.days, garage.currency, _days_say(garage))
    context = {
        "garage": garage,
        "today": _today(garage, hot),
        "day": words.local(hot.as_of, hot.zone),
        "days": days,
        "chart": chart,
        "profit": profit,
        "months": months,
        "failed": failed,
        "owed": words.money(sum((row["monthly_amount"] for row in garage.failed), Decimal(0)), garage.currency),
        "shown": SHOWN,
        "occupancy": _occupancy(garage),
        "hours": hours,
        "heat": _heat(garage),
        "passes": passes,
        "bars": [
            share(row["monthly_revenue"], max(r["monthly_revenue"] for r in garage.passes)) for row in garage.passes
        ],
        "hot_stamp": hot_stamp(hot, hot.refreshed_at),
        "owing_stamp": hot_stamp(hot, hot.owing_at),
        "cold_stamp": cold_stamp(cold, hot.zone),
        "warnings": warnings(hot, cold, made),
        "made": words.at(made, hot.zone),
    }
    tables = [today, days, *([profit["table"]] if profit else []), months, failed, hours, passes]
    return Page(f"garage-{garage.id}", "garage.html", garage.name, context, tables, [chart])


# ------------------------------------------------------------------------------------------------------ today


def _today(garage: Garage, hot: Hot) -> list[Figure]:
    now, before, currency = garage.now, garage.week_ago, garage.currency
    here = words.local(garage.compared_at, hot.zone)
    when = f"{here:%A} {words.short_day(here)}"
    until = f"by {here:%H:%M} on {when}"
    spaces = f"{words.number(now['current_occupancy'])} of {words.plural(now['capacity'], 'space')} taken"
    if not now["capacity"]:
        spaces = f"{words.plural(now['current_occupancy'], 'vehicle')} inside"
    paid = before["gross_revenue"]
    paid_then = f"{words.money(paid, currency)} {until}" if paid else f"nothing paid {until}"
    payments, subscriptions = (words.number(before[name]) for name in ("payment_count", "active_count"))
    in_force = f"{subscriptions} at {here:%H:%M} on {when}"
    changes = [
        words.in_percent(now["gross_revenue"], paid, paid_then),
        words.by(now["payment_count"], before["payment_count"], f"{payments} {until}"),
        words.by(now["active_count"], before["active_count"], in_force),
        _occupancy_change(now, before, f"{words.hours(here.hour)} on {when}"),
    ]
    full = now["occupancy_rate"]
    return [
        Figure("Revenue", words.money(now["gross_revenue"], currency), changes[0]),
        Figure("Payments", words.number(now["payment_count"]), changes[1]),
        Figure("Active subscriptions", words.number(now["active_count"]), changes[2]),
        Figure("Occupancy", words.percent(full, 1), changes[3], spaces, "" if full is not None else NO_SPACES),
    ]


def _occupancy_change(now: Row, before: Row, when: str) -> Change:
    then = before["occupancy_count"]
    if then is None:
        return Change(words.DASH, None, f"no count for {when}")
    if not now["capacity"]:
        return words.by(now["current_occupancy"], then, f"{words.plural(then, 'vehicle')}, {when}")
    rate = Decimal(100 * then) / now["capacity"]
    return words.by(now["occupancy_rate"], rate, f"{words.percent(rate, 1)}, {when}", 1, " points")


def _today_rows(garage: Garage) -> list[Row]:
    before = garage.week_ago
    measures = ("gross_revenue", "payment_count", "active_count")
    rows: list[Row] = [{"measure": m, "value": garage.now[m], "week_ago": before[m]} for m in measures]
    inside = {"value": garage.now["current_occupancy"], "week_ago": before["occupancy_count"]}
    return [*rows, {"measure": "vehicles_inside"} | inside]


# ----------------------------------------------------------------------------------------------- thirty days


def _days(garage: Garage) -> Table:
    columns = [
        Column("payment_date", "Day", words.day, is_text=True),
        count_column("payment_count", "Payments"),
        money_column("gross_revenue", "Revenue", garage.currency),
        money_column("total_stripe_fees", "Stripe fees", garage.currency),
        money_column("total_platform_fees", "Platform fees", garage.currency),
        money_column("garage_profit", "Profit", garage.currency),
    ]
    return Table("last-30-days", "Revenue by day; the last day is today so far", columns, garage.days)


def _days_say(garage: Garage) -> str:
    whole = garage.days[:-1]
    if not whole:
        return "No whole day is known yet."
    total = sum((row["gross_revenue"] for row in whole), Decimal(0))
    if not total:
        return f"Nothing was paid in the {len(whole)} whole days before today."
    best = max(whole, key=lambda row: (row["gross_revenue"], row["payment_date"]))
    mean = total / len(whole)
    return (
        f"{words.money(total, garage.currency)} in the {len(whole)} whole days before today, "
        f"{words.money(mean, garage.currency)} a day on average; most on {best['payment_date']:%A} "
        f"{words.short_day(best['payment_date'])} with {words.money(best['gross_revenue'], garage.currency)}."
    )


# -------------------------------------------------------------------------------------------- profit and loss


def _profit(garage: Garage) -> dict[str, Any] | None:
    """The last complete month; None where the garage has had none."""
    month = next((row for row in reversed(garage.months) if row["is_complete_month"]), None)
    if month is None:
        return None
    lines = [
        ("Gross revenue", month["gross_revenue"], None),
        ("Stripe fees", -month["total_stripe_fees"], month["stripe_fee_percent"]),
        ("Platform fees", -month["total_platform_fees"], month["platform_fee_percent"]),
    ]
    other = month["other_deductions"]
    if other:
        gross = month["gross_revenue"]
        lines.append(("Other deductions", -other, words.ratio(other, gross)))
    lines.append(("Net profit", month["garage_profit"], month["margin_percent"]))
    rows: list[Row] = [{"line": line, "amount": amount, "percent_of_gross": part} for line, amount, part in lines]
    rows[0]["percent_of_gross"] = Decimal(100) if month["gross_revenue"] else None
    columns = [
        Column("line", "", is_text=True),
        money_column("amount", "Amount", garage.currency),
        percent_column("percent_of_gross", "Of gross revenue", "there is no revenue to take a part of"),
    ]
    before = words.month((month["month"] - timedelta(days=1)).replace(day=1))
    return {
        "month": words.month(month["month"]),
        "table": Table("profit-and-loss", f"Profit and loss of {words.month(month['month'])}", columns, rows),
        "change": words.given(
            month["revenue_growth_pct"],
            f"{words.money(month['previous_month_revenue'], garage.currency)} in {before}"
            if month["previous_month_revenue"] is not None
            else "no month before it to compare with",
        ),
        "margin": month["margin_percent"],
    }


def _months(garage: Garage) -> Table:
    currency = garage.currency
    columns = [
        month_column(),
        money_column("gross_revenue", "Revenue", currency),
        money_column("total_stripe_fees", "Stripe fees", currency),
        money_column("total_platform_fees", "Platform fees", currency),
        money_column("garage_profit", "Profit", currency),
        percent_column("margin_percent", "Margin", "no revenue in the month"),
        percent_column("revenue_growth_pct", "On the month before", NO_BASE),
        percent_column("yoy_growth_pct", "On the year before", "nothing in the same month of the year before"),
    ]
    complete = [row for row in garage.months if row["is_complete_month"]]
    return Table("twelve-months", "The last twelve complete months", columns, complete[:-13:-1])


# ------------------------------------------------------------------------------------------------------ owing


def _failed(garage: Garage) -> Table:
    rows = [row | {"customer": words.full_name(row["first_name"], row["last_name"])} for row in garage.failed]
    columns = [
        Column("customer", "Customer", is_text=True, unknown="the account has no name"),
        money_column("monthly_amount", "Monthly amount", garage.currency),
        Column("days_past_due", "Overdue", lambda days: words.plural(days, "day")),
        Column("status", "Status", lambda status: status.replace("_", " "), is_text=True),
        Column("email", "Contact", is_text=True, unknown="the account has no address", wrap=mailto),
    ]
    return Table("failed-payments", "Subscriptions past due or unpaid", columns, rows)


# -------------------------------------------------------------------------------------------------- occupancy


def _occupancy(garage: Garage) -> dict[str, Any]:
    now = garage.now
    return {
        "rate": words.percent(now["occupancy_rate"], 1),
        "unknown": "" if now["capacity"] else NO_SPACES,
        "bar": share(now["current_occupancy"], now["capacity"]),
        "inside": words.plural(now["current_occupancy"], "vehicle"),
        "capacity": words.plural(now["capacity"], "space"),
        "free": words.number(now["available_spots"]),
        "over": now["capacity"] and now["available_spots"] < 0,
    }


def _hours(garage: Garage) -> Table:
    columns = [
        Column("day_of_week", "Day", lambda day: words.WEEKDAYS[day], is_text=True),
        Column("hour", "Hour", words.hours, is_text=True),
        count_column("days_counted", "Days counted"),
        Column("avg_occupancy_count", "Vehicles, mean", lambda value: words.number(value, 2)),
        percent_column("avg_occupancy_rate", "Occupancy, mean", NO_SPACES),
    ]
    rows = sorted(garage.hours, key=lambda row: (WEEK.index(row["day_of_week"]), row["hour"]))
    return Table("occupancy-by-hour", "How full by day of the week and hour", columns, rows)


def _heat(garage: Garage) -> dict[str, Any] | None:
    """The same as a grid; in percent, in vehicles where there are no spaces. None without a count."""
    if not garage.hours:
        return None
    in_percent = any(row["avg_occupancy_rate"] is not None for row in garage.hours)
    measure, unit = ("avg_occupancy_rate", " %") if in_percent else ("avg_occupancy_count", " vehicles")
    known = [row for row in garage.hours if row[measure] is not None]
    top = Decimal(100) if in_percent else max([row[measure] for row in known] + [Decimal(1)])
    found = {(row["day_of_week"], row["hour"]): row for row in known}

    def one(day: int, hour: int) -> dict[str, Any]:
        row = found.get((day, hour))
        where = f"{words.WEEKDAYS[day]} {words.hours(hour)}"
        if row is None:
            return {"text": words.DASH, "tint": None, "says": f"{where}: no count"}
        counted = words.plural(row["days_counted"], "day")
        return {
            "text": words.number(row[measure]),
            "tint": share(row[measure], top),
            "says": f"{where}: {words.number(row[measure], 1)}{unit}, mean of {counted}",
        }

    fullest = max(known, key=lambda row: (row[measure], -WEEK.index(row["day_of_week"]), -row["hour"]))
    first, last = min(row["first_day"] for row in known), max(row["last_day"] for row in known)
    return {
        "rows": [(words.WEEKDAYS[day], [one(day, hour) for hour in range(24)]) for day in WEEK],
        "says": (
            f"Fullest on {words.WEEKDAYS[fullest['day_of_week']]}s at {words.hours(fullest['hour'])}: "
            f"{words.number(fullest[measure], 1)}{unit} on average."
        ),
        "from": f"Counts of {words.day(first)} to {words.day(last)}, in the garage's own time",
        "unit": "percent of spaces" if in_percent else f"vehicles inside, for {NO_SPACES}",
        "top": words.number(top),
    }


# ----------------------------------------------------------------------------------------------------- passes


def _passes(garage: Garage) -> Table:
    columns = [
        Column("pass_name", "Pass", is_text=True),
        count_column("active_subscriptions", "Active"),
        money_column("monthly_revenue", "Monthly revenue", garage.currency),
        percent_column("churn_rate", "Left, of all", "nobody has subscribed yet", 1),
        Column(
            "avg_subscription_lifetime_days",
            "Mean lifetime",
            lambda days: f"{words.number(days)} days",
            "nobody has subscribed yet",
        ),
    ]
    return Table("passes", "Passes by monthly revenue", columns, garage.passes)

"""Movements of recurring revenue, financials and rankings once more; recompute.py says how, and lists them in COLD."""

from __future__ import annotations

import calendar
from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal

from recompute import (
    ZERO,
    Frame,
    Row,
    Source,
    begun,
    currencies,
    grouped,
    growth,
    in_force,
    in_force_within,
    months,
    ratio,
    recurring,
    region,
    rpt_garage_monthly_pl,
    rpt_occupancy_analytics,
    succeeded,
    total,
)

MOVEMENTS = {
    "new": "new_mrr",
    "reactivated": "reactivation_mrr",
    "expanded": "expansion_mrr",
    "contracted": "contraction_mrr",
    "churned": "churned_mrr",
}


def movement(subscriptions: list[Row], before: Decimal, after: Decimal, start: datetime, end: datetime) -> str | None:
    """What one customer did in [start, end), by their subscriptions in one garage and the amounts at both ends."""
    there = any(in_force(row, start) for row in subscriptions)
    stays = any(in_force(row, end) for row in subscriptions)
    if not there and not stays:
        return None
    if not there:
        known = any(in_force_within(row, datetime.min, start) for row in subscriptions)
        return "reactivated" if known else "new"
    if not stays:
        return "churned"
    return None if after == before else "expanded" if after > before else "contracted"


def retained(opening: Decimal, *changes: Decimal) -> Decimal | None:
    """What is left of the opening MRR after the changes, in percent."""
    return ratio(opening + total(changes), opening, times=100)


def rpt_mrr_movements(source: Source, frame: Frame) -> list[Row]:
    subscriptions = grouped(filter(begun, source["subscriptions"]), "garage_id")
    first: dict[str, Row] = {}
    for row in rpt_garage_monthly_pl(source, frame):
        first.setdefault(row["garage_id"], row)
    rows = []
    for garage_id, begins in first.items():
        customers = grouped(subscriptions.get(garage_id, []), "user_id").values()
        for month, start, end in months(begins["month"], frame):
            changes: dict[str, list[Decimal]] = defaultdict(list)
            opening = closing = ZERO
            for theirs in customers:
                before = recurring(source, [row for row in theirs if in_force(row, start)], start)
                after = recurring(source, [row for row in theirs if in_force(row, end)], end)
                opening, closing = opening + before, closing + after
                what = movement(theirs, before, after, start, end)
                if what:
                    changes[what].append(after - before)
            sums = {what: total(changes[what]) for what in MOVEMENTS}
            rows.append(
                {
                    "garage_id": garage_id,
                    "garage_name": begins["garage_name"],
                    "month": month,
                    "month_key": f"{month:%Y-%m}",
                    "currency": begins["currency"],
                    "opening_mrr": opening,
                    "net_new_mrr": total(sums.values()),
                    "closing_mrr": closing,
                    "gross_retention_percent": retained(opening, sums["contracted"], sums["churned"]),
                    "net_retention_percent": retained(opening, sums["expanded"], sums["contracted"], sums["churned"]),
                    "opening_customers": sum(any(in_force(row, start) for row in theirs) for theirs in customers),
                    "closing_customers": sum(any(in_force(row, end) for row in theirs) for theirs in customers),
                }
                | {name: sums[what] for what, name in MOVEMENTS.items()}
                | {f"{what}_customers": len(changes[what]) for what in MOVEMENTS}
            )
    return rows


def year_before(month: date) -> date:
    return month.replace(year=month.year - 1)


def month_before(month: date) -> date:
    return date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)


def less(over: Decimal, under: Decimal | None) -> Decimal | None:
    return None if under is None else over - under


def rpt_financial_analytics(source: Source, frame: Frame) -> list[Row]:
    now = frame.local(frame.as_of)
    running, today = now.date().replace(day=1), now.date()
    over: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for payment in succeeded(source):
        if running <= frame.local(payment["payment_date"]).date() < today:
            over[payment["garage_id"]] += payment["amount"]
    monthly = {(row["garage_id"], row["month"]): row for row in rpt_garage_monthly_pl(source, frame)}
    rows = []
    for (garage_id, month), row in monthly.items():
        gross, kept = row["gross_revenue"], row["garage_profit"]
        stripe, platform = row["total_stripe_fees"], row["total_platform_fees"]
        before, year = (
            monthly.get((garage_id, month_before(month)), {}),
            monthly.get((garage_id, year_before(month)), {}),
        )
        projected: Decimal | None = gross
        if month == running:
            days = calendar.monthrange(month.year, month.month)[1]
            pace = ratio(over[garage_id] * days, today.day - 1, digits=2)
            projected = None if pace is None else max(pace, gross)
        rows.append(
            {
                "garage_id": garage_id,
                "garage_name": row["garage_name"],
                "month": month,
                "month_key": row["month_key"],
                "currency": row["currency"],
                "is_complete_month": month != running,
                "gross_revenue": gross,
                "total_stripe_fees": stripe,
                "total_platform_fees": platform,
                "other_deductions": gross - stripe - platform - kept,
                "garage_profit": kept,
                "stripe_fee_percent": ratio(stripe, gross, times=100),
                "platform_fee_percent": ratio(platform, gross, times=100),
                "margin_percent": ratio(kept, gross, times=100),
                "previous_month_revenue": before.get("gross_revenue"),
                "revenue_growth_pct": growth(gross, before.get("gross_revenue")),
                "previous_year_revenue": year.get("gross_revenue"),
                "yoy_growth_pct": growth(gross, year.get("gross_revenue")),
                "profit_change": less(kept, before.get("garage_profit")),
                "yoy_profit_change": less(kept, year.get("garage_profit")),
                "projected_revenue": projected,
                "monthly_recurring_revenue": row["monthly_recurring_revenue"],
            }
        )
    return rows


def rank(value: Decimal | None, among: list[Decimal | None]) -> int | None:
    """1 for the highest; equal values share a rank; None for what is unknown."""
    if value is None:
        return None
    return 1 + sum(other > value for other in among if other is not None)


def rpt_garage_rankings(source: Source, frame: Frame) -> list[Row]:
    garages = {row["id"]: row for row in source["garages"]}
    rates = {
        (row["garage_id"], row["month"]): row["avg_occupancy_rate"] for row in rpt_occupancy_analytics(source, frame)
    }
    financials = rpt_financial_analytics(source, frame)
    ranks: dict[tuple[str, date], int | None] = {}
    rows: list[Row] = []
    for row in sorted(financials, key=lambda row: row["month"]):
        garage_id, month = row["garage_id"], row["month"]
        rivals = [r for r in financials if r["month"] == month and r["currency"] == row["currency"]]
        place = rank(row["gross_revenue"], [r["gross_revenue"] for r in rivals])
        before = ranks.get((garage_id, month_before(month)))
        ranks[garage_id, month] = place
        copied = ("garage_id", "garage_name", "month", "month_key", "currency", "is_complete_month", "gross_revenue")
        copied += ("garage_profit", "previous_month_revenue", "revenue_growth_pct")
        rows.append(
            {name: row[name] for name in copied}
            | {
                "garage_region": region(garages[garage_id]["address"]),
                "revenue_rank": place,
                "previous_revenue_rank": before,
                "revenue_rank_change": None if before is None or place is None else before - place,
                "growth_rank": rank(row["revenue_growth_pct"], [r["revenue_growth_pct"] for r in rivals]),
                "utilization_rank": rank(
                    rates.get((garage_id, month)), [rates.get((r["garage_id"], month)) for r in rivals]
                ),
                "garages_ranked": len(rivals),
                "utilization_rate": rates.get((garage_id, month)),
                "revenue_per_space": ratio(row["gross_revenue"], garages[garage_id]["capacity"]),
            }
        )
    return rows


def rpt_platform_financials(source: Source, frame: Frame) -> list[Row]:
    covered = {garage for garage, currency in currencies(source, frame).items() if currency == frame.currency}
    money: dict[date, list[Row]] = defaultdict(list)
    moved: dict[date, list[Row]] = defaultdict(list)
    for rows, by_month in (
        (rpt_financial_analytics(source, frame), money),
        (rpt_mrr_movements(source, frame), moved),
    ):
        for row in rows:
            if row["garage_id"] in covered:
                by_month[row["month"]].append(row)
    found: dict[date, Row] = {}
    for month in sorted(money):

        def of(rows: list[Row], name: str) -> Decimal:
            return total(row[name] for row in rows)

        names = ("gross_revenue", "total_stripe_fees", "total_platform_fees", "other_deductions", "garage_profit")
        sums = {name: of(money[month], name) for name in names}
        gross = sums["gross_revenue"]
        projected = [row["projected_revenue"] for row in money[month]]
        moves = {name: of(moved[month], name) for name in (*MOVEMENTS.values(), "opening_mrr", "closing_mrr")}
        opening, lost = moves["opening_mrr"], moves["contraction_mrr"] + moves["churned_mrr"]
        before = found.get(month_before(month), {}).get("gross_revenue")
        year = found.get(year_before(month), {}).get("gross_revenue")
        found[month] = (
            {
                "month": month,
                "month_key": f"{month:%Y-%m}",
                "currency": frame.currency,
                "is_complete_month": money[month][0]["is_complete_month"],
                "stripe_fee_percent": ratio(sums["total_stripe_fees"], gross, times=100),
                "platform_fee_percent": ratio(sums["total_platform_fees"], gross, times=100),
                "margin_percent": ratio(sums["garage_profit"], gross, times=100),
                "previous_month_revenue": before,
                "revenue_growth_pct": growth(gross, before),
                "previous_year_revenue": year,
                "yoy_growth_pct": growth(gross, year),
                "projected_revenue": None if None in projected else total(projected),
                "net_new_mrr": moves["closing_mrr"] - opening,
                "gross_retention_percent": retained(opening, lost),
                "net_retention_percent": retained(opening, lost, moves["expansion_mrr"]),
            }
            | sums
            | moves
        )
    return list(found.values())

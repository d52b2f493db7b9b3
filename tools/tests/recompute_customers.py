"""What customers pay, owe and are worth, and how healthy subscriptions and the platform are: recompute.py's part on it.

From the definitions and day by day, where the SQL adds up months.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import recompute

if TYPE_CHECKING:
    # recompute.py brings this module in for its table of relations
    from recompute import Frame, Row, Source

ANSWERS = ("succeeded", "refunded", "failed")
OWING = ("past_due", "unpaid")


@dataclass(frozen=True)
class Charge:
    """One bill: its answered attempts in order, of which at most the last went through."""

    attempts: list[Row]
    subscription: Row | None

    @property
    def collected(self) -> bool:
        return bool(self.attempts[-1]["status"] != "failed")

    @property
    def dunned(self) -> bool:
        ever = self.subscription is not None and recompute.begun(self.subscription)
        return ever and self.attempts[0]["status"] == "failed"

    @property
    def recovered(self) -> bool:
        return self.dunned and self.collected

    @property
    def in_dunning(self) -> bool:
        return not self.collected and self.subscription is not None and self.subscription["status"] in OWING


def answered(source: Source, frame: Frame) -> list[Row]:
    return [row for row in source["payments"] if row["status"] in ANSWERS and row["payment_date"] < frame.as_of]


def charges(source: Source, frame: Frame) -> list[Charge]:
    subscriptions = recompute.by_id(source["subscriptions"])
    by_payer: dict[str, list[Row]] = defaultdict(list)
    for row in answered(source, frame):
        by_payer[row["subscription_id"] or row["id"]].append(row)
    found = []
    for payer, attempts in by_payer.items():
        bill: list[Row] = []
        for row in sorted(attempts, key=lambda row: (row["payment_date"], row["id"])):
            bill.append(row)
            if row["status"] != "failed":
                found.append(Charge(bill, subscriptions.get(payer)))
                bill = []
        if bill:
            found.append(Charge(bill, subscriptions.get(payer)))
    return found


def days(frame: Frame, since: datetime, until: datetime) -> int:
    return (frame.local(until).date() - frame.local(since).date()).days


def lifetime(subscriptions: Iterable[Row], frame: Frame, at: datetime) -> Decimal | None:
    """Mean days in force up to the instant, of those begun before it."""
    lives = [
        days(frame, row["created_at"], min(recompute.ended_at(row) or at, at))
        for row in subscriptions
        if recompute.begun(row) and row["created_at"] < at
    ]
    return recompute.mean(lives)


def churned_lifetime(churned: list[Row], frame: Frame) -> Decimal | None:
    return recompute.mean(days(frame, row["created_at"], recompute.ended_at(row) or frame.as_of) for row in churned)


def rpt_platform_health(source: Source, frame: Frame) -> list[Row]:
    covered = {garage for garage, currency in recompute.currencies(source, frame).items() if currency == frame.currency}
    subscriptions = [row for row in source["subscriptions"] if row["garage_id"] in covered]
    attempts = [row for row in answered(source, frame) if row["garage_id"] in covered]
    billed: dict[date, list[Charge]] = defaultdict(list)
    for charge in charges(source, frame):
        if charge.attempts[0]["garage_id"] in covered:
            billed[frame.month(charge.attempts[0]["payment_date"])].append(charge)
    executive = {row["month"]: row for row in recompute.rpt_executive_dashboard(source, frame)}
    rows: list[Row] = []
    for month, start, end in recompute.months(min([*executive, *billed]), frame) if executive or billed else ():
        answers = [row for row in attempts if recompute.within(row["payment_date"], start, end)]
        failed = [row for row in answers if row["status"] == "failed"]
        bills = billed[month]
        at_once = [bill for bill in bills if bill.attempts[0]["status"] != "failed"]
        collected = [bill for bill in bills if bill.collected]
        dunned = [bill for bill in bills if bill.dunned]
        recovered = [bill for bill in bills if bill.recovered]
        period = recompute.Period.of([], subscriptions, start, end)
        rows.append(
            {
                "month": month,
                "month_key": f"{month:%Y-%m}",
                "payment_attempts": len(answers),
                "failed_attempts": len(failed),
                "attempt_success_rate_percent": recompute.ratio(len(answers) - len(failed), len(answers), times=100),
                "charge_count": len(bills),
                "first_attempt_charge_count": len(at_once),
                "collected_charge_count": len(collected),
                "first_attempt_success_rate_percent": recompute.ratio(len(at_once), len(bills), times=100),
                "eventual_success_rate_percent": recompute.ratio(len(collected), len(bills), times=100),
                "dunned_charge_count": len(dunned),
                "recovered_charge_count": len(recovered),
                "in_dunning_charge_count": sum(bill.in_dunning for bill in bills),
                "dunning_recovery_rate_percent": recompute.ratio(len(recovered), len(dunned), times=100),
                "dunned_amount": recompute.total(
                    recompute.amount_in(frame.currency, bill.attempts[0]) for bill in dunned
                ),
                "recovered_amount": recompute.total(bill.attempts[-1]["amount"] for bill in recovered),
                "avg_days_to_recovery": recompute.mean(
                    days(frame, bill.attempts[0]["payment_date"], bill.attempts[-1]["payment_date"])
                    for bill in recovered
                ),
                "opening_subscriptions": len(period.opening),
                "churned_subscriptions": len(period.churned),
                "active_subscriptions": len(period.closing),
                "churn_rate_percent": period.churn,
                "avg_subscription_lifetime_days": lifetime(subscriptions, frame, end),
                "avg_churned_lifetime_days": churned_lifetime(period.churned, frame),
            }
        )
    return rows


def rpt_subscription_health(source: Source, frame: Frame) -> list[Row]:
    by_garage = recompute.grouped(source["subscriptions"], "garage_id")
    owing = {
        bill.subscription["id"]
        for bill in charges(source, frame)
        if bill.subscription is not None and not bill.collected
    }
    taken = ("garage_id", "garage_name", "month", "month_key", "currency", "churn_rate_percent")
    taken += ("opening_subscriptions", "new_subscriptions", "churned_subscriptions", "active_subscriptions")
    taken += ("monthly_recurring_revenue", *(f"{status}_subscriptions" for status in recompute.DUNNING))
    rows = []
    for known in recompute.rpt_garage_monthly_pl(source, frame):
        month, subscribed = known["month"], by_garage.get(known["garage_id"], [])
        start, end = frame.midnight(month), min(frame.midnight(recompute.next_month(month)), frame.as_of)
        period = recompute.Period.of([], subscribed, start, end)
        pending = [
            row
            for row in period.closing
            if row["cancel_at_period_end"]
            and (end == frame.as_of if row["canceled_at"] is None else row["canceled_at"] < end)
        ]
        asked = [row for row in subscribed if recompute.begun(row) and recompute.within(row["canceled_at"], start, end)]
        rows.append(
            {name: known[name] for name in taken}
            | {
                "churned_owing_subscriptions": sum(row["id"] in owing for row in period.churned),
                "cancellation_requests": len(asked),
                "pending_cancellations": len(pending),
                "pending_cancellation_amount": recompute.recurring(source, pending, end),
                "avg_subscription_value": recompute.ratio(known["monthly_recurring_revenue"], len(period.closing)),
                "avg_subscription_lifetime_days": lifetime(subscribed, frame, end),
                "avg_churned_lifetime_days": churned_lifetime(period.churned, frame),
            }
        )
    return rows


def bucket(late: int | None) -> tuple[str | None, int | None]:
    if late is None:
        return None, None
    for rank, (limit, name) in enumerate(((7, "0 to 7"), (30, "8 to 30"), (60, "31 to 60"), (90, "61 to 90")), start=1):
        if late <= limit:
            return f"{name} days", rank
    return "over 90 days", 5


def rpt_failed_payments(source: Source, frame: Frame) -> list[Row]:
    subscriptions, users, passes = (recompute.by_id(source[name]) for name in ("subscriptions", "users", "passes"))
    failed = recompute.grouped((row for row in answered(source, frame) if row["status"] == "failed"), "subscription_id")
    currency = recompute.currencies(source, frame)
    rows = []
    for debt in recompute.mv_failed_payments(source, frame):
        row = subscriptions[debt["subscription_id"]]
        monthly = recompute.recurring(source, [row], frame.as_of)
        latest = max(failed.get(row["id"], []), key=lambda row: (row["payment_date"], row["id"]), default=None)
        asked = recompute.amount_in(currency[row["garage_id"]], latest) if latest and debt["failed_attempts"] else None
        name, rank = bucket(debt["days_past_due"])
        rows.append(
            debt
            | {
                "garage_name": recompute.trim(debt["garage_name"]),
                "first_name": recompute.trim(debt["first_name"]),
                "last_name": recompute.trim(debt["last_name"]),
                "email": debt["email"].strip(" ").lower(),
                "phone": users[row["user_id"]]["phone"],
                "pass_name": recompute.trim(passes[row["pass_id"]]["name"]),
                "monthly_amount": monthly,
                "past_due_amount": monthly if asked is None else asked,
                "currency": currency[row["garage_id"]],
                "ageing_bucket": name,
                "ageing_rank": rank,
                "is_churned": recompute.begun(row) and (recompute.ended_at(row) or frame.as_of) < frame.as_of,
            }
        )
    return rows


def rpt_customer_360(source: Source, frame: Frame) -> list[Row]:
    currency = recompute.currencies(source, frame)
    who = {row["id"]: row["user_id"] for row in source["subscriptions"]}
    subscribed: dict[tuple[str, str], list[Row]] = defaultdict(list)
    paid: dict[tuple[str, str], list[Row]] = defaultdict(list)
    stayed: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in source["subscriptions"]:
        if row["created_at"] < frame.as_of:
            subscribed[row["user_id"], currency[row["garage_id"]]].append(row)
    for row in source["payments"]:
        if row["subscription_id"] is not None and row["payment_date"] < frame.as_of:
            paid[who[row["subscription_id"]], currency[row["garage_id"]]].append(row)
    for row in source["parked"]:
        if row["user_id"] is not None and row["entered_at"] < frame.as_of:
            stayed[row["user_id"], currency[row["garage_id"]]].append(row)
    places = {*subscribed, *paid, *stayed}
    places |= {(row["id"], frame.currency) for row in source["users"]} - {
        (user, frame.currency) for user, other in places if other != frame.currency
    }
    users = recompute.by_id(source["users"])
    rows = []
    for user_id, money in places:
        user = users[user_id]
        begun = [row for row in subscribed.get((user_id, money), []) if recompute.begun(row)]
        active = [row for row in begun if recompute.in_force(row, frame.as_of)]
        payments = paid.get((user_id, money), [])
        good = [row for row in payments if row["status"] == "succeeded"]
        stays = stayed.get((user_id, money), [])
        seen = [
            row["exited_at"] if row["exited_at"] is not None and row["exited_at"] < frame.as_of else row["entered_at"]
            for row in stays
        ]
        since = min((row["created_at"] for row in begun), default=None)
        until = frame.as_of if active else max((recompute.ended_at(row) or frame.as_of for row in begun), default=None)
        rows.append(
            {
                "user_id": user_id,
                "currency": money,
                "first_name": recompute.trim(user["first_name"]),
                "last_name": recompute.trim(user["last_name"]),
                "email": user["email"].strip(" ").lower(),
                "phone": user["phone"],
                "user_created_at": user["created_at"],
                "user_cohort_month": f"{frame.local(user['created_at']):%Y-%m}",
                "customer_status": "active" if active else "churned" if begun else "never subscribed",
                "total_subscriptions": len(begun),
                "active_subscriptions": len(active),
                "past_due_subscriptions": sum(row["status"] in OWING for row in begun),
                "total_garages": len({row["garage_id"] for row in begun}),
                "active_garages": len({row["garage_id"] for row in active}),
                "monthly_recurring_revenue": recompute.recurring(source, active, frame.as_of),
                "first_subscribed_at": since,
                "tenure_days": days(frame, since, until) if since is not None and until is not None else None,
                "payment_count": len(good),
                "lifetime_value": recompute.total(row["amount"] for row in good),
                "lifetime_platform_fees": recompute.total(recompute.platform_fee(row, frame) for row in good),
                "refunded_amount": recompute.total(row["amount"] for row in payments if row["status"] == "refunded"),
                "failed_attempts": sum(row["status"] == "failed" for row in payments),
                "first_paid_at": min((row["payment_date"] for row in good), default=None),
                "last_paid_at": max((row["payment_date"] for row in good), default=None),
                "stay_count": len(stays),
                "last_seen_at": max(seen, default=None),
                "days_since_last_seen": days(frame, max(seen), frame.as_of) if seen else None,
            }
        )
    return rows


def rpt_cohort_revenue(source: Source, frame: Frame) -> list[Row]:
    who = {row["id"]: row["user_id"] for row in source["subscriptions"]}
    known = [row for row in source["subscriptions"] if recompute.begun(row) and row["created_at"] < frame.as_of]
    began: dict[tuple[str, str], datetime] = {}
    for row in known:
        place = row["garage_id"], row["user_id"]
        began[place] = min(row["created_at"], began.get(place, row["created_at"]))
    cohort_of = {place: f"{frame.month(instant):%Y-%m}" for place, instant in began.items()}
    subscribed: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in known:
        subscribed[row["garage_id"], cohort_of[row["garage_id"], row["user_id"]]].append(row)
    paid: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in recompute.succeeded(source):
        place = row["garage_id"], who.get(row["subscription_id"], "")
        if place in cohort_of and row["payment_date"] < frame.as_of:
            paid[row["garage_id"], cohort_of[place]].append(row)
    rows, base, recurring_base = [], Decimal(0), Decimal(0)
    for cohort in recompute.rpt_cohort_retention(source, frame):
        month, size = cohort["month"], cohort["cohort_size"]
        start, end = frame.midnight(month), min(frame.midnight(recompute.next_month(month)), frame.as_of)
        payments = paid[cohort["garage_id"], cohort["cohort_month"]]
        to_date = [row for row in payments if row["payment_date"] < end]
        at_first = cohort["months_since_start"] == 0
        revenue = recompute.total(row["amount"] for row in to_date if at_first or row["payment_date"] >= start)
        base = revenue if at_first else base
        active = [
            row for row in subscribed[cohort["garage_id"], cohort["cohort_month"]] if recompute.in_force(row, end)
        ]
        mrr = recompute.recurring(source, active, end)
        recurring_base = mrr if at_first else recurring_base
        fees = recompute.total(recompute.platform_fee(row, frame) for row in to_date)
        total = recompute.total(row["amount"] for row in to_date)
        rows.append(
            {name: value for name, value in cohort.items() if name not in ("retained_users", "retention_rate")}
            | {
                "monthly_recurring_revenue": mrr,
                "mrr_retention_rate": recompute.ratio(mrr, recurring_base, times=100, digits=2),
                "revenue": revenue,
                "revenue_retention_rate": recompute.ratio(revenue, base, times=100, digits=2),
                "revenue_to_date": total,
                "lifetime_value": recompute.ratio(total, size),
                "platform_fees_to_date": fees,
                "platform_lifetime_value": recompute.ratio(fees, size),
            }
        )
    return rows

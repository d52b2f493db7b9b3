"""The plan and the bill, for people and for machines. In JSON, amounts and credits are decimals as text: no float
rounds them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from vend import cost
from vend.cost import Claim, Plan, cents, money
from vend.cost_actual import Actual

WIDTH = 118
SHOWN = 20


def plan_text(plan: Plan) -> str:
    """Tables, and then what they come to."""
    model = plan.model
    edition = str(model.assumptions["edition"].value).replace("_", " ")
    rows = [
        [
            load.name,
            f"{load.warehouse.upper()} {load.size}",
            _number(load.times, 0),
            _number(load.seconds, 0),
            _number(load.each, 0),
            _number(load.hours),
            _number(load.credits),
            money(load.dollars),
        ]
        for load in plan.loads
    ]
    for name, credits in plan.extra.items():
        rows.append([name, "", "", "", "", "", _number(credits), money(_priced(plan, credits))])
    stored = f"{_number(model.number('storage_gb'))} GB"
    rows.append(["storage", stored, "", "", "", "", "", money(plan.storage)])
    rows.append(["Snowflake", "", "", "", "", _number(plan.hours), _number(plan.credits), money(plan.snowflake)])
    head = ["load", "warehouse", "a day", "s each", "s billed", "hours", "credits", "a month"]
    parts = [
        f"Snowflake in a month, at {money(cents(model.price))} a credit ({edition} edition)",
        *_table(head, rows, "llrrrrrr"),
        "",
        "Beside the architecture's table",
        *_table(
            ["line", "it says", "plan", "difference", ""],
            [
                *(
                    [n.name, money(n.claimed), money(n.planned), money(n.planned - n.claimed), n.why]
                    for n in plan.lines
                ),
                _total(plan),
            ],
            "lrrrl",
        ),
        "",
        "What if",
        *_table(
            ["", "Snowflake", "in all", "difference", ""],
            [
                [name, money(other.snowflake), money(other.total), money(other.total - plan.total), _fits(other)]
                for name, other in [*cost.what_if(plan), (model.pure["name"], cost.pure(plan))]
            ],
            "lrrrl",
        ),
        "",
        "The architecture's figures: what it says → what that comes to",
        *(line for claim in cost.claims(plan) for line in _claim(claim)),
        "",
        "Assumptions",
        *(line for each in model.assumptions.values() for line in _assumption(each.name, each.value, each.source)),
        "",
        "Snowflake's rules, by the pages of its documentation",
        *(line for name, rule, page in cost.FACTS for line in _hanging(f"  {name:<28}", f"{rule} ({page})")),
        "",
        *(line for note in model.notes for line in textwrap.wrap(f"Note: {note}", WIDTH)),
        *textwrap.wrap(verdict(plan), WIDTH),
    ]
    return "\n".join(line.rstrip() for line in parts)


def verdict(plan: Plan) -> str:
    """What the plan comes to, in some sentences."""
    listed = cost.claims(plan)
    wrong = sum(not claim.holds for claim in listed)
    limit = plan.model.monthly_credits
    monitor = (
        f"The monitor of `vend provision` stops at {limit:f} credits, {money(_priced(plan, Fraction(limit)))}, "
        f"{_number(Fraction(limit) / plan.credits, 1)} times the plan."
        if plan.credits
        else ""
    )
    crowded = [load.name for load in plan.loads if load.crowded]
    late = f" It cannot be done: {', '.join(crowded)} would not end before the next." if crowded else ""
    return (
        f"The plan is {money(plan.total)} a month, {money(plan.snowflake)} of it Snowflake; the budget is less than "
        f"{money(plan.budget)}: {_fits(plan)}. Of {len(listed)} figures of the architecture {wrong} do not add up. "
        f"{monitor}{late}"
    )


def _total(plan: Plan) -> list[str]:
    claimed = sum((line.claimed for line in plan.lines), Decimal(0))
    return ["in all", money(claimed), money(plan.total), money(plan.total - claimed), ""]


def _fits(plan: Plan) -> str:
    if plan.fits:
        return f"fits, {money(plan.budget - plan.total)} to spare"
    return f"does not fit, {money(plan.total - plan.budget)} over" if plan.total > plan.budget else "does not fit"


def _claim(claim: Claim) -> list[str]:
    mark = "holds" if claim.holds else "no" if claim.off is None else f"{claim.off:+,.2f}".replace("-", "−")
    text = f"{claim.says} → {claim.comes_to}; {claim.why}."
    return _hanging(f"  {mark:>10}  ", text)


def _assumption(name: str, value: Decimal | str, source: str) -> list[str]:
    shown = value if isinstance(value, str) else f"{value:f}"
    return _hanging(f"  {name:<28}{shown:>9}  ", source)


def _hanging(first: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False)


def plan_json(plan: Plan) -> str:
    """The plan as one object."""
    model = plan.model

    def short(name: str, other: Plan) -> dict[str, Any]:
        return {
            "name": name,
            "snowflake": str(other.snowflake),
            "total": str(other.total),
            "difference": str(other.total - plan.total),
            "fits": other.fits,
        }

    whole = {
        "currency": "usd",
        "budget": str(plan.budget),
        "total": str(plan.total),
        "snowflake": str(plan.snowflake),
        "credits": _number(plan.credits),
        "credit_price": str(cents(model.price)),
        "fits": plan.fits,
        "verdict": verdict(plan),
        "notes": list(model.notes),
        "loads": [
            {
                "name": load.name,
                "warehouse": load.warehouse,
                "size": load.size,
                "times_a_day": _number(load.times),
                "seconds": _number(load.seconds),
                "seconds_billed": _number(load.each),
                "hours": _number(load.hours),
                "credits": _number(load.credits),
                "amount": str(load.dollars),
                "fits_its_interval": not load.crowded,
            }
            for load in plan.loads
        ],
        "other_credits": {name: _number(credits) for name, credits in plan.extra.items()},
        "storage": str(plan.storage),
        "lines": [
            {"name": line.name, "claimed": str(line.claimed), "planned": str(line.planned), "why": line.why}
            for line in plan.lines
        ],
        "what_if": [short(name, other) for name, other in cost.what_if(plan)],
        "all_on_snowflake": short(model.pure["name"], cost.pure(plan)),
        "claims": [
            {
                "says": claim.says,
                "comes_to": claim.comes_to,
                "off": None if claim.off is None else str(claim.off),
                "holds": claim.holds,
                "why": claim.why,
            }
            for claim in cost.claims(plan)
        ],
        "rules": [{"name": name, "rule": rule, "page": page} for name, rule, page in cost.FACTS],
        "assumptions": [
            {"name": each.name, "value": str(each.value), "source": each.source} for each in model.assumptions.values()
        ],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def actual_text(bill: Actual) -> str:
    """By warehouse, by day, by what ran, by service; then where the month is going."""
    price, stored_price = bill.plan.model.price, bill.plan.model.number("storage_price_tb")
    known = f"{bill.metered_until:%Y-%m-%d %H:%M} UTC" if bill.metered_until else "none yet"
    rows = []
    for name in bill.warehouses:
        projected, planned = bill.projected(bill.compute(name, whole=True)), bill.planned(name)
        rows.append(
            [
                _named(name),
                _number(Fraction(bill.compute(name))),
                _percent(bill.idle(name)),
                _number(projected),
                _number(planned),
                _number(None if projected is None or planned is None else projected - planned, sign=True),
            ]
        )
    whole = [day for day in bill.days if day.day < bill.whole_until]
    parts = [
        f"Snowflake in {bill.since:%B %Y}: credits metered up to {known}; the views of usage are up to 8 hours late.",
        f"{bill.whole_days} of {bill.month_days} days are surely whole; shares and projections are of those.",
        "",
        "By warehouse, credits of compute",
        *_table(["warehouse", "so far", "idle", "projected", "plan", "difference"], rows, "lrrrrr"),
        "",
        "By day (UTC), credits of compute",
        *_table(["day", *_own(bill), "others", "all", "idle", ""], _by_day(bill), "l" + "r" * 99),
        "",
        "By model, credits that queries took on whole days",
        *_table(["", "", "warehouse", "queries", "credits", "share", "cost"], _by_tag(bill), "lllrrrr"),
        "",
        "The account by service, credits as billed: cloud services beyond a tenth of the day's compute only",
        *_table(["service", "compute", "cloud services", "adjustment", "billed", "cost"], _by_service(bill), "lrrrrr"),
        "",
        *textwrap.wrap(bill_verdict(bill), WIDTH),
    ]
    if not whole:
        parts.insert(3, "No day is whole yet: shares and projections are unknown (–).")
    notes = [line for note in bill.plan.model.notes for line in textwrap.wrap(f"Note: {note}", WIDTH)]
    prices = f"A credit is {money(cents(price))}, a TB stored {money(cents(stored_price))} a month (cost.yml, --set)."
    return "\n".join(line.rstrip() for line in [*parts, prices, *notes])


def bill_verdict(bill: Actual) -> str:
    """Where the month is going, beside the plan."""
    planned = bill.plan.snowflake
    if bill.storage is None:
        stored = "Storage is unknown yet."
    else:
        volume = _number((bill.stored or Fraction(0)) / 10**9)
        stored = f"Storage: {volume} GB on average, {money(bill.storage)} a month."
    if bill.dollars is None:
        return f"What the month is on course for is unknown; the plan is {money(planned)}. {stored}"
    over = bill.dollars - planned
    course = "came to" if bill.whole_until == bill.until else "is on course for"
    how = (
        ""
        if bill.whole_until == bill.until
        else (f", if the days to come are as the {bill.whole_days} whole ones were on average, weekends too")
    )
    return (
        f"The month {course} {money(bill.dollars)}, billed credits of the account and storage{how}. The plan is "
        f"{money(planned)}: {money(abs(over))} {'more' if over > 0 else 'less'}. {stored}"
    )


def _by_day(bill: Actual) -> list[list[str]]:
    rows = []
    for day in sorted({each.day for each in bill.days}):
        of = [each for each in bill.days if each.day == day]
        compute = sum((each.compute for each in of), Decimal(0))
        taken = sum((each.attributed for each in of), Decimal(0))
        idle = Fraction(compute - taken) / Fraction(compute) if compute and day < bill.whole_until else None
        by_name = {each.warehouse: each.compute for each in of}
        own = [by_name.get(name, Decimal(0)) for name in _own(bill)]
        cells = [_number(Fraction(credits)) for credits in (*own, compute - sum(own, Decimal(0)))]
        mark = "" if day < bill.whole_until else "not whole yet"
        rows.append([f"{day}", *cells, _number(Fraction(compute)), _percent(idle), mark])
    return rows


def _by_tag(bill: Actual) -> list[list[str]]:
    total = sum((each.credits for each in bill.tagged), Decimal(0))
    rows = [
        [
            each.name,
            each.kind if each.kind != each.name else "",
            each.warehouse,
            f"{each.queries:,}",
            _number(Fraction(each.credits), 4),
            _percent(Fraction(each.credits) / Fraction(total) if total else None),
            money(_priced(bill.plan, Fraction(each.credits))),
        ]
        for each in bill.tagged[:SHOWN]
    ]
    if rest := bill.tagged[SHOWN:]:
        credits = sum((each.credits for each in rest), Decimal(0))
        queries = sum(each.queries for each in rest)
        share = _percent(Fraction(credits) / Fraction(total) if total else None)
        cells = [f"{queries:,}", _number(Fraction(credits), 4), share, money(_priced(bill.plan, Fraction(credits)))]
        rows.append([f"and {len(rest)} more", "", "", *cells])
    return rows


def _by_service(bill: Actual) -> list[list[str]]:
    rows = []
    for name in sorted({each.name for each in bill.services}):
        of = [each for each in bill.services if each.name == name]
        figures = [
            sum((getattr(each, field) for each in of), Decimal(0))
            for field in ("compute", "cloud_services", "adjustment", "billed")
        ]
        cost_of = money(_priced(bill.plan, Fraction(figures[3])))
        rows.append([name, *(_number(Fraction(figure)) for figure in figures), cost_of])
    total = bill.billed()
    rows.append(["in all", "", "", "", _number(Fraction(total)), money(_priced(bill.plan, Fraction(total)))])
    return rows


def actual_json(bill: Actual) -> str:
    """The bill as one object; null is unknown. Rows of every day and tag, none left out."""
    price = bill.plan.model.price
    whole = {
        "month": f"{bill.since:%Y-%m}",
        "at": f"{bill.at:%Y-%m-%dT%H:%M:%S}Z",
        "metered_until": f"{bill.metered_until:%Y-%m-%dT%H:%M:%S}Z" if bill.metered_until else None,
        "whole_days": bill.whole_days,
        "days_of_month": bill.month_days,
        "credit_price": str(cents(price)),
        "warehouses": [
            {
                "name": name,
                "credits": str(bill.compute(name)),
                "idle_share": _exact(bill.idle(name)),
                "projected_credits": _exact(bill.projected(bill.compute(name, whole=True))),
                "planned_credits": _exact(bill.planned(name)),
            }
            for name in bill.warehouses
        ],
        "days": [
            {
                "day": f"{day.day}",
                "warehouse": day.warehouse,
                "credits": str(day.compute),
                "cloud_services_credits": str(day.cloud_services),
                "attributed_credits": str(day.attributed),
                "whole": day.day < bill.whole_until,
            }
            for day in bill.days
        ],
        "tags": [
            {
                "name": each.name,
                "kind": each.kind,
                "warehouse": each.warehouse,
                "queries": each.queries,
                "credits": str(each.credits),
                "amount": str(cents(Fraction(each.credits) * price)),
            }
            for each in bill.tagged
        ],
        "services": [
            {"service": each.name, "day": f"{each.day}", "credits_billed": str(each.billed)} for each in bill.services
        ],
        "idle_share": _exact(bill.idle()),
        "credits_billed": str(bill.billed()),
        "storage": None if bill.storage is None else str(bill.storage),
        "projected": None if bill.dollars is None else str(bill.dollars),
        "planned": str(bill.plan.snowflake),
        "verdict": bill_verdict(bill),
        "notes": list(bill.plan.model.notes),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _priced(plan: Plan, credits: Fraction) -> Decimal:
    return cents(credits * plan.model.price)


def _own(bill: Actual) -> list[str]:
    return [name.upper() for name in bill.plan.model.sizes]


def _named(warehouse: str) -> str:
    return warehouse or "(no warehouse)"


def _exact(value: Fraction | None) -> str | None:
    return None if value is None else _number(value, 6).replace(",", "")


def _number(value: Fraction | None, places: int = 2, *, sign: bool = False) -> str:
    if value is None:
        return "–"
    rounded = cost.rounded(value, places)
    return (f"{rounded:+,f}" if sign else f"{rounded:,f}").replace("-", "−")


def _percent(share: Fraction | None) -> str:
    return "–" if share is None else f"{_number(share * 100, 1)} %"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], sides: str) -> list[str]:
    """Lines of columns; sides: l or r for each."""
    listed = [list(head), *map(list, rows)]
    widths = [max(len(row[place]) for row in listed if place < len(row)) for place in range(len(head))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(row, widths, sides, strict=False)
        )
        for row in listed
    ]

"""The charts, as Vega-Lite, drawn to SVG here and now. Colours are the page's own variables, so that one drawing serves
light, dark and paper; each is drawn twice, for wide and for narrow screens, so that its words stay readable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any

from vend.dashboard import words

Spec = dict[str, Any]
Row = dict[str, Any]

WIDE, TALL, NARROW = (700, 240), (700, 400), (330, 220)
"""Width and height; tall beside a statement of many lines."""
GAINS = ("new", "reactivation", "expansion")
LOSSES = ("contraction", "churned")
COLOURS = {
    "new": "var(--accent)",
    "reactivation": "var(--accent-2)",
    "expansion": "var(--accent-3)",
    "contraction": "var(--loss-2)",
    "churned": "var(--loss)",
}
# What the drawing says of its parts to screen readers; the whole has a title, and a table.
NOISE = re.compile(r' (?:role|aria-hidden|aria-roledescription|pointer-events)="[^"]*"')
CONFIG = {
    "aria": False,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "labelFontSize": 12,
        "gridColor": "var(--rule)",
        "domainColor": "var(--rule)",
        "ticks": False,
        "labelPadding": 8,
        "title": None,
    },
    "text": {"fontSize": 12, "color": "var(--ink)"},
}


@dataclass(frozen=True)
class Chart:
    """svg: the drawings, for the page as they are. says: what they show, in words and figures."""

    svg: str
    says: str


def drawn(name: str, says: str, spec: Callable[[bool], Spec], size: tuple[int, int] = WIDE) -> Chart:
    """Both drawings of a chart. spec: gives the Vega-Lite for a narrow screen or not."""
    drawings = []
    for narrow in (False, True):
        width, height = NARROW if narrow else size
        whole = {
            "config": CONFIG,
            "background": None,
            "width": width,
            "height": height,
            "padding": {"left": 10, "right": 6, "top": 6, "bottom": 0},
            "autosize": {"type": "fit", "contains": "padding"},
        } | spec(narrow)
        identity = f"{name}-{'narrow' if narrow else 'wide'}"
        opening = (
            f'<svg class="chart {"narrow" if narrow else "wide"}" viewBox="0 0 {width} {height}" role="img"'
            f' aria-labelledby="{identity}" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="{identity}">{escape(says)}</title>'
        )
        drawing = NOISE.sub("", _svg(whole).partition(">")[2])
        # every drawing begins to count anew, and a page has several
        drawings.append(opening + re.sub(r'(id="|url\(#)', rf"\1{identity}-", drawing))
    return Chart("".join(drawings), says)


def _svg(spec: Spec) -> str:
    import vl_convert

    drawing: str = vl_convert.vegalite_to_svg(spec)
    return drawing


def _amounts(currency: str) -> Spec:
    sign = json.dumps(words.symbol(currency))
    return {
        "tickCount": 4,
        "domain": False,
        "labelExpr": f"(datum.value < 0 ? '−' : '') + {sign} + format(abs(datum.value), '~s')",
    }


def revenue_by_day(days: Sequence[Row], currency: str, says: str) -> Chart:
    """days: in order, the last of them today, which is not over."""
    values: list[Row] = [{"day": f"{row['payment_date']}", "revenue": float(row["gross_revenue"])} for row in days]
    whole, today = values[:-1], values[-1:]
    best = max(whole, key=lambda row: row["revenue"], default=None)

    def spec(narrow: bool) -> Spec:
        x = {
            "field": "day",
            "type": "temporal",
            "scale": {"type": "utc"},
            "axis": {
                "format": "%-d %b",
                "tickCount": 3 if narrow else 6,
                "grid": False,
                "labelFlush": True,
                "labelSeparation": 10,
            },
        }
        top = {"scale": {"domain": [0, 1]}} if not any(row["revenue"] for row in values) else {}
        y = {"field": "revenue", "type": "quantitative", "axis": _amounts(currency)} | top
        point = {"type": "point", "filled": True, "color": "var(--accent)", "size": 50, "opacity": 1}
        layers: list[Spec] = [
            {"data": {"values": whole}, "mark": {"type": "area", "color": "var(--accent)", "opacity": 0.12}},
            {
                "data": {"values": whole},
                "mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 2, "strokeJoin": "round"},
            },
            {
                "data": {"values": today},
                "mark": point | {"filled": False, "strokeWidth": 2, "fill": "var(--paper)", "clip": False},
            },
        ]
        if best and best["revenue"]:
            label = {"type": "text", "dy": -12, "text": words.money(Decimal(str(best["revenue"])), currency)}
            at_edge = whole.index(best) / len(whole)
            label["align"] = "left" if at_edge < 0.15 else "right" if at_edge > 0.85 else "center"
            layers += [{"data": {"values": [best]}, "mark": mark} for mark in (point, label)]
        return {"encoding": {"x": x, "y": y}, "layer": layers}

    return drawn("days", says, spec)


def revenue_by_month(months: Sequence[Row], currency: str, says: str) -> Chart:
    """Bars, with a tick where the same month of the year before was."""
    values = [
        {
            "month": _month_label(row, at),
            "revenue": float(row["total_gross_revenue"]),
            "before": None if row["previous_year_revenue"] is None else float(row["previous_year_revenue"]),
        }
        for at, row in enumerate(months)
    ]

    def spec(narrow: bool) -> Spec:
        y = {"type": "quantitative", "axis": _amounts(currency)}
        return {
            "data": {"values": values},
            "encoding": {"x": _months(narrow)},
            "layer": [
                {
                    "mark": {"type": "bar", "color": "var(--accent)", "width": {"band": 0.62}},
                    "encoding": {"y": y | {"field": "revenue"}},
                },
                {
                    "transform": [{"filter": "datum.before != null"}],
                    "mark": {"type": "tick", "color": "var(--ink)", "thickness": 2, "width": {"band": 0.86}},
                    "encoding": {"y": y | {"field": "before"}},
                },
            ],
        }

    return drawn("months", says, spec)


def movements(months: Sequence[Row], currency: str, says: str) -> Chart:
    """What recurring revenue gained and lost, and a mark at the difference."""
    parts = [
        {"month": _month_label(row, at), "kind": kind, "place": place, "amount": float(row[f"{kind}_mrr"])}
        for at, row in enumerate(months)
        for place, kind in enumerate((*GAINS, *LOSSES))
    ]
    net = [{"month": _month_label(row, at), "net": float(row["net_new_mrr"])} for at, row in enumerate(months)]

    def spec(narrow: bool) -> Spec:
        axis = _amounts(currency)
        return {
            "encoding": {"x": _months(narrow)},
            "layer": [
                {
                    "data": {"values": parts},
                    "mark": {"type": "bar", "width": {"band": 0.62}},
                    "encoding": {
                        "y": {"field": "amount", "type": "quantitative", "axis": axis, "stack": "zero"},
                        "order": {"field": "place", "type": "ordinal"},
                        "color": {
                            "field": "kind",
                            "type": "nominal",
                            "legend": None,
                            "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())},
                        },
                    },
                },
                {
                    "data": {"values": net},
                    "mark": {"type": "tick", "color": "var(--ink)", "thickness": 3, "width": {"band": 0.86}},
                    "encoding": {"y": {"field": "net", "type": "quantitative", "axis": axis}},
                },
            ],
        }

    return drawn("movements", says, spec, TALL)


def success_rates(months: Sequence[Row], says: str) -> Chart:
    """Payments that go through at first, and in the end. The axis does not begin at 0."""
    kinds = ("first_attempt", "eventual")
    values = [
        {"month": _month_label(row, at), "kind": kind, "rate": float(rate)}
        for at, row in enumerate(months)
        for kind in kinds
        if (rate := row[f"{kind}_success_rate_percent"]) is not None
    ]

    def spec(narrow: bool) -> Spec:
        return {
            "data": {"values": values},
            "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 28, "filled": True}},
            "encoding": {
                "x": _months(narrow),
                "y": {
                    "field": "rate",
                    "type": "quantitative",
                    "scale": {"zero": False, "nice": True},
                    "axis": {"tickCount": 4, "domain": False, "labelExpr": "datum.label + ' %'"},
                },
                "color": {
                    "field": "kind",
                    "type": "nominal",
                    "legend": None,
                    "scale": {"domain": list(kinds), "range": ["var(--accent)", "var(--ink)"]},
                },
            },
        }

    return drawn("rates", says, spec)


def _month_label(row: Row, at: int) -> str:
    """The year stands below the first month and each January."""
    month = row["month"]
    return f"{month:%b}|{month.year if at == 0 or month.month == 1 else ''}|{month}"


def _months(narrow: bool) -> Spec:
    name = "slice(split(datum.label, '|')[0], 0, 1)" if narrow else "split(datum.label, '|')[0]"
    axis = {"labelAngle": 0, "labelExpr": f"[{name}, split(datum.label, '|')[1]]", "labelOverlap": False}
    return {"field": "month", "type": "ordinal", "sort": None, "axis": axis}

"""How figures are written for people: money, percent, dates, changes, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

DASH = "—"
FIXED_SPACE = "\u00a0"
"""Between a figure and its unit: no line ends there."""
SYMBOLS = {"usd": "$", "cad": "CA$", "aud": "A$", "eur": "€", "gbp": "£"}
CENT = Decimal("0.01")
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
"""By the number that the warehouse gives a day of the week."""


@dataclass(frozen=True)
class Change:
    """text: by how much, with its sign, or the dash. way: up, down or level, None where it is not known. against: what
    it is compared with, or why there is nothing to compare with. less_is_better: than more."""

    text: str
    way: str | None
    against: str
    less_is_better: bool = False

    @property
    def mood(self) -> str:
        """good, bad, level or unknown."""
        if self.way in ("up", "down"):
            return "good" if (self.way == "up") != self.less_is_better else "bad"
        return self.way or "unknown"


def symbol(currency: str) -> str:
    return SYMBOLS.get(currency.lower(), f"{currency.upper()} ")


def money(amount: Decimal | int | None, currency: str) -> str:
    """An exact amount, cents and all."""
    if amount is None:
        return DASH
    exact = Decimal(amount).quantize(CENT, ROUND_HALF_UP)
    return f"{'−' if exact < 0 else ''}{symbol(currency)}{abs(exact):,.2f}"


def number(value: Decimal | int | None, digits: int = 0) -> str:
    if value is None:
        return DASH
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{'−' if rounded < 0 else ''}{abs(rounded):,.{digits}f}"


def percent(value: Decimal | int | None, digits: int = 2) -> str:
    return DASH if value is None else f"{number(value, digits)}{FIXED_SPACE}%"


def ratio(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    """In percent, four decimals as the reports have them; None of nothing."""
    if not whole:
        return None
    return (100 * Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def signed(text: str, value: Decimal | int) -> str:
    """A number as written, with a plus where it is above zero."""
    return f"+{text}" if value > 0 else text


def way(value: Decimal | int) -> str:
    return "up" if value > 0 else "down" if value < 0 else "level"


def in_percent(now: Decimal, then: Decimal | None, against: str) -> Change:
    """The change of an amount. Of nothing no percent can be taken, nor of less."""
    if then is None or then <= 0:
        return Change(DASH, None, against)
    return given((now - then) / then * 100, against)


def given(value: Decimal | None, against: str) -> Change:
    """A change that is known in percent."""
    if value is None:
        return Change(DASH, None, against)
    shown = value.quantize(Decimal("0.1"), ROUND_HALF_UP)
    return Change(signed(percent(shown, 1), shown), way(shown), against)


def by(now: Decimal | int | None, then: Decimal | int | None, against: str, digits: int = 0, unit: str = "") -> Change:
    """The difference of two counts or rates."""
    if now is None or then is None:
        return Change(DASH, None, against)
    difference = (Decimal(now) - Decimal(then)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return Change(signed(f"{number(difference, digits)}{unit}", difference), way(difference), against)


def day(value: date) -> str:
    return f"{value.day} {value:%B %Y}"


def short_day(value: date) -> str:
    return f"{value.day}{FIXED_SPACE}{value:%b}"


def month(value: date) -> str:
    return f"{value:%B %Y}"


def short_month(value: date) -> str:
    return f"{value:%b %Y}"


def local(moment: datetime, zone: str) -> datetime:
    """A naive UTC instant on the wall clock of a zone, naive too."""
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def utc(moment: datetime, zone: str) -> datetime:
    """The other way."""
    return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def at(moment: datetime | None, zone: str) -> str:
    """An instant as people of the zone say it, to the minute."""
    if moment is None:
        return DASH
    here = local(moment, zone)
    return f"{here.day} {here:%b %Y, %H:%M} {zone}"


def hours(first: int) -> str:
    return f"{first:02d}:00–{(first + 1) % 24:02d}:00"


def full_name(first: str | None, last: str | None) -> str | None:
    return " ".join(part.strip() for part in (first, last) if part and part.strip()) or None


def plural(count: int, one: str, more: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"

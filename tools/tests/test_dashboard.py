"""The dashboards of a small business: their figures recomputed in Python, nobody else's on them, and how they look in a
real browser with the network cut."""

from __future__ import annotations

import csv
import io
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
import recompute
from click.testing import CliRunner
from conftest import PROJECT, settings_in
from recompute import Frame, Row, Source

from vend import dbt, serve, source, sync
from vend.cli import main
from vend.dashboard import garage as garages
from vend.dashboard import page as pages
from vend.dashboard import picture, words, write
from vend.dashboard import read as reading
from vend.errors import VendError
from vend.settings import Settings

AS_OF = datetime(2026, 3, 17, 14, 30)
FRAME = Frame(AS_OF)
UNTESTED = ("--resource-type", "model", "--resource-type", "seed", "--resource-type", "snapshot")
# what no dashboard reads
UNREAD = ("--exclude", "rpt_customer_360+", "rpt_cohort_revenue+", "rpt_subscription_health+", "rpt_failed_payments+")
UNREAD += ("fact_parking_events+",)
ODD_NAME = """<script>alert("x")</script> & Söhne's 'Parking'"""
EMPTY = "00000000-0000-4000-8000-0000000000ee"
ADMIN, OTHER = "admin@odd.example", "admin@other.example"
SECRET = Decimal("98765.43")
"""Paid in a garage that the admin of the odd one may not see."""
REPORTS = ("rpt_financial_analytics", "rpt_occupancy_hours", "rpt_pass_performance")


@dataclass(frozen=True)
class Business:
    """odd: with a hostile name, 60 who owe, and an admin. flat: without spaces. foreign: paid in Canadian dollars."""

    settings: Settings
    dsn: str
    source: Source
    odd: str
    flat: str
    foreign: str
    pages: dict[str, Page] = field(default_factory=dict)

    def write(self, out: Path, **options: Any) -> write.Written:
        return write.write(self.settings, self.dsn, out, **options)

    def page(self, garage: str) -> Page:
        return self.pages[f"garage-{garage}.html"]


@pytest.fixture(scope="module")
def business(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Business:
    dsn = make_database()
    settings = settings_in(tmp_path_factory.mktemp("dashboard") / "home", postgres_dsn=dsn)
    source.init(dsn)
    source.seed(dsn, garages=8, months=15, payments=2500, seed=3, as_of=AS_OF)
    with psycopg.connect(dsn) as connection:
        odd, flat, foreign = _made_odd(connection)
    assert sync.sync(settings, dsn).ok
    for side in ("cold", "hot"):
        left_out = UNREAD if side == "cold" else ()
        built = dbt.build(
            settings, side, dsn=dsn if side == "hot" else None, as_of=AS_OF, arguments=(*UNTESTED, *left_out)
        )
        assert built.ok, built.failures
    dbt.operation(settings, "create_roles", dsn)
    made = Business(settings, dsn, recompute.read(dsn), odd, flat, foreign)
    written = made.write(settings.home / "pages")
    made.pages.update({file.name: Page(file.read_text(encoding="utf-8"), file) for file in written.files})
    return made


def _made_odd(owner: psycopg.Connection[Any]) -> tuple[str, str, str]:
    busiest = "select garage_id::text from subscriptions group by garage_id order by count(*) desc, garage_id"
    odd, flat, foreign, rich = [garage for (garage,) in owner.execute(busiest)][:4]
    owner.execute("update garages set name = %s where id = %s", [ODD_NAME, odd])
    owner.execute("update garages set capacity = 0 where id = %s", [flat])
    owner.execute("update payments set currency = 'cad' where garage_id = %s", [foreign])
    owner.execute("insert into garages (id, name, capacity) values (%s, 'Not yet open', 12)", [EMPTY])
    owner.execute(
        "update subscriptions set status = 'past_due', canceled_at = null, cancel_at_period_end = false"
        " where id in (select id from subscriptions where garage_id = %s order by id limit 60)",
        [odd],
    )
    owner.execute(
        "update users set first_name = null, last_name = null where id ="
        " (select user_id from subscriptions where garage_id = %s and status = 'past_due' order by id limit 1)",
        [odd],
    )
    owner.execute(
        "update payments set amount = %s, status = 'succeeded', payment_date = %s, net_amount = null"
        " where id = (select id from payments where garage_id = %s order by id limit 1)",
        [SECRET, AS_OF - timedelta(days=20), rich],
    )
    # today and the same weekday last week, before and after the time of day
    hour, week = timedelta(hours=1), timedelta(days=7)
    for at, amount in ((AS_OF - hour, "120.50"), (AS_OF - week - hour, "100.25"), (AS_OF - week + hour, "900.00")):
        owner.execute(
            "update payments set amount = %s, status = 'succeeded', payment_date = %s, net_amount = null"
            " where id = (select id from payments where garage_id = %s and payment_date < %s order by id limit 1)",
            [amount, at, odd, AS_OF - timedelta(days=100)],
        )
    for email, garage in ((ADMIN, odd), (OTHER, rich)):
        owner.execute(
            "with made as (insert into users (email, role) values (%s, 'garage_admin') returning id)"
            " insert into garage_admins (user_id, garage_id) select id, %s from made",
            [email, garage],
        )
    return odd, flat, foreign


class Page(HTMLParser):
    """What a page says: its text, its tables by caption, its links."""

    def __init__(self, html: str, file: Path | None = None) -> None:
        super().__init__()
        self.html, self.file = html, file
        self.text, self.links = "", []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._caption: str | None = None
        self._inside: list[str] = []
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        elif tag == "table":
            self._rows, self._caption = [], None
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag in ("meta", "link"):
            self._inside.pop()

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass
        if tag == "table":
            rows = [[" ".join(cell.split()) for cell in row] for row in self._rows]
            self.tables.setdefault(self._caption or "", []).extend(rows)

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.text += data
        if "caption" in self._inside:
            self._caption = f"{self._caption or ''}{data}"
        elif "td" in self._inside or "th" in self._inside:
            self._rows[-1][-1] += data

    def rows(self, caption: str) -> list[list[str]]:
        """Of the tables whose caption begins like this, without their heads."""
        found = [rows for name, rows in self.tables.items() if name.startswith(caption)]
        assert found, f"no table {caption!r} among {list(self.tables)}"
        return [row for rows in found for row in rows[1:]]


def money(amount: Decimal | None, currency: str = "usd") -> str:
    """Written anew, so that words is not compared with itself."""
    if amount is None:
        return "—"
    return f"{'−' if amount < 0 else ''}{ {'usd': '$', 'cad': 'CA$'}[currency] }{abs(amount):,.2f}"


def signed(value: Decimal | int) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{abs(value):,}"


def part_of(part: Decimal, whole: Decimal) -> str:
    return f"{recompute.ratio(part, whole, times=100, digits=2)} %"


def of(rows: list[Row], **wanted: Any) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def paid(business: Business, garage: str, since: datetime, until: datetime) -> list[Row]:
    return [
        row
        for row in business.source["payments"]
        if row["garage_id"] == garage and row["status"] == "succeeded" and since <= row["payment_date"] < until
    ]


# ------------------------------------------------------------------------------------------------- figures


def test_today_beside_the_same_time_last_week(business: Business) -> None:
    page = business.page(business.odd)
    midnight, week = datetime(2026, 3, 17), timedelta(days=7)
    today = paid(business, business.odd, midnight, AS_OF)
    then = paid(business, business.odd, midnight - week, AS_OF - week)
    late = paid(business, business.odd, AS_OF - week, midnight - timedelta(days=6))
    assert Decimal("900.00") in {row["amount"] for row in late}
    now_sum, then_sum = (sum(row["amount"] for row in rows) for rows in (today, then))
    assert then_sum >= Decimal("100.25")
    change = recompute.rounded(recompute.Fraction(now_sum - then_sum) / recompute.Fraction(then_sum) * 100, 1)
    assert re.search(
        rf"Revenue {re.escape(money(now_sum))} \S* ?{re.escape(signed(change))} % "
        rf"{re.escape(money(then_sum))} by 14:30 on Tuesday 10 Mar",
        page.text,
    )
    difference = signed(len(today) - len(then))
    payments = rf"Payments {len(today)} \S* ?{re.escape(difference)} {len(then)} by 14:30 on Tuesday 10 Mar"
    assert re.search(payments, page.text)
    subscriptions = of(business.source["subscriptions"], garage_id=business.odd)
    begun = [row for row in subscriptions if recompute.begun(row)]
    active = [sum(recompute.in_force(row, at) for row in begun) for at in (AS_OF, AS_OF - week)]
    assert f"Active subscriptions {active[0]} " in page.text
    assert f" {active[1]} at 14:30 on Tuesday 10 Mar" in page.text


def test_occupancy_beside_the_hour_last_week(business: Business) -> None:
    page = business.page(business.odd)
    now = of(recompute.mv_current_occupancy(business.source, FRAME), garage_id=business.odd)[0]
    counted = of(
        recompute.fact_daily_occupancy(business.source, FRAME),
        garage_id=business.odd,
        occupancy_date=date(2026, 3, 10),
        hour=14,
    )
    then = recompute.ratio(counted[0]["occupancy_count"], now["capacity"], times=100, digits=1)
    assert f"Occupancy {recompute.rounded(recompute.Fraction(now['occupancy_rate']), 1)} %" in page.text
    assert f"{then} %, 14:00–15:00 on Tuesday 10 Mar" in page.text
    assert f"{now['current_occupancy']} vehicles inside of {now['capacity']} spaces" in page.text


def test_thirty_days_and_the_last_complete_month(business: Business) -> None:
    page = business.page(business.odd)
    found = of(recompute.mv_daily_revenue(business.source, FRAME), garage_id=business.odd)
    days = {row["payment_date"]: row for row in found}
    shown = page.rows("Revenue by day")
    assert len(shown) == 31
    for row, day in zip(shown, sorted(days)[-31:], strict=True):
        assert row[0] == f"{day.day} {day:%B %Y}"
        assert row[1:3] == [f"{days[day]['payment_count']:,}", money(days[day]["gross_revenue"])]
    month = paid(business, business.odd, datetime(2026, 2, 1), datetime(2026, 3, 1))
    gross = sum(row["amount"] for row in month)
    fees = sum(row["stripe_fee"] or 0 for row in month)
    platform = sum(recompute.platform_fee(row, FRAME) for row in month)
    profit = sum(recompute.profit(row, FRAME) for row in month)
    lines = {row[0]: row[1:] for row in page.rows("Profit and loss of February 2026")}
    assert lines["Gross revenue"] == [money(gross), "100.00 %"]
    assert lines["Stripe fees"] == [money(-fees), part_of(fees, gross)]
    assert lines["Platform fees"] == [money(-platform), part_of(platform, gross)]
    assert lines["Net profit"] == [money(profit), part_of(profit, gross)]
    other = gross - fees - platform - profit
    assert ("Other deductions" in lines) == (other != 0)


def test_who_owes(business: Business) -> None:
    page = business.page(business.odd)
    owing = of(recompute.mv_failed_payments(business.source, FRAME), garage_id=business.odd)
    assert len(owing) >= 60
    shown = page.rows("Subscriptions past due or unpaid")
    if "Customer" in {row[0] for row in shown}:  # the head of the second part
        shown = [row for row in shown if row[0] != "Customer"]
    expected = [
        (
            " ".join(filter(None, (row["first_name"], row["last_name"]))) or "— the account has no name",
            money(row["monthly_amount"]),
            f"{row['days_past_due']:,} day{'s' if row['days_past_due'] != 1 else ''}",
            row["email"],
        )
        for row in owing
    ]
    assert sorted((row[0], row[1], row[2], row[4]) for row in shown) == sorted(expected)
    assert f"Failed payments {len(owing)}" in page.text
    assert f"past due or unpaid, {money(sum(row['monthly_amount'] for row in owing))} a month" in page.text
    days = [int(row[2].split()[0].replace(",", "")) for row in shown]
    assert days == sorted(days, reverse=True)
    assert f"mailto:{owing[0]['email']}" in page.links


def test_hours_and_passes(business: Business) -> None:
    page = business.page(business.odd)
    hours = of(recompute.rpt_occupancy_hours(business.source, FRAME), garage_id=business.odd)
    grid = {row[0]: row[1:] for row in page.rows("Fullest on")}
    for cell in hours:
        shown = grid[cell["day_name"]][cell["hour"]]
        assert shown == f"{recompute.rounded(recompute.Fraction(cell['avg_occupancy_rate']), 0)}"
    fullest = max(row["avg_occupancy_rate"] for row in hours)
    assert f"{recompute.rounded(recompute.Fraction(fullest), 1)} % on average" in page.text
    passes = of(recompute.rpt_pass_performance(business.source, FRAME), garage_id=business.odd)
    shown = {(row[0], row[1], row[2]) for row in page.rows("Passes by monthly revenue")}
    assert shown == {
        (row["pass_name"], f"{row['active_subscriptions']:,}", money(row["monthly_revenue"])) for row in passes
    }


def test_the_platform(business: Business) -> None:
    page = business.pages["executive.html"]
    months = {row["month"]: row for row in recompute.rpt_executive_dashboard(business.source, FRAME)}
    last, before = months[date(2026, 2, 1)], months[date(2026, 1, 1)]
    assert "The platform in February 2026" in page.text
    growth = recompute.growth(last["total_gross_revenue"], before["total_gross_revenue"])
    assert growth is not None
    percent = recompute.rounded(recompute.Fraction(growth), 1)
    assert re.search(
        rf"Revenue {re.escape(money(last['total_gross_revenue']))} \S* ?{re.escape(signed(percent))} % "
        rf"{re.escape(money(before['total_gross_revenue']))} in January 2026",
        page.text,
    )
    for label, name in (("Garages", "active_garages"), ("Customers", "total_unique_customers")):
        assert f"{label} {last[name]:,} " in page.text
    assert f"Platform fees {money(last['total_platform_fees'])}" in page.text
    year = page.rows("Revenue by month")
    complete = sorted(months, reverse=True)[1:13]
    assert [row[:2] for row in year] == [[f"{m:%b %Y}", money(months[m]["total_gross_revenue"])] for m in complete]
    february = of(recompute.rpt_garage_monthly_pl(business.source, FRAME), month=date(2026, 2, 1), currency="usd")
    ranked = sorted((row["gross_revenue"] for row in february), reverse=True)
    top = page.rows("Garages by revenue")
    assert [row[2] for row in top] == [money(value) for value in ranked[:10]]
    assert [row[4] for row in top] == [f"{recompute.ratio(v, ranked[0], times=100, digits=0)} %" for v in ranked[:10]]
    assert ODD_NAME in {row[1] for row in top}


def test_cohorts_of_the_platform(business: Business) -> None:
    page = business.pages["executive.html"]
    found: dict[tuple[str, int], list[int]] = {}
    for row in recompute.rpt_cohort_retention(business.source, FRAME):
        if row["month"] < date(2026, 3, 1) and row["garage_id"] != business.foreign:
            cell = found.setdefault((row["cohort_month"], row["months_since_start"]), [0, 0])
            cell[0] += row["cohort_size"]
            cell[1] += row["retained_users"]
    grid = page.rows("Of the customers who came")
    cohorts = sorted({cohort for cohort, _ in found})[-12:]
    assert [row[0] for row in grid] == [f"{date.fromisoformat(f'{cohort}-01'):%b %Y}" for cohort in cohorts]
    for cohort, row in zip(cohorts, grid, strict=True):
        assert row[1] == f"{found[cohort, 0][0]:,}"
        for month, shown in enumerate(row[2:]):
            size, kept = found.get((cohort, month), (0, 0))
            assert shown == (f"{recompute.ratio(kept, size, times=100, digits=0)} %" if size else "—")


def test_currency_unknowns_and_nothing(business: Business) -> None:
    foreign = business.page(business.foreign)
    assert "CA$" in foreign.text
    assert not re.search(r"(?<!CA)\$", foreign.text)
    flat = business.page(business.flat)
    assert "the application gives this garage 0 spaces" in flat.text
    assert "inside; the application gives this garage 0 spaces, so there is no rate." in flat.text
    empty = business.page(EMPTY)
    for sentence in (
        "Nothing was paid in the 30 whole days before today.",
        "This garage has had no complete month yet",
        "Nobody is past due.",
        "No hour was counted in the eight weeks before the last build.",
        "This garage sells no pass.",
        "— no count for 14:00–15:00 on Tuesday 10 Mar",
    ):
        assert sentence in empty.text
    for page in business.pages.values():
        assert "None" not in page.text
        assert "nan" not in page.text.lower().split()


def test_each_section_says_how_fresh_it_is(business: Business) -> None:
    for name, page in business.pages.items():
        if name == "index.html":
            continue
        sections = page.html.split("<section")[1:]
        for section in sections:
            assert "as of 17 Mar 2026, 14:30 UTC" in section
    executive = business.pages["executive.html"]
    assert "last sync —" not in executive.text
    assert "last sync" in executive.text


# ------------------------------------------------------------------------------------------------ escaping


def test_names_are_text_and_nothing_is_fetched(business: Business) -> None:
    for page in business.pages.values():
        assert "<script" not in page.html
        assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page.html)
        assert "@import" not in page.html
        assert not re.search(r"url\((?!#)", page.html)
        ids = re.findall(r'\bid="([^"]+)"', page.html)
        assert len(ids) == len(set(ids))
        assert re.search(r'Content-Security-Policy" content="default-src \'none\'', page.html)
    assert ODD_NAME in business.page(business.odd).text
    assert ODD_NAME in business.pages["index.html"].text


# -------------------------------------------------------------------------------------------------- access


def foreign_words(business: Business, mine: str) -> set[str]:
    """Names, ids and addresses that belong to other garages and to nothing of mine."""
    tables = business.source
    customers = {row["user_id"] for row in of(tables["subscriptions"], garage_id=mine)}
    found = {row[name] for row in tables["garages"] if row["id"] != mine for name in ("id", "name")}
    found |= {row["id"] for row in tables["passes"] if row["garage_id"] != mine}
    found |= {row["id"] for row in tables["subscriptions"] if row["garage_id"] != mine}
    users = [row for row in tables["users"] if row["id"] not in customers and row["email"] != ADMIN]
    return found | {row[name] for row in users for name in ("id", "email")}


@pytest.mark.parametrize("form", ["html", "csv"])
def test_an_admins_files_hold_nothing_of_others(business: Business, tmp_path: Path, form: str) -> None:
    written = business.write(tmp_path / form, user=ADMIN, form=form)
    names = {file.name for file in written.folder.iterdir()}
    assert names == {file.name for file in written.files} | {".vend-dashboards"}
    assert not any(name.startswith("executive") for name in names)
    text = "".join(file.read_text(encoding="utf-8") for file in written.folder.iterdir())
    today = sum(row["amount"] for row in paid(business, business.odd, datetime(2026, 3, 17), AS_OF))
    assert f"{today}" in text.replace(",", "") if form == "html" else f",{today}," in text
    others = foreign_words(business, business.odd)
    assert len(others) > 100
    assert [word for word in others if word in text] == []
    (secret,) = of(business.source["payments"], amount=SECRET)
    midnight = datetime(2026, 2, 25)
    unusual = sum(row["amount"] for row in paid(business, secret["garage_id"], midnight, midnight + timedelta(days=1)))
    assert f"{unusual:,}" in business.page(secret["garage_id"]).text
    for number in (SECRET, unusual):
        assert f"{number:,}" not in text
        assert f"{number}" not in text
    if form == "html":
        mine, whole = (tmp_path / form / f"garage-{business.odd}.html").read_text(), business.page(business.odd).html
        assert re.sub(r"Written [^.]*\.", "", mine) == re.sub(r"Written [^.]*\.", "", whole)


def test_denied_is_said(business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEND_HOME", str(business.settings.home))
    monkeypatch.setenv("VEND_POSTGRES_DSN", business.dsn)
    for arguments, sentence in (
        (["--as", ADMIN, "--garage", business.flat], "administers no garage"),
        (["--as", ADMIN, "--garage", "nowhere"], "administers no garage"),
        (["--as", "nobody@vend.example"], "there is no user"),
        (["--garage", "nowhere"], "There is no garage 'nowhere'"),
    ):
        refused = CliRunner().invoke(main, ["dashboard", "--out", str(tmp_path / "no"), *arguments])
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert sentence in refused.stderr
        assert refused.stderr.count("Error: ") == 1
    assert not (tmp_path / "no").exists()
    told = CliRunner().invoke(main, ["dashboard", "--garage", ODD_NAME, "--out", str(tmp_path / "yes")])
    assert told.exit_code == 0, told.stderr
    assert told.stdout.splitlines() == [
        f"1 file in {tmp_path / 'yes'}",
        f"Start with {tmp_path / 'yes' / f'garage-{business.odd}.html'}",
    ]


def test_a_folder_does_not_keep_what_another_reader_may_see(business: Business, tmp_path: Path) -> None:
    everything = business.write(tmp_path / "shared", form="csv")
    (tmp_path / "shared" / "notes.txt").write_text("mine")
    business.write(tmp_path / "shared", user=ADMIN, form="csv")
    left = {file.name for file in (tmp_path / "shared").iterdir()}
    assert len(left) < len(everything.files)
    assert all(name in ("notes.txt", ".vend-dashboards") or business.odd in name for name in left)


def test_a_folder_does_not_keep_what_its_reader_may_see_no_longer(business: Business, tmp_path: Path) -> None:
    def left() -> set[str]:
        return {file.name for file in tmp_path.iterdir()} - {".vend-dashboards"}

    mine, taken = f"garage-{business.odd}.html", f"garage-{business.flat}.html"
    with psycopg.connect(business.dsn, autocommit=True) as owner:
        (admin,) = owner.execute("select id from users where email = %s", [ADMIN]).fetchone() or (None,)
        owner.execute("insert into garage_admins (user_id, garage_id) values (%s, %s)", [admin, business.flat])
        business.write(tmp_path, user=ADMIN)
        assert left() == {"index.html", mine, taken}
        new = Page((tmp_path / taken).read_text(encoding="utf-8")).text  # the last sync was before
        assert new.count("This garage is not in the reports yet.") == 3
        assert "This garage sells no pass." not in new
        owner.execute("delete from garage_admins where user_id = %s and garage_id = %s", [admin, business.flat])
        (tmp_path / "notes.txt").write_text("mine")
        csv_files = {file.name for file in business.write(tmp_path, user=ADMIN, form="csv").files}
        assert left() == csv_files | {"notes.txt"}
        assert taken not in (tmp_path / ".vend-dashboards").read_text(encoding="utf-8")
        owner.execute("delete from garage_admins where user_id = %s", [admin])
        try:
            with pytest.raises(VendError, match="administers no garage"):
                business.write(tmp_path, user=ADMIN.upper())
        finally:
            owner.execute("insert into garage_admins (user_id, garage_id) values (%s, %s)", [admin, business.odd])
    assert left() == {"notes.txt"}


def test_a_foreign_file_is_not_overwritten(business: Business, tmp_path: Path) -> None:
    page, table = tmp_path / f"garage-{EMPTY}.html", tmp_path / f"garage-{EMPTY}-passes.csv"
    for form, file in (("html", page), ("csv", table)):
        file.write_text("of another tool")
        with pytest.raises(VendError, match=r"was not written by `vend dashboard`.*--out"):
            business.write(tmp_path, garage=EMPTY, form=form)
        assert {each.name for each in tmp_path.iterdir()} == {file.name}
        file.unlink()
    business.write(tmp_path, garage=EMPTY)
    (tmp_path / ".vend-dashboards").unlink()
    business.write(tmp_path, garage=EMPTY)  # a page of ours is known without the ledger
    (tmp_path / ".vend-dashboards").unlink()
    (tmp_path / ".vend-dashboards").mkdir()
    with pytest.raises(VendError, match=r"cannot be read \(Is a directory\).*--out"):
        business.write(tmp_path, garage=EMPTY)


def test_the_operator_adds_a_garage_to_what_there_is(business: Business, tmp_path: Path) -> None:
    first, second = (business.write(tmp_path, garage=garage).files[0] for garage in (EMPTY, business.flat))
    assert first.exists()
    assert second.exists()
    (tmp_path / "executive.html").write_text("of an earlier time")
    with (tmp_path / ".vend-dashboards").open("a") as ledger:
        ledger.write("\nexecutive.html\n../notes.txt")
    business.write(tmp_path, platform=False, form="csv")
    assert not [file for file in tmp_path.iterdir() if file.suffix == ".html"]


# ----------------------------------------------------------------------------------------------------- CSV


def test_csv_holds_the_tables(business: Business, tmp_path: Path) -> None:
    written = business.write(tmp_path, form="csv")
    tables = {file.name: list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))) for file in written.files}
    days = tables[f"garage-{business.odd}-last-30-days.csv"]
    expected = of(recompute.mv_daily_revenue(business.source, FRAME), garage_id=business.odd)
    figures = {f"{row['payment_date']}": row for row in expected}
    assert len(days) == 31
    for row in days:
        assert Decimal(row["gross_revenue"]) == figures[row["payment_date"]]["gross_revenue"]
        assert int(row["payment_count"]) == figures[row["payment_date"]]["payment_count"]
    flat = tables[f"garage-{business.flat}-occupancy-by-hour.csv"]
    assert {row["avg_occupancy_rate"] for row in flat} == {""}
    months = {row["month"]: row for row in recompute.rpt_executive_dashboard(business.source, FRAME)}
    for row in tables["executive-kpis.csv"]:
        assert Decimal(row["total_gross_revenue"]) == months[date.fromisoformat(row["month"])]["total_gross_revenue"]
    assert tables[f"garage-{EMPTY}-passes.csv"] == []
    assert len(tables[f"garage-{business.odd}-failed-payments.csv"]) >= 60


# ------------------------------------------------------------------------------------------ what goes wrong


def test_without_the_extra(business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "find_spec", lambda name: None)
    with pytest.raises(VendError, match=r"extra `dashboard` .*make setup"):
        business.write(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_without_a_browser(business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture.shutil, "which", lambda name: None)
    with pytest.raises(VendError, match=r"needs Chromium.*make browser"):
        business.write(tmp_path / "none", form="png")


def test_before_a_build(business: Business, make_database: Callable[[], str], tmp_path: Path) -> None:
    nothing = replace(business.settings, duckdb_path=tmp_path / "nothing.duckdb")
    with pytest.raises(VendError, match="vend sync"):
        write.write(nothing, business.dsn, tmp_path / "none")
    with pytest.raises(VendError, match=r"vend build hot"):
        write.write(business.settings, make_database(), tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(VendError, match="Name another with --out"):
        business.write(tmp_path / "file" / "below")


def test_serving_the_pages_and_nothing_else(business: Business) -> None:
    start = business.pages["index.html"].file
    assert start is not None
    files = {f"/{name}": page.file for name, page in business.pages.items() if page.file} | {"/": start}
    ready = threading.Event()
    address: list[str] = []

    def told(where: str) -> None:
        address.append(where)
        ready.set()

    threading.Thread(target=serve.serve, args=(files, 0, told), daemon=True).start()
    assert ready.wait(10)

    def ask(path: str, host: str | None = None) -> tuple[int, str, bytes]:
        request = urllib.request.Request(address[0].rstrip("/") + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, "", b""

    assert ask("/") == (200, "text/html; charset=utf-8", start.read_bytes())
    assert ask("/executive.html?x=1")[0] == 200
    for path in ("/../home/vend_analytics.duckdb", "/%2e%2e/x", "/.vend-dashboards", "//etc/passwd", "/executive"):
        assert ask(path)[0] == 404, path
    assert ask("/", "evil.example")[0] == 403


# -------------------------------------------------------------------------------------------------- clocks


def test_late_views_and_parts_of_several_builds_are_told() -> None:
    from vend.dashboard import page

    now = datetime(2026, 3, 17, 15)
    hot = reading.Hot(AS_OF, False, "America/Chicago", AS_OF, 0)
    cold = reading.Cold((AS_OF,), AS_OF)
    assert page.warnings(replace(hot, refreshed_at=now), cold, now) == []
    late = page.warnings(hot, replace(cold, synced_at=now - timedelta(hours=8)), now)
    assert late == [
        "The hot views are late: last refreshed 17 Mar 2026, 09:30 America/Chicago.",
        "The history is late: last synced 17 Mar 2026, 02:00 America/Chicago.",
    ]
    (parts,) = page.cold_warnings(hot, replace(cold, as_of=(AS_OF, now)), now)
    assert "do not add up" in parts
    later = AS_OF + timedelta(hours=8)
    assert page.cold_warnings(hot, replace(cold, synced_at=later), later) == [
        "The reports are late: as of 17 Mar 2026, 09:30 America/Chicago."
    ]
    standing = replace(hot, is_fixed=True)
    assert page.warnings(standing, cold, later) == []
    assert "The reports are late" in page.cold_warnings(replace(standing, as_of=later), cold, later)[0]
    assert page.cold_warnings(hot, reading.Cold((), None), now) == ["No record says how old the history is."]
    assert page.cold_stamp(reading.Cold((), None), "UTC") == (
        "Reports as of — (the build left no record in ops.dbt_runs); last sync — (ops.sync_runs has no sync)"
    )


@pytest.mark.parametrize(
    ("as_of", "hours"),
    [
        (datetime(2026, 3, 10, 18, 30), 167),  # summer time began on the 8th in Chicago
        (datetime(2026, 3, 20, 18, 30), 168),
        (datetime(2026, 11, 3, 19, 30), 169),
    ],
)
def test_a_week_before_is_the_same_time_of_day(as_of: datetime, hours: int) -> None:
    clock = reading.Hot(as_of, True, "America/Chicago", None, 0)
    here = reading.week_before(clock)
    assert f"{here:%H:%M}" == "13:30"
    assert as_of - words.utc(here, clock.zone) == timedelta(hours=hours)


def test_each_section_has_the_refresh_of_its_own_views(business: Business) -> None:
    def aged(views: list[str], hours: int) -> None:
        with psycopg.connect(business.dsn) as owner:
            owner.execute(
                "update hot.refresh_log set started_at = started_at - make_interval(hours => %s)"
                " where relation = any(%s)",
                [hours, views],
            )

    before = reading._hot(business.dsn)
    assert before.refreshed_at
    assert before.owing_at
    for views, today, owing in (
        (["mv_failed_payments"], 0, 9),
        (["mv_current_month_metrics"], 0, 0),
        (["mv_current_occupancy"], 9, 0),
    ):
        aged(views, 9)
        after = reading._hot(business.dsn)
        aged(views, -9)
        assert before.refreshed_at - after.refreshed_at >= timedelta(hours=today - 0.1)
        assert (before.refreshed_at - after.refreshed_at > timedelta(hours=1)) == bool(today)
        assert before.owing_at - after.owing_at == timedelta(hours=owing)


def test_a_stamp_is_of_what_stands_below_it(business: Business) -> None:
    read = reading.read(business.settings, business.dsn, garage=business.odd, platform=False, user=None, currency="usd")
    hot = replace(read.hot, is_fixed=False, refreshed_at=AS_OF, owing_at=AS_OF - timedelta(hours=9))
    sections = write.html(garages.page(read.garages[0], hot, read.cold, AS_OF)).split("<section")
    for section in sections[1:]:
        if "refreshed" in section:
            assert ("05:30 UTC" if "Failed payments" in section else "14:30 UTC") in section
    assert "The hot views are late: last refreshed 17 Mar 2026, 05:30 UTC." in sections[0]


@pytest.mark.parametrize(
    ("now", "then", "text", "mood"),
    [
        ("112.00", "100.00", "+12.0 %", "good"),
        ("88.00", "100.00", "−12.0 %", "bad"),
        ("100.04", "100.00", "0.0 %", "level"),
        ("5.00", "0.00", "—", "unknown"),
        ("100.00", "-100.00", "—", "unknown"),
        ("0.00", "5.00", "−100.0 %", "bad"),
    ],
)
def test_changes(now: str, then: str, text: str, mood: str) -> None:
    change = words.in_percent(Decimal(now), Decimal(then), "then")
    assert (change.text, change.mood) == (text.replace(" ", words.FIXED_SPACE), mood)
    assert words.by(3, 1, "then").text == "+2"
    assert replace(words.by(3, 1, "then"), less_is_better=True).mood == "bad"


# ------------------------------------------------------------------------------------------------- browser

CHROMIUM = next((path for name in picture.NAMES if (path := picture.shutil.which(name))), None)
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no Chromium: `make browser` installs it.")
        pytest.skip("there is no Chromium on PATH; `make browser` installs it")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.mark.parametrize("name", ["odd", "empty", "flat", "executive", "index"])
def test_in_a_browser_with_the_network_cut(business: Business, browser: Any, name: str) -> None:
    garage = {"odd": business.odd, "flat": business.flat, "empty": EMPTY}.get(name)
    file = (business.page(garage) if garage else business.pages[f"{name}.html"]).file
    assert file is not None
    context = browser.new_context(color_scheme="light")
    context.set_offline(True)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
        for chart in page.locator("svg.chart:visible").all():
            box = chart.bounding_box()
            assert box
            assert 250 <= box["width"] <= width
            marks = chart.evaluate(
                "e => [...e.querySelectorAll('.mark-line path, .mark-rect path, .mark-symbol path, .mark-area path')]"
                ".filter(m => m.getBBox().width > 0).length"
            )
            assert marks > 0
            assert chart.get_attribute("role") == "img"
            assert len(page.locator(f"#{chart.get_attribute('aria-labelledby')}").text_content() or "") > 25
            smallest = chart.evaluate(
                "e => Math.min(...[...e.querySelectorAll('text')].map(t => t.getBoundingClientRect().height))"
            )
            assert smallest >= 9, (name, width, smallest)
    if name == "odd":
        values = page.locator(".figures .value")
        large = str(pages.cents_apart("$600,279,348.19"))
        values.evaluate_all("(all, large) => all.forEach(one => one.innerHTML = large)", large)
        for width in (360, 768, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert values.evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)"), width
    drawn = 3 if name == "executive" else 0 if name == "index" else 1
    assert page.locator("svg.chart:visible").count() == drawn
    if name in ("odd", "executive"):
        assert page.locator("table.heat td[style]").count() > 20
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) == [], scheme
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert said == []
    context.close()


def test_a_picture(business: Business, browser: Any, tmp_path: Path) -> None:
    (file,) = business.write(tmp_path, garage=business.odd, form="png").files
    content = file.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert width == 1200
    assert height > 1500


def test_package_holds_templates() -> None:
    endings = {f'"**/*{file.suffix}"' for file in write.TEMPLATES.iterdir()}
    assert all(ending in (PROJECT / "pyproject.toml").read_text(encoding="utf-8") for ending in endings)

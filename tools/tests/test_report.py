"""Reports as text: every figure exact, nothing that a terminal or a spreadsheet would obey. Reading them as somebody is
tested in test_figures.py, where both sides are built."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from conftest import PROJECT, settings_in

from vend import catalog, reader, report, report_print
from vend.errors import UsageError, VendError
from vend.reader import DeniedError, Garage, Reader, Table
from vend.report import Answer

SETTINGS = settings_in(PROJECT / ".vend")
TABLE = Table(
    ["name", "amount", "count", "day", "at", "yes"],
    [
        ("=cmd|' /C calc'!A0", Decimal("-1234.50"), 1234, date(2026, 1, 31), datetime(2026, 1, 31, 12, 5), True),
        ('Ann "A", and\nB', Decimal("0.0001"), -1, None, None, False),
        ("", None, None, None, None, None),
        (None, Decimal("1E+3"), 0, None, None, None),
        ("\x1b[31mred\u202e 東京", Decimal("0"), 0, None, None, None),
    ],
)


def answer(table: Table = TABLE, more: bool = False) -> Answer:
    return Answer(catalog.reports(SETTINGS)["rpt_failed_payments"], table, more)


def test_csv_is_exact_and_runs_nothing() -> None:
    text = report_print.printed(answer(), "csv")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == TABLE.columns
    assert rows[1] == ["'=cmd|' /C calc'!A0", "-1234.50", "1234", "2026-01-31", "2026-01-31T12:05:00", "true"]
    assert rows[2] == ['Ann "A", and\nB', "0.0001", "-1", "", "", "false"]
    assert rows[4] == ["", "1000", "0", "", "", ""]
    lines = text.split("\r\n")
    assert lines[-1] == ""
    assert '"",,,,,' in lines
    for sign in "=+-@\t\r":
        printed = report_print.as_csv(Table(["a"], [(f"{sign}x",)]))
        assert next(csv.reader(io.StringIO(printed.split("\r\n", 1)[1], newline=""))) == [f"'{sign}x"]


def test_json_is_exact() -> None:
    document = json.loads(report_print.printed(answer(more=True), "json"))
    assert (document["ok"], document["report"], document["more"]) == (True, "rpt_failed_payments", True)
    first, *_, last = document["rows"]
    assert list(first.values()) == [
        *("=cmd|' /C calc'!A0", "-1234.50", 1234, "2026-01-31", "2026-01-31T12:05:00", True),
    ]
    assert document["rows"][3] == dict(zip(TABLE.columns, (None, "1000", 0, None, None, None), strict=True))
    assert last["name"] == TABLE.rows[4][0]


def test_a_table_is_aligned_and_moves_no_cursor() -> None:
    text = report_print.printed(answer(more=True), "table")
    lines = text.splitlines()
    assert lines[2].split() == [
        "=cmd|'",
        "/C",
        "calc'!A0",
        "-1,234.50",
        "1,234",
        "2026-01-31",
        *["2026-01-31", "12:05:00", "yes"],
    ]
    assert all(character.isprintable() for line in lines for character in line)
    assert lines[-1] == "(the first 5 rows; --limit 0 for all; — is NULL: unknown, or nothing to tell)"
    end = lines[0].index("amount") + len("amount")
    assert lines[2][:end].endswith("-1,234.50")
    assert lines[3][:end].endswith("   0.0001")
    assert "東京" in lines[6]  # each as wide as two
    assert lines[6][: end - 2].endswith(" 0")


def test_a_table_that_is_too_wide_becomes_blocks() -> None:
    text = report_print.as_text(TABLE, 40)
    assert text.count("\n\n") == len(TABLE.rows) - 1
    assert "amount  -1,234.50\n" in text
    assert report_print.as_text(TABLE, 400) == report_print.as_text(TABLE)
    assert report_print.printed(answer(Table(["a"], [])), "table") == "a\n-\n\n(0 rows)\n"
    assert "(1 row)" in report_print.printed(answer(Table(["a"], [(1,)])), "table")


def test_a_report_says_as_of_when_it_is() -> None:
    at = {
        "rpt_a": datetime(2026, 1, 30, 12),
        "rpt_b": datetime(2026, 1, 31, 12, 5),
        "rpt_c": datetime(2026, 1, 31, 12, 5),
    }
    assert (
        report.note("rpt_b", False, at) is report.note("rpt_c", False, at) is report.note("rpt_new", False, at) is None
    )
    told = report.note("rpt_a", False, at) or ""
    assert "rpt_a is as of 2026-01-30 12:00 UTC and older than other reports (rpt_b: 2026-01-31 12:05)" in told
    assert report.note("mv_x", True, {}) is None
    assert "stands at 2026-01-30 12:00 UTC" in (report.note("mv_x", True, {"mv_x": at["rpt_a"]}) or "")
    dated = replace(answer(), as_of=at["rpt_b"])
    assert json.loads(report_print.printed(dated, "json"))["as_of"] == "2026-01-31T12:05:00"
    assert json.loads(report_print.printed(answer(), "json"))["as_of"] is None
    assert report_print.printed(dated, "table").endswith("; as of 2026-01-31 12:05 UTC)\n")
    assert report_print.printed(dated, "csv") == report_print.printed(answer(), "csv")


def test_every_report_is_in_the_catalog() -> None:
    reports = catalog.reports(SETTINGS)
    files = [*(PROJECT / "models/cold/reports").glob("*.sql"), *(PROJECT / "models/hot/materialized").glob("*.sql")]
    assert list(reports) == sorted(file.stem for file in files)
    for each in reports.values():
        assert each.summary
        assert set(each.key) <= set(each.columns), each.name
    assert reports["vw_mrr_movements"].key == ("garage_id", "month")
    assert [name for name in reports if name.startswith("rpt_") and "vw_" + name[4:] not in reports] == [
        name for name, each in reports.items() if name.startswith("rpt_") and not each.has_garage
    ]
    listed = report_print.listed(list(reports.values()), "table")
    assert all(name in listed for name in reports)
    assert [row["name"] for row in json.loads(report_print.listed(list(reports.values()), "json"))["reports"]] == list(
        reports
    )


def test_a_name_that_is_none_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no report 'monthly_pl'.*rpt_garage_monthly_pl"):
        catalog.find(SETTINGS, "monthly_pl")
    with pytest.raises(UsageError, match=r"no report 'zzz'. `vend report` lists"):
        catalog.find(SETTINGS, "zzz")


def test_a_garage_is_named_by_id_or_name() -> None:
    garages = [Garage("1a", "Edge"), Garage("2b", "Edge"), Garage("3c", "Harwood No. 10")]
    admin = Reader("ann@x", False, garages, lambda statement, values: Table([], []))
    assert admin.garage(" harwood NO. 10 ") == admin.garage("3C") == garages[2]
    spaced = Garage("4d", "  spaced  ")
    assert Reader("ann@x", False, [spaced], admin._read).garage("  spaced  ") == spaced
    with pytest.raises(VendError, match="2 garages are called 'edge': 1a, 2b"):
        admin.garage("edge")
    with pytest.raises(DeniedError, match="ann@x administers no garage 'Other'"):
        admin.garage("Other")
    operator = Reader(None, True, garages, admin._read)
    with pytest.raises(VendError, match=r"no garage 'Harwod'\. Did you mean Harwood No\. 10\?"):
        operator.garage("Harwod")


def test_becoming_somebody_on_snowflake() -> None:
    """As sent; the views themselves were never run there."""
    sent: list[str] = []
    there = settings_in(PROJECT / ".vend", warehouse="snowflake")

    def ask(statement: str, values: tuple[object, ...] = ()) -> tuple[list[str], list[tuple[object, ...]]]:
        sent.append(statement)
        return [], []

    reader._become(there, ask, "0423FEE9-b4f1-512e-9045-279498c0e419")
    assert sent == [
        "use role vend_app",
        "use secondary roles none",
        "set app_user = '0423fee9-b4f1-512e-9045-279498c0e419'",
    ]
    with pytest.raises(ValueError, match="badly formed"):
        reader._become(there, ask, "x'; select 1 --")


@pytest.mark.parametrize(
    ("engine", "user", "sees_all", "asked", "read"),
    [
        ("duckdb", None, True, "vw_x", "rpt_x"),
        ("duckdb", None, True, "rpt_x", "rpt_x"),
        ("duckdb", "ada", True, "vw_x", "rpt_x"),
        ("duckdb", "ann", False, "rpt_x", "vw_x"),
        ("duckdb", "ann", False, "vw_x", "vw_x"),
        ("snowflake", None, True, "vw_x", "vw_x"),
        ("snowflake", None, True, "rpt_x", "rpt_x"),
        ("snowflake", "ada", True, "vw_x", "rpt_x"),
        ("snowflake", "ann", False, "rpt_x", "vw_x"),
    ],
)
def test_which_relation_a_report_is_read_from(
    engine: str, user: str | None, sees_all: bool, asked: str, read: str
) -> None:
    there = settings_in(PROJECT / ".vend", warehouse=engine)
    match = reader.REPORT.search(f"select * from reports.{asked} where true")
    assert match is not None
    built = {"rpt_x", "vw_x", "rpt_whole"}
    assert reader._relation(there, built, user, sees_all, match) == f"reports.{read}"
    whole, gone = (reader.REPORT.search(f"from REPORTS.rpt_{name}") for name in ("whole", "gone"))
    assert whole is not None
    assert gone is not None
    if not sees_all:
        with pytest.raises(DeniedError, match="covers the whole platform"):
            reader._relation(there, built, user, sees_all, whole)
    with pytest.raises(VendError, match="not built yet"):
        reader._relation(there, built, user, sees_all, gone)

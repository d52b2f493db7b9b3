"""alerts.yml, the messages about alerts and what is remembered of them: on real servers of this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
import yaml
from alert_servers import PASSWORD, USER, certificate, closed_port, half_open, mail_server, webhook
from conftest import PROJECT
from hypothesis import given
from hypothesis import strategies as st

from vend import alert_state, alerts, check, check_report, deliver
from vend.alert_state import Found, State
from vend.alerts import Alert
from vend.errors import UsageError
from vend.settings import Settings

NOW = datetime(2026, 11, 24, 12)
GOOD = {
    "name": "Too Many",
    "description": "There are too many.",
    "query": "select 'all', 3, ''",
    "comparison": ">",
    "threshold": 2,
    "severity": "warning",
    "runbook": "docs/runbook.md#too-many",
}

# alerts.yml


def test_the_projects_alerts_are_those_of_the_architecture_and_more() -> None:
    listed = {alert.name: alert for alert in alerts.load(PROJECT / "alerts.yml")}
    four = {
        "ETL Sync Delayed": (7, "hours", "warning", "data-team@vend.com"),
        "Materialized View Stale": (15, "minutes", "critical", "engineering@vend.com"),
        "Snowflake Credit Usage Spike": (2, "times the mean", "warning", "finance@vend.com"),
        "Report Query Performance": (5, "seconds", "warning", "data-team@vend.com"),
    }
    for name, (threshold, unit, severity, people) in four.items():
        alert = listed[name]
        assert (alert.threshold, alert.unit, alert.severity, alert.notify) == (threshold, unit, severity, (people,))
        assert alert.comparison == ">"
    runbook = (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8")
    headings = {alerts.slug(match[1]) for match in re.finditer(r"^### (.+)$", runbook, re.MULTILINE)}
    told = (PROJECT / "docs" / "alerts.md").read_text(encoding="utf-8")
    for name, alert in listed.items():
        assert alert.runbook == f"docs/runbook.md#{alert.slug}"
        assert alert.slug in headings
        assert f"**{name}**" in told
    files = {file.stem for file in (PROJECT / "tools" / "vend" / "checks").glob("*.sql")}
    assert {alert.builtin for alert in listed.values()} == files | set(alerts.PYTHON)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"treshold": 3}, ("Too Many", "treshold", "threshold")),
        ({"threshold": None}, ("lacks threshold",)),
        ({"threshold": "many"}, ("'many'", "number")),
        ({"threshold": True}, ("number",)),
        ({"threshold": float("nan")}, ("number",)),
        ({"comparison": "=>"}, ("'=>'", ">=")),
        ({"severity": "fatal"}, ("fatal", "critical")),
        ({"for": "5 min"}, ("5 min", "15m")),
        ({"for": -5}, ("-5", "15m")),
        ({"repeat": "daily"}, ("daily", "2d")),
        ({"notify": "boss"}, ("boss", "mail address")),
        ({"notify": ["a@b.example\nBcc: c@d.example"]}, ("mail address",)),
        ({"builtin": "disk"}, ("either a query or a builtin",)),
        ({"query": None}, ("select",)),
        ({"query": "select :least, 1, ''"}, ("'least'", "not in values")),
        ({"values": {"least": 1}}, ("'least'", "not in the query")),
        ({"query": "select :x, 1, ''", "values": {"x": "-soon"}}, ("values.x", "soon")),
        ({"on": "mars"}, ("mars", "postgres")),
        ({"only": "oracle"}, ("oracle", "snowflake")),
        ({"no_rows": "bad"}, ("no_rows", "unknown")),
        ({"name": 7}, ("name must be a text",)),
        ({"description": ""}, ("lacks description",)),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as raised:
        alerts.load(_as(tmp_path, yaml.safe_dump({"alerts": [GOOD | change]})))
    for part in ("alerts.yml", *parts):
        assert part in str(raised.value)
    assert str(raised.value).endswith(".")


BUILTIN = {key: value for key, value in GOOD.items() if key != "query"} | {"builtin": "hot_age"}


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"alerts": [GOOD, GOOD]}, "two alerts named 'Too Many'"),
        ({"alerts": [GOOD], "extra": 1}, "'extra'"),
        ({"alerts": [GOOD], "defaults": {"for": "1h"}}, "defaults"),
        ({"alerts": []}, "of one or more"),
        ({"alerts": [BUILTIN | {"on": "warehouse"}]}, "goes with a query"),
        ({"alerts": [BUILTIN | {"builtin": "hot_rage"}]}, "hot_errors"),
        ({"alerts": ["Too Many"]}, "alert 1 is no mapping"),
        ([], "list named alerts"),
    ],
)
def test_a_wrong_file(tmp_path: Path, document: object, part: str) -> None:
    with pytest.raises(UsageError, match=re.escape(part)):
        alerts.load(_as(tmp_path, yaml.safe_dump(document)))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        alerts.load(tmp_path / "none.yml")
    with pytest.raises(UsageError, match="line 2"):
        alerts.load(_as(tmp_path, "alerts:\n  - {"))


def _as(folder: Path, text: str) -> Path:
    path = folder / "alerts.yml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("comparison", alerts.COMPARISONS)
def test_comparisons(comparison: str) -> None:
    alert = an_alert(comparison=comparison)
    for value in (Decimal(1), Decimal(2), Decimal("2.0"), Decimal(3), Decimal("inf")):
        assert alert.beyond(value) == eval(f"{float(value)!r} {comparison} 2.0", {"inf": float("inf")})


def an_alert(**changes: Any) -> Alert:
    values: dict[str, Any] = {
        "name": "Too Many",
        "description": "There are too many.",
        "comparison": ">",
        "threshold": Decimal(2),
        "severity": "warning",
        "runbook": "docs/runbook.md#too-many",
        "sql": "select 'all', 3, ''",
        "notify": ("team@vend.example",),
    }
    return Alert(**values | changes)


# What is remembered, and who is told

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fine", "beyond", "unknown"]),
        st.booleans(),  # whether the target accepts what it is sent
        st.integers(1, 30),  # hours until then
    ),
    min_size=1,
    max_size=25,
)


@given(STEPS, st.sampled_from([0, 2, 10]))
def test_told_once_again_after_a_day_and_once_when_over(steps: list[tuple[str, bool, int]], hold: int) -> None:
    """Against a model that keeps its own few variables."""
    states: list[State] = []
    now = NOW
    since: datetime | None = None  # beyond since then, as far as is known
    told_at: datetime | None = None  # of the alert at hand
    owed = 0  # ends of alerts that are still to be told
    owed_since: list[datetime] = []
    for what, accepts, hours in steps:
        now += timedelta(hours=hours)
        found = [Found("A", "x", "critical", 3.0, "", timedelta(hours=hold))] if what == "beyond" else []
        states = alert_state.advance(states, found, lambda state, what=what: what == "fine", now)  # type: ignore[misc]
        letters = alert_state.due(states, lambda _: ["t"], lambda _: timedelta(hours=24), now)
        sent = sorted(event for event, _ in letters.get("t", []))

        owed_since = [at for at in owed_since if now - at <= timedelta(days=7)]
        if what == "beyond":
            since = since or now
        elif what == "fine":
            if since and told_at:
                owed_since.append(now)
            since = told_at = None
        owed = len(owed_since)
        opens = since is not None and now - since >= timedelta(hours=hold)
        # An alert that waits opens only when it is seen beyond again.
        is_open = any(state.status == "open" for state in states)
        assert is_open <= opens
        if what == "beyond":
            assert is_open == opens
        expected = ["closed"] * owed
        if is_open and told_at is None:
            expected.append("opened")
        elif is_open and told_at is not None and now - told_at >= timedelta(hours=24):
            expected.append("repeated")
        assert sent == sorted(expected)
        if accepts:
            by_id = {state.alert_id: state for state in states}
            for event, state in letters.get("t", []):
                by_id[state.alert_id] = alert_state.accepted(by_id[state.alert_id], "t", event, now)
            states = list(by_id.values())
            owed_since = []
            if "opened" in sent or "repeated" in sent:
                told_at = now


def test_a_clock_that_went_back_keeps_nobody_from_the_next_message() -> None:
    state = State("1", "A", "x", "critical", "open", NOW, NOW, opened_at=NOW, sent={"t": ("opened", NOW)})

    def due(now: datetime, state: State = state) -> list[str]:
        letters = alert_state.due([state], lambda _: ["t"], lambda _: timedelta(hours=24), now)
        return [event for event, _ in letters.get("t", [])]

    earlier = NOW - timedelta(days=30)
    assert (due(NOW - timedelta(seconds=2)), due(earlier)) == ([], ["repeated"])
    assert due(earlier + timedelta(hours=1), alert_state.accepted(state, "t", "repeated", earlier)) == []


@pytest.fixture
def warehouse(home: Callable[..., Settings]) -> Settings:
    settings = home()
    settings.make_home()
    duckdb.connect(settings.duckdb_path).close()
    return settings


def rows(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(settings.duckdb_path) as connection:
        return connection.execute(statement).fetchall()


def checked(settings: Settings, *listed: Alert, at: datetime = NOW, **more: Any) -> check.Report:
    return check.check(settings, listed=list(listed), now=at, **more)


def counting(settings: Settings, number: int | None) -> None:
    value = "null" if number is None else number
    rows(settings, f"create or replace view things as select 'all' as s, {value} as v, 'as of now' as d")


THINGS = an_alert(sql="select s, v, d from things", severity="critical")


def test_an_alert_from_its_opening_to_its_end(warehouse: Settings) -> None:
    with webhook() as hook:
        settings = telling(warehouse, VEND_ALERT_WEBHOOK=hook.url)
        counting(settings, 1)
        report = checked(settings, THINGS)
        assert (report.status, report.exit_code, report.open, hook.bodies) == ("ok", 0, 0, [])
        counting(settings, 5)
        for hours in (1, 2, 24, 25, 26):
            report = checked(settings, THINGS, at=NOW + timedelta(hours=hours))
            assert (report.status, report.exit_code, report.open) == ("critical", 2, 1)
        counting(settings, None)
        report = checked(settings, THINGS, at=NOW + timedelta(hours=27))
        assert (report.status, report.exit_code, report.open) == ("unknown", 3, 2)
        counting(settings, 2)
        for hours in (28, 29):
            report = checked(settings, THINGS, at=NOW + timedelta(hours=hours))
            assert (report.status, report.exit_code, report.open) == ("ok", 0, 0)
    told = [(event["event"], event["severity"], event["value"]) for body in hook.bodies for event in body["events"]]
    assert told == [
        ("opened", "critical", 5),
        ("repeated", "critical", 5),
        ("opened", "unknown", None),
        ("closed", "critical", 5),
        ("closed", "unknown", None),
    ]
    ids = [event["id"] for body in hook.bodies for event in body["events"]]
    assert len(set(ids)) == len(ids)
    first = hook.bodies[0]["events"][0]
    assert (first["since"], first["until"]) == ("2026-11-24T13:00:00Z", None)
    kept = rows(settings, "select alert, subject, status, seen_at, closed_at, sent from ops.alerts order by seen_at")
    assert [row[:3] for row in kept] == [("Too Many", "all", "closed"), ("Too Many", "", "closed")]
    assert [row[4] for row in kept] == [NOW + timedelta(hours=28)] * 2
    assert json.loads(kept[0][5])["webhook"][0] == "closed"


def test_not_accepted_is_not_sent(warehouse: Settings) -> None:
    counting(warehouse, 5)
    report = checked(telling(warehouse, VEND_ALERT_WEBHOOK=f"http://127.0.0.1:{closed_port()}/secret"), THINGS)
    assert (report.sent, report.exit_code) == (0, 2)
    assert report.undelivered == ("Webhook: 1 alert untold: the connection was refused.",)
    warned = checked(
        telling(warehouse, VEND_ALERT_WEBHOOK=f"http://127.0.0.1:{closed_port()}/secret"), an_alert(name="Other")
    )
    assert (warned.status, warned.exit_code) == ("warning", 3)
    with webhook() as hook:
        again = checked(telling(warehouse, VEND_ALERT_WEBHOOK=hook.url), THINGS)
        assert again.sent == 1
    assert [event["event"] for event in hook.bodies[0]["events"]] == ["opened"]


def test_a_dry_run_does_nothing(warehouse: Settings) -> None:
    counting(warehouse, 5)
    with webhook() as hook:
        report = checked(telling(warehouse, VEND_ALERT_WEBHOOK=hook.url), THINGS, dry_run=True)
    assert (report.exit_code, hook.bodies) == (2, [])
    assert "Would tell webhook of 1 alerts." in report.notes
    assert not (warehouse.home / "alerts.json").exists()
    assert rows(warehouse, "select count(*) from information_schema.tables where table_name = 'alerts'") == [(0,)]


def test_for(warehouse: Settings) -> None:
    held = an_alert(sql=THINGS.sql, hold=timedelta(hours=1))
    counting(warehouse, 5)
    for minutes, status in ((0, "ok"), (59, "ok"), (60, "warning")):
        report = checked(warehouse, held, at=NOW + timedelta(minutes=minutes))
        assert report.status == status
    assert "since 2026-11-24T12:00:00Z" in check_report.as_text(report)
    counting(warehouse, 0)
    checked(warehouse, held, at=NOW + timedelta(minutes=61))
    counting(warehouse, 5)
    assert checked(warehouse, held, at=NOW + timedelta(minutes=62)).status == "ok"


def test_one_named_leaves_the_others(warehouse: Settings) -> None:
    counting(warehouse, 5)
    other = an_alert(name="Other", sql=THINGS.sql)
    assert checked(warehouse, THINGS, other).open == 2
    counting(warehouse, 0)
    report = checked(warehouse, THINGS, other, names=("too-many",))
    assert [result.alert.name for result in report.results] == ["Too Many"]
    assert report.open == 1
    # One that is no longer listed is over.
    assert checked(warehouse, THINGS).open == 0


def test_a_warehouse_in_use_is_unknown_and_nothing_is_told_twice(
    warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "PATIENCE", 0.0)
    counting(warehouse, 5)
    with webhook() as hook:
        settings = telling(warehouse, VEND_ALERT_WEBHOOK=hook.url)
        checked(settings, THINGS)
        hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", hold, str(settings.duckdb_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            for hours in (1, 2):
                report = checked(settings, THINGS, at=NOW + timedelta(hours=hours))
                assert (report.status, report.exit_code) == ("unknown", 3)
                assert f"in use by process {holder.pid}" in str(report.results[0].unknown)
                assert any("ops.alerts cannot be read" in note for note in report.notes)
            assert holder.stdin is not None
            holder.stdin.close()
        report = checked(settings, THINGS, at=NOW + timedelta(hours=3))
        assert (report.status, report.open) == ("critical", 1)
    told = [(e["event"], e["severity"]) for body in hook.bodies for e in body["events"]]
    assert told == [("opened", "critical"), ("opened", "unknown"), ("closed", "unknown")]
    assert rows(settings, "select subject, status from ops.alerts order by seen_at") == [
        ("all", "open"),
        ("", "closed"),
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the machine has no /dev/full")
def test_a_full_disk(warehouse: Settings) -> None:
    """What was told is written into the room that the file has; where there is none, it is said."""
    draft, kept = (warehouse.home / name for name in ("alerts.new", "alerts.json"))
    kept.write_text("[]")
    with webhook() as hook:
        settings = telling(replace(warehouse, duckdb_path=warehouse.home / "nowhere"), VEND_ALERT_WEBHOOK=hook.url)
        for _ in range(2):
            draft.symlink_to("/dev/full")
            checked(settings, THINGS)
        assert len(hook.bodies) == 1
        kept.unlink()
        draft.symlink_to("/dev/full")
        report = checked(settings, THINGS)
    assert report.exit_code == 3
    assert any("cannot be kept anywhere" in each and "No space left" in each for each in report.undelivered)


@pytest.mark.parametrize(
    ("sql", "part"),
    [
        ("select 1 from nowhere", "nowhere"),
        ("select 'a', 1", "three columns"),
        ("select 'a', 'many', ''", "must be a number"),
        ("select 'a', cast('nan' as double), ''", "Nothing is known of a"),
        ("selec", "syntax"),
    ],
)
def test_a_check_that_cannot_run_is_loud(warehouse: Settings, sql: str, part: str) -> None:
    with webhook() as hook:
        settings = telling(warehouse, VEND_ALERT_WEBHOOK=hook.url)
        report = checked(settings, an_alert(sql=sql), an_alert(name="Fine", sql="select 'a', 1, ''"))
    assert report.exit_code == 3
    assert part in check_report.as_text(report)
    assert json.loads(check_report.as_json(report))["alerts"][0]["status"] == "unknown"
    # Why is for those with access: an error may quote a row.
    assert part not in json.dumps(hook.bodies)
    assert hook.bodies[0]["events"][0]["severity"] == "unknown"


def test_no_rows_where_some_must_be(warehouse: Settings) -> None:
    empty = an_alert(sql="select 'a', 1, '' where false")
    assert checked(warehouse, empty).exit_code == 0
    assert checked(warehouse, an_alert(sql=empty.sql, rows_needed=True)).exit_code == 3


def test_personal_data_and_secrets_stay(warehouse: Settings) -> None:
    rows(warehouse, "create view things as select 'bob@private.example' as s, 5 as v, 'ask bob@private.example' as d")
    with webhook() as hook, mail_server() as post:
        settings = telling(
            warehouse,
            VEND_ALERT_WEBHOOK=hook.url,
            VEND_SMTP_URL=f"smtp://127.0.0.1:{post.port}",
            VEND_ALERT_FROM="vend@vend.example",
        )
        report = checked(settings, THINGS)
        assert report.sent == 2
    said = (
        json.dumps(hook.bodies) + str(post.letters[0][1]) + check_report.as_text(report) + check_report.as_json(report)
    )
    assert "private.example" not in said
    for text in (said, repr(settings), (settings.home / "alerts.json").read_text(), settings.duckdb_path.read_bytes()):
        assert ("secret-token" if isinstance(text, str) else b"secret-token") not in text  # type: ignore[operator]


# Delivery


def telling(settings: Settings, **alerting: str) -> Settings:
    return replace(settings, alerting=alerting)


def an_event(**changes: Any) -> deliver.Event:
    values: dict[str, Any] = {
        "id": "1-opened",
        "event": "opened",
        "alert": "Too Many",
        "subject": "<all> & more",
        "severity": "critical",
        "value": 3.5,
        "unit": "things",
        "comparison": ">",
        "threshold": 2.0,
        "detail": "größer",
        "since": "2026-11-24T12:00:00Z",
        "until": None,
        "description": "There are too many.",
        "runbook": "docs/runbook.md#too-many",
    }
    return deliver.Event(**values | changes)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "PAUSE", 0.0)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "ANSWER", 0.3)
    monkeypatch.setattr(deliver, "WHOLE", 0.6)


def posted(home: Callable[..., Settings], url: str, **more: str) -> str | None:
    settings = home(alerting={"VEND_ALERT_WEBHOOK": url, **more})
    return deliver.deliver(settings, {"webhook": [an_event()]})["webhook"]


@pytest.mark.parametrize(
    ("answers", "requests", "reason"),
    [
        ((200,), 1, None),
        ((204,), 1, None),
        ((503, 200), 2, None),
        ((429, 200), 2, None),
        ((500, 500, 200), 2, "HTTP status 500"),
        ((404, 200), 1, "HTTP status 404"),
        ((302, 200), 1, "HTTP status 302"),
    ],
)
def test_webhook(home: Callable[..., Settings], answers: tuple[int, ...], requests: int, reason: str | None) -> None:
    with webhook(*answers) as hook:
        outcome = posted(home, hook.url)
    assert outcome is None if reason is None else outcome is not None and reason in outcome
    assert len(hook.bodies) == requests
    assert set(hook.paths) == {"/hook/T0/secret-token"}
    assert hook.bodies[0]["events"][0]["subject"] == "<all> & more"
    assert hook.bodies[0]["summary"] == "[vend] critical: Too Many"


def test_slack(home: Callable[..., Settings]) -> None:
    with webhook() as hook:
        assert posted(home, hook.url, VEND_ALERT_WEBHOOK_FORMAT="slack") is None
    (body,) = hook.bodies
    assert body.keys() == {"text"}
    assert body["text"].startswith(
        "*[vend] critical: Too Many*\nCRITICAL  Too Many: &lt;all&gt; &amp; more: 3.5 things (größer)"
    )
    assert "docs/runbook.md#too-many" in body["text"]


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("drip", [b"", b"H", b"220-wait\r\n"])
def test_servers_that_do_not_end(home: Callable[..., Settings], drip: bytes) -> None:
    with half_open(drip) as port:
        settings = home(
            alerting={
                "VEND_ALERT_WEBHOOK": f"http://127.0.0.1:{port}/secret",
                "VEND_SMTP_URL": f"smtp://127.0.0.1:{port}",
                "VEND_ALERT_FROM": "vend@vend.example",
            }
        )
        outcome = deliver.deliver(settings, {"webhook": [an_event()], "team@vend.example": [an_event()]})
    assert all(outcome.values()), outcome
    assert "secret" not in str(outcome)


def test_nobody_there(home: Callable[..., Settings]) -> None:
    url = f"http://127.0.0.1:{closed_port()}/secret"
    assert posted(home, url) == "the connection was refused."
    assert posted(home, "https://no.such.host.invalid/secret") == "its host is not known."


def mailed(home: Callable[..., Settings], url: str, to: str = "team@vend.example") -> str | None:
    settings = home(alerting={"VEND_SMTP_URL": url, "VEND_ALERT_FROM": "vend@vend.example"})
    return deliver.deliver(settings, {to: [an_event(), an_event(id="2", alert="Too Few", severity="warning")]})[to]


def test_mail(home: Callable[..., Settings]) -> None:
    with mail_server() as post:
        assert mailed(home, f"smtp://127.0.0.1:{post.port}") is None
    ((recipients, letter),) = post.letters
    assert recipients == ["team@vend.example"]
    assert letter["Subject"] == "[vend] critical: Too Many and 1 more"
    assert letter["From"] == "vend@vend.example"
    text = letter.get_content()
    assert "CRITICAL  Too Many: <all> & more: 3.5 things (größer)" in text
    assert "since 2026-11-24T12:00:00Z" in text
    assert "To do: docs/runbook.md#too-many" in text


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it does not see that all is encrypted
@pytest.mark.parametrize("whole", [False, True])
def test_mail_encrypted_and_logged_in(
    home: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    context, trusted = certificate(tmp_path)
    with mail_server(login=True, tls=context, whole=whole) as post:
        user = f"{USER}:{quote(PASSWORD, safe='')}"
        url = f"{'smtps' if whole else 'smtp'}://{user}@127.0.0.1:{post.port}{'' if whole else '?starttls=1'}"
        assert mailed(home, url) == "its certificate cannot be verified."
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert mailed(home, url) is None
        wrong = mailed(home, url.replace(quote(PASSWORD, safe=""), "wrong-much-secret"))
        assert wrong == "the mail server refuses the login (535)."
    assert whole or post.encrypted == [True]


@pytest.mark.parametrize(
    ("replies", "to", "reason", "taken"),
    [
        (("451 try later", None), "team@vend.example", None, 1),
        (("451 try later",), "team@vend.example", "refuses the message (451)", 0),
        (("554 no spam", None), "team@vend.example", "refuses the message (554)", 0),
        ((None,), "nobody@vend.example", "refuses the recipient (550)", 0),
    ],
)
def test_mail_refused(
    home: Callable[..., Settings], replies: tuple[str | None, ...], to: str, reason: str | None, taken: int
) -> None:
    with mail_server(*replies) as post:
        outcome = mailed(home, f"smtp://127.0.0.1:{post.port}", to)
    assert outcome is None if reason is None else outcome is not None and reason in outcome
    assert len(post.letters) == taken


def test_a_password_does_not_travel_in_the_clear(
    home: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_is_here", lambda host: False)
    with mail_server() as post:
        outcome = mailed(home, f"smtp://{USER}:much-secret@127.0.0.1:{post.port}")
        assert outcome is not None
        assert "starttls=1" in outcome
        assert mailed(home, f"smtp://127.0.0.1:{post.port}?starttls=1") == "it offers no STARTTLS or no login."
    assert post.letters == []


def test_one_target_does_not_keep_another(home: Callable[..., Settings]) -> None:
    with mail_server() as post:
        settings = home(
            alerting={
                "VEND_ALERT_WEBHOOK": f"http://127.0.0.1:{closed_port()}/",
                "VEND_SMTP_URL": f"smtp://127.0.0.1:{post.port}",
                "VEND_ALERT_FROM": "vend@vend.example",
            }
        )
        told = {to: [an_event()] for to in ("webhook", "nobody@vend.example", "team@vend.example")}
        outcome = deliver.deliver(settings, told)
    assert outcome["team@vend.example"] is None
    assert outcome["webhook"]
    assert outcome["nobody@vend.example"]


@pytest.mark.parametrize(
    ("alerting", "part"),
    [
        ({"VEND_ALERT_WEBHOOK": "much-secret"}, "VEND_ALERT_WEBHOOK"),
        ({"VEND_ALERT_WEBHOOK": "https://much-secret:x/"}, "VEND_ALERT_WEBHOOK"),
        ({"VEND_ALERT_WEBHOOK": "https://a.example/much secret"}, "VEND_ALERT_WEBHOOK"),
        ({"VEND_ALERT_WEBHOOK": "https://a.example/", "VEND_ALERT_WEBHOOK_FORMAT": "xml"}, "slack"),
        ({"VEND_SMTP_URL": "imap://u:much-secret@h", "VEND_ALERT_FROM": "a@b.example"}, "VEND_SMTP_URL"),
        ({"VEND_SMTP_URL": "smtp://u:much-secret@h"}, "VEND_ALERT_FROM"),
        ({"VEND_SMTP_URL": "smtp://h", "VEND_ALERT_FROM": "a@b.example\nBcc: c@d.example"}, "VEND_ALERT_FROM"),
    ],
)
def test_wrong_settings(home: Callable[..., Settings], alerting: dict[str, str], part: str) -> None:
    with pytest.raises(UsageError) as raised:
        check.check(home(alerting=alerting), listed=[])
    assert part in str(raised.value)
    assert "much" not in str(raised.value)


def test_many_alerts_are_counted() -> None:
    events = [an_event(subject=f"s{n}") for n in range(50)]
    text = deliver.body(events)
    assert text.count("CRITICAL") == deliver.SHOWN
    assert "and 30 more" in text

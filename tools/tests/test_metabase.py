"""`vend metabase` against a server that implements Metabase's documented calls strictly; no real Metabase is here."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import metabase_server
import pytest
import yaml
from click.testing import CliRunner
from conftest import PROJECT, settings_in
from metabase_server import Metabase

from vend import catalog
from vend.cli import main
from vend.errors import UsageError, VendError
from vend.metabase import client, content, embed, push
from vend.settings import Settings

KEY = "-----BEGIN PRIVATE KEY-----\nAAAAsecretAAAA\n-----END PRIVATE KEY-----\n"
COLD = {name: report for name, report in catalog.reports(settings_in(PROJECT)).items() if report.side == "cold"}


TABLES = {name: list(report.columns) for name, report in COLD.items()}


@pytest.fixture
def metabase() -> Metabase:
    """With two of the reports, for each has many columns to write about."""
    return Metabase({name: TABLES[name] for name in ("rpt_failed_payments", "rpt_garage_rankings")})


@pytest.fixture
def settings(metabase: Metabase, tmp_path: Path) -> Iterator[Settings]:
    key = tmp_path / "metabase.p8"
    key.write_text(KEY)
    with metabase_server.running(metabase) as url:
        yield settings_in(
            tmp_path / "home",
            snowflake={"SNOWFLAKE_ACCOUNT": "az12345.eu-west-1"},
            metabase={
                "METABASE_URL": url + "/",
                "METABASE_API_KEY": metabase.key,
                "METABASE_SNOWFLAKE_KEY_FILE": str(key),
                "METABASE_EMBED_SECRET": metabase.embed_secret,
            },
        )


def pushed(settings: Settings, **options: Any) -> push.Outcome:
    return push.push(settings, wait=lambda seconds: None, **options)


def pick(things: dict[int, Any], name: str) -> Any:
    (found,) = [thing for thing in things.values() if thing["name"] == name and not thing["archived"]]
    return found


def test_everything_is_there_and_a_second_push_writes_nothing(metabase: Metabase, settings: Settings) -> None:
    metabase.tables = TABLES
    declared = content.load(settings)
    first = pushed(settings)
    assert len(metabase.cards) == sum(len(collection.questions) for collection in declared.collections) == 18
    assert [one["name"] for one in metabase.dashboards.values()] == ["Vend executive dashboard", "Garage dashboard"]
    assert not first.notes
    garage = pick(metabase.dashboards, "Garage dashboard")
    assert (garage["enable_embedding"], garage["embedding_params"]) == (True, {"garage": "locked", "since": "enabled"})
    leaders = pick(metabase.dashboards, "Vend executive dashboard")
    assert leaders["enable_embedding"] is False
    (database,) = metabase.databases.values()
    assert database["details"]["role"] == "VEND_ANALYST"
    assert database["details"]["schema-filters-patterns"] == "REPORTS"
    for dashboard, collection in ((leaders, declared.collections[0]), (garage, declared.collections[1])):
        named = {parameter["id"]: parameter["slug"] for parameter in dashboard["parameters"]}
        for dashcard, question in zip(dashboard["dashcards"], collection.questions, strict=True):
            card = metabase.cards[dashcard["card_id"]]
            assert card["name"] == question.name
            assert card["collection_id"] == dashboard["collection_id"]
            assert card["dataset_query"]["native"]["query"] == question.sql
            mapped = {named[one["parameter_id"]]: one["target"] for one in dashcard["parameter_mappings"]}
            assert mapped == {key: ["variable", ["template-tag", key]] for key in question.filters}
    written = len(metabase.writes())
    for modern in (True, False):
        metabase.modern = modern
        again = pushed(settings)
        assert (again.changes, len(metabase.writes())) == ([], written)
    assert again.unchanged > 400
    assert "0 written" in again.as_text()


def test_descriptions_and_kinds_come_from_the_models(metabase: Metabase, settings: Settings) -> None:
    metabase.tables = TABLES
    pushed(settings)
    (tables,) = metabase.synced.values()
    by_name = {table["name"].lower(): table for table in tables}
    assert by_name.keys() == COLD.keys()
    kinds = {}
    for name, table in by_name.items():
        assert table["description"] == COLD[name].description
        for column in table["fields"]:
            assert column["description"] == COLD[name].columns[column["name"].lower()]
            assert "{{" not in column["description"]
            kinds[name, column["name"].lower()] = column["semantic_type"]
    assert kinds["rpt_failed_payments", "subscription_id"] == "type/PK"
    assert kinds["vw_failed_payments", "email"] == "type/Email"
    assert kinds["rpt_garage_rankings", "garage_region"] == "type/State"
    assert kinds["rpt_garage_monthly_pl", "garage_name"] == "type/Name"
    assert kinds["rpt_garage_monthly_pl", "gross_revenue"] is None


def test_a_dry_run_writes_nothing_and_says_what_would_be(metabase: Metabase, settings: Settings) -> None:
    told = pushed(settings, dry_run=True)
    assert metabase.writes() == []
    names = [question.name for collection in content.load(settings).collections for question in collection.questions]
    assert [line for line in told.changes if "created  question" in line] == [f"created  question   {n}" for n in names]
    assert "would be written" in told.as_text()
    pushed(settings)
    pick(metabase.cards, "Passes")["description"] = "Something else."
    written = len(metabase.writes())
    assert pushed(settings, dry_run=True).changes == ["changed  question   Passes (description)"]
    assert len(metabase.writes()) == written


def test_what_was_changed_is_put_right_and_what_is_gone_made_again(metabase: Metabase, settings: Settings) -> None:
    pushed(settings)
    passes, debts = pick(metabase.cards, "Passes"), pick(metabase.cards, "Who owes for how long")
    passes["dataset_query"]["native"]["query"] += " -- limit 1 where garage_id = {{garage}}"
    passes["visualization_settings"]["graph.colors"] = ["#123456"]
    debts["archived"] = True
    garage = pick(metabase.dashboards, "Garage dashboard")
    garage["embedding_params"]["garage"] = "enabled"
    garage["dashcards"][0]["size_x"] = 3
    told = pushed(settings).changes
    assert told == [
        "created  question   Who owes for how long",
        "changed  dashboard  Vend executive dashboard (dashcards)",
        "changed  question   Passes (dataset_query)",
        "changed  dashboard  Garage dashboard (embedding_params, dashcards)",
    ]
    assert passes["visualization_settings"]["graph.colors"] == ["#123456"]
    again = pick(metabase.cards, "Who owes for how long")
    assert again["id"] != debts["id"]
    on_it = [dashcard["card_id"] for dashcard in pick(metabase.dashboards, "Vend executive dashboard")["dashcards"]]
    assert again["id"] in on_it
    assert garage["embedding_params"]["garage"] == "locked"
    assert pushed(settings).changes == []


def test_what_others_made_stays(metabase: Metabase, settings: Settings) -> None:
    """A renamed thing of ours is somebody else's from then on, and ours is made anew."""
    stranger = metabase.add_collection(name="Marketing", description="Theirs.")
    pushed(settings)
    garage = pick(metabase.dashboards, "Garage dashboard")
    (database,) = metabase.databases
    asked = {"database": database, "type": "native", "native": {"query": "select 1", "template-tags": {}}}
    theirs = metabase.add_card(
        name="Mine",
        dataset_query=asked,
        display="table",
        visualization_settings={},
        collection_id=garage["collection_id"],
    )
    text_card = {"virtual_card": {"display": "text"}, "text": "Hello"}
    own = {"card_id": None, "action_id": None, "series": [], "parameter_mappings": []}
    garage["tabs"] = [{"id": 7, "name": "First", "position": 0, "entity_id": "x" * 21}]
    for dashcard in garage["dashcards"]:
        dashcard["dashboard_tab_id"] = 7
    place = {"dashboard_tab_id": 7, "size_x": 4, "size_y": 2, "row": 90}
    garage["dashcards"] += [
        own | place | {"id": 900, "col": 0, "visualization_settings": text_card},
        own | place | {"id": 901, "col": 4, "card_id": theirs["id"], "visualization_settings": {}},
    ]
    garage["parameters"].append({"id": "abcd", "name": "Mine", "slug": "mine", "type": "string/="})
    before = pushed(settings)
    assert before.changes == []
    assert before.notes[1:] == [
        f"In 'Garage dashboard', which tenants see, 'question {theirs['id']}' does not heed garage: every tenant sees "
        "all of it. Map the filter to it, or take it off.",
        "Not ours in 'Vend garages', left alone: Mine.",
    ]
    pick(metabase.cards, "Passes")["name"] = "Passes, my way"
    assert pushed(settings).changes == [
        "created  question   Passes",
        "changed  dashboard  Garage dashboard (dashcards)",
    ]
    kept = {dashcard["id"]: dashcard for dashcard in garage["dashcards"]}
    assert kept[900]["visualization_settings"] == text_card
    assert kept[901]["card_id"] == theirs["id"]
    renamed = pick(metabase.cards, "Passes, my way")["id"]
    assert [card["row"] for card in kept.values() if card.get("card_id") == renamed] == [92]  # out of the way
    assert [tab["name"] for tab in garage["tabs"]] == ["First"]
    assert "abcd" in {parameter["id"] for parameter in garage["parameters"]}
    assert metabase.collections[stranger["id"]]["description"] == "Theirs."
    assert pushed(settings).changes == []


def test_two_of_one_name_are_nobodys(metabase: Metabase, settings: Settings) -> None:
    pushed(settings)
    metabase.add_collection(name="Vend garages")
    with pytest.raises(VendError, match="Metabase has 2 of the collection 'Vend garages' in one place"):
        pushed(settings)


def test_the_connection(metabase: Metabase, settings: Settings) -> None:
    """The key is sent, never told, and sent again with a change; without settings the connection stays as it is."""
    bare = replace(settings, snowflake={})
    with pytest.raises(UsageError, match=r"no database 'Vend REPORTS' yet.*SNOWFLAKE_ACCOUNT"):
        pushed(bare)
    pushed(settings)
    (id,) = metabase.databases
    assert "AAAA" not in str(metabase.databases)
    assert metabase.secrets[id].startswith("data:application/octet-stream;base64,")
    told = metabase.secrets[id]
    metabase.databases.clear()
    metabase.fail = lambda method, path: (400, f'{{"message": "no: {told}"}}') if method == "POST" else None
    with pytest.raises(VendError, match=r"no: data:application/octet-stream;base64,\*\*\*") as refused:
        pushed(settings)
    assert told.partition(",")[2][:20] not in str(refused.value)
    metabase.fail = lambda method, path: None
    pushed(settings)
    (id,) = metabase.databases
    metabase.secrets[id] = "another"
    moved = replace(settings, snowflake={"SNOWFLAKE_ACCOUNT": "az99999.eu-west-1"})
    assert pushed(moved).changes == ["changed  database   Vend REPORTS (account)"]
    assert metabase.secrets[id] != "another"
    assert pushed(bare).changes == []
    metabase.databases[id]["engine"] = "postgres"
    with pytest.raises(VendError, match="is no Snowflake"):
        pushed(settings)


def test_reports_that_metabase_has_not_read(metabase: Metabase, settings: Settings) -> None:
    assert f"Metabase has not read {len(COLD) - 2} of the reports yet (rpt_cohort_" in pushed(settings).as_text()


def test_a_session_instead_of_a_key(metabase: Metabase, settings: Settings) -> None:
    given = {k: v for k, v in settings.metabase.items() if k != "METABASE_API_KEY"}
    person = given | {"METABASE_USERNAME": metabase.login[0], "METABASE_PASSWORD": metabase.login[1]}
    pushed(replace(settings, metabase=person))
    assert len(metabase.cards) == 18
    with pytest.raises(VendError, match="does not know us") as wrong:
        pushed(replace(settings, metabase=person | {"METABASE_PASSWORD": "hunter2-wrong"}))
    assert "hunter2" not in str(wrong.value)
    with pytest.raises(UsageError, match="Set METABASE_API_KEY"):
        pushed(replace(settings, metabase=given))


@pytest.mark.parametrize(
    ("at", "status", "body", "words"),
    [
        ("/api/database", 401, "Unauthenticated", "does not know us. Check METABASE_API_KEY"),
        ("/api/card", 403, "You don't have permissions to do that.", "must belong to the group Administrators"),
        (
            "/api/card",
            500,
            '{"message": "the key mb_secret_key is odd"}',
            r"/api/card \(500: the key \*\*\* is odd\)",
        ),
        ("/api/collection", 502, "<html>Bad gateway</html>", r"failed at .* \(502\)"),
        ("/api/dashboard", 302, "", "sends .* elsewhere"),
        ("/api/dashboard", 400, '{"errors": {"name": "value must be a non-blank string."}}', "refuses .*non-blank"),
        ("/api/collection", 200, "<html>Log in</html>", "is no JSON"),
        ("/api/database", 299, "[1, 2", "broke off"),
    ],
)
def test_every_failure_is_a_sentence(
    metabase: Metabase, settings: Settings, at: str, status: int, body: str, words: str
) -> None:
    metabase.fail = lambda method, path: (status, body) if path.startswith(at) else None
    with pytest.raises(VendError, match=words) as error:
        pushed(settings)
    assert metabase.key not in str(error.value)


def test_a_push_goes_on_where_another_broke_off(metabase: Metabase, settings: Settings) -> None:
    for at in ("/api/field", "/api/collection/", "/api/card", "/api/dashboard/"):
        metabase.fail = lambda method, path, at=at: (500, "") if path.startswith(at) else None
        with pytest.raises(VendError, match="what is done stays done"):
            pushed(settings)
    metabase.fail = lambda method, path: None
    pushed(settings)
    assert (len(metabase.cards), len(metabase.dashboards), len(metabase.databases)) == (18, 2, 1)
    assert pushed(settings).changes == []


def test_a_metabase_that_does_not_embed(metabase: Metabase, settings: Settings) -> None:
    metabase.embedding = False
    with pytest.raises(VendError, match="turn guest or static embedding on"):
        pushed(settings)
    metabase.embedding = True
    assert pushed(settings).changes == [
        "changed  dashboard  Garage dashboard (enable_embedding, embedding_params, dashcards)"
    ]


def test_a_server_that_is_away_or_silent(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        here = replace(settings, metabase=settings.metabase | {"METABASE_URL": f"http://127.0.0.1:{port}"})
        with pytest.raises(VendError, match="did not answer GET /api/x within"):
            client.Client(here, seconds=0.2).get("/api/x")

        def half() -> None:
            with suppress(OSError):
                connection, _ = silent.accept()
                connection, _ = silent.accept()  # the first is the one above, given up
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[1,")
                connection.close()

        thread = threading.Thread(target=half, daemon=True)
        thread.start()
        with pytest.raises(VendError, match="broke off"):
            client.Client(here, seconds=5).get("/api/x")
        thread.join()
    with pytest.raises(VendError, match="cannot be reached"):
        client.Client(here, seconds=1).get("/api/x")


@pytest.mark.parametrize("url", ["", "metabase", "ftp://x", "https://user:pw@x", "http://x y", "http://x:99999999"])
def test_addresses_that_are_none(settings: Settings, url: str) -> None:
    with pytest.raises(UsageError, match="METABASE_URL must be") as error:
        client.address(replace(settings, metabase={"METABASE_URL": url}))
    assert "pw" not in str(error.value)


# ------------------------------------------------------------------------------------------------ embedding


def test_a_token_shows_one_garage(metabase: Metabase, settings: Settings) -> None:
    pushed(settings)
    declared = content.load(settings)
    dashboard = push.dashboard_id(client.Client(settings), declared, embed.COLLECTION)
    token = embed.signed(embed.payload(dashboard, "garage-1", 4_000_000_000), metabase.embed_secret)
    shown, parameters = metabase.embedded(token)
    assert shown["name"] == "Garage dashboard"
    assert parameters == {"garage": ["garage-1"]}
    with pytest.raises(jwt.InvalidSignatureError):
        metabase.embedded(embed.signed(embed.payload(dashboard, "garage-1", 4_000_000_000), "f" * 64))
    with pytest.raises(jwt.ExpiredSignatureError):
        metabase.embedded(embed.signed(embed.payload(dashboard, "garage-1", 1), metabase.embed_secret))


def test_an_embed_needs_a_secret_and_a_dashboard(metabase: Metabase, settings: Settings) -> None:
    with pytest.raises(UsageError, match="METABASE_EMBED_SECRET"):
        embed.url(replace(settings, metabase={"METABASE_URL": "http://x"}), "any")
    with pytest.raises(VendError, match="has no dashboard 'Garage dashboard' yet"):
        push.dashboard_id(client.Client(settings), content.load(settings), embed.COLLECTION)


def test_the_command(metabase: Metabase, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**settings.metabase, **settings.snowflake, "VEND_HOME": str(settings.home)}.items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(main, ["metabase", "push", "--dry-run"])
    assert told.exit_code == 0, told.stderr
    assert "would be written" in told.stdout
    metabase.fail = lambda method, path: (500, "oops")
    refused = CliRunner().invoke(main, ["metabase", "push"])
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: Metabase at 127.0.0.1")
    for secret in (metabase.key, metabase.embed_secret, "AAAAsecret"):
        assert secret not in told.output + refused.output


# -------------------------------------------------------------------------------------------- the declaration


def changed(tmp_path: Path, change: Callable[[Any], None]) -> Settings:
    """The project's declaration after the change."""
    document = yaml.safe_load((PROJECT / "metabase/content.yml").read_text())
    change(document)
    folder = tmp_path / "metabase"
    folder.mkdir()
    (folder / "content.yml").write_text(yaml.safe_dump(document))
    for collection in document["collections"]:
        source = PROJECT / "metabase" / collection["key"]
        (folder / collection["key"]).mkdir()
        for file in source.glob("*.sql"):
            (folder / collection["key"] / file.name).write_text(file.read_text())
    return settings_in(tmp_path / "home", project=tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d["collections"][1]["dashboard"].update(locked=["garage", "since"]),
            "does not need 'since', which is",
        ),
        (lambda d: d["collections"][1]["dashboard"].update(locked=[]), "is asked for 'garage', which the dashboard"),
        (lambda d: d["filters"].pop("region"), "has no filter 'region'"),
        (
            lambda d: d["collections"][0]["questions"][1].update(name="Revenue of the platform"),
            "name of another question",
        ),
        (lambda d: d["collections"][0]["questions"][1].update(place=[1, 0, 6, 4]), "does not fit"),
        (lambda d: d["collections"][0]["questions"][1].update(place=[20, 90, 6, 4]), "does not fit"),
        (lambda d: d["collections"][0]["questions"][1].update(key="nowhere"), "cannot be used: .*nowhere.sql"),
        (lambda d: d["collections"][0]["questions"][1].update(colour="red"), "cannot be used: .*colour"),
        (lambda d: d.pop("database"), "cannot be used: 'database'"),
    ],
)
def test_a_declaration_that_does_not_hold_together(tmp_path: Path, change: Callable[[Any], None], words: str) -> None:
    with pytest.raises(VendError, match=words):
        content.load(changed(tmp_path, change))


def test_a_garages_question_is_for_one_garage_only() -> None:
    """What the locked filter rests on: the condition stands in the where of each question, and is never optional."""
    (garages,) = [one for one in content.load(settings_in(PROJECT)).collections if one.locked]
    for question in garages.questions:
        assert re.search(r"\bwhere\s+garage_id = {{garage}}", question.sql), question.key
        assert " or " not in question.sql.lower()
        assert question.sql.lower().count("from reports.") - question.sql.count("as latest") == 1

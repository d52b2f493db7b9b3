"""A Metabase that implements the calls `vend metabase` makes and no other, as strictly as they are documented.

The shapes are those of Metabase's own API: its reference (https://www.metabase.com/docs/latest/api), and the argument
schemas of the namespaces named at each call, which its main branch closes: an unknown field is an error. What is stored
and answered follows the published representation format (npm: @metabase/representations, core-spec/v1).
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

Json = Any
Check = Callable[[Any], bool]

ITEM_MODELS = {"dashboard", "card", "dataset", "metric", "collection", "pulse", "timeline", "snippet", "no_models"}
DISPLAYS = {"table", "bar", "line", "area", "row", "pie", "scalar", "smartscalar", "combo", "pivot", "funnel", "map"}


class HttpError(Exception):
    def __init__(self, status: int, body: Json) -> None:
        self.status, self.body = status, body


def text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def positive(value: Any) -> bool:
    return whole(value) and value > 0


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def each(shape: dict[str, tuple[bool, Check]]) -> Check:
    return lambda values: isinstance(values, list) and all(fits(value, shape) == {} for value in values)


def fits(body: Any, shape: dict[str, tuple[bool, Check]]) -> dict[str, str]:
    """What is wrong, by field: missing, unknown, of another kind."""
    if not isinstance(body, dict):
        return {"body": "must be a map"}
    wrong = dict.fromkeys(body.keys() - shape.keys(), "disallowed key")
    for name, (needed, check) in shape.items():
        if name not in body:
            wrong |= {name: "missing required key"} if needed else {}
        elif not check(body[name]):
            wrong[name] = "invalid value"
    return wrong


# metabase.parameters.schema: ::parameter, ::parameter-mapping
PARAMETER = {
    "id": (True, text),
    "type": (True, text),
    "name": (False, text),
    "slug": (False, text),
    "sectionId": (False, text),
    "default": (False, lambda value: True),
}
MAPPING = {
    "parameter_id": (True, text),
    "target": (True, lambda value: isinstance(value, list) and len(value) == 2),
    "card_id": (False, positive),
}
# metabase.session.api
LOGIN = {"username": (True, text), "password": (True, text)}
# metabase.warehouses-rest.api: POST and PUT /api/database
DATABASE = {"name": (True, text), "engine": (True, text), "details": (True, mapping)}
DATABASE_UPDATE = {"name": (False, text), "engine": (False, text), "details": (False, mapping)}
# resources/metabase-plugin.yaml of the Snowflake driver, and its tests for the key pair
DETAILS = {
    "account": (True, text),
    "user": (True, text),
    "warehouse": (True, text),
    "db": (True, text),
    "role": (False, text),
    "schema-filters-type": (False, lambda value: value in ("all", "inclusion", "exclusion")),
    "schema-filters-patterns": (False, text),
    "use-password": (True, lambda value: value is False),
    "private-key-options": (True, lambda value: value == "uploaded"),
    "private-key-value": (True, lambda value: bool(re.match(r"data:[\w/.+-]+;base64,[\w+/=]+$", str(value)))),
}
# metabase.warehouse-schema-rest.api.table and .field: PUT
TABLE = {"description": (False, maybe(text)), "display_name": (False, maybe(text))}
FIELD = {
    "description": (False, maybe(text)),
    "display_name": (False, maybe(text)),
    "semantic_type": (False, maybe(lambda value: bool(re.fullmatch(r"type/[A-Z]\w+", str(value))))),
}
# metabase.collections-rest.api: CreateCollectionArguments
COLLECTION = {"name": (True, text), "description": (False, maybe(text)), "parent_id": (False, maybe(positive))}
COLLECTION_UPDATE = {"name": (False, text), "description": (False, maybe(text)), "archived": (False, whole)}
# metabase.queries-rest.api.card: CardCreateSchema, CardUpdateSchema
CARD = {
    "name": (True, text),
    "dataset_query": (True, mapping),
    "display": (True, lambda value: value in DISPLAYS),
    "visualization_settings": (True, mapping),
    "description": (False, maybe(text)),
    "collection_id": (False, maybe(positive)),
    "type": (False, lambda value: value in ("question", "model", "metric")),
}
CARD_UPDATE = {name: (False, check) for name, (_, check) in CARD.items()} | {
    "archived": (False, lambda value: isinstance(value, bool))
}
# metabase.dashboards-rest.api: POST takes no cards; DashUpdates, UpdatedDashboardCard, UpdatedDashboardTab
DASHBOARD = {
    "name": (True, text),
    "description": (False, maybe(lambda value: isinstance(value, str))),
    "parameters": (False, each(PARAMETER)),
    "collection_id": (False, maybe(positive)),
}
DASHCARD = {
    "id": (True, whole),
    "size_x": (True, positive),
    "size_y": (True, positive),
    "row": (True, lambda value: whole(value) and value >= 0),
    "col": (True, lambda value: whole(value) and 0 <= value < 24),
    "card_id": (False, maybe(positive)),
    "dashboard_tab_id": (False, maybe(whole)),
    "parameter_mappings": (False, maybe(each(MAPPING))),
    "visualization_settings": (False, maybe(mapping)),
    "series": (False, maybe(each({"id": (True, positive)}))),
}
TAB = {"id": (True, whole), "name": (True, text)}
DASHBOARD_UPDATE = {
    "name": (False, text),
    "description": (False, maybe(lambda value: isinstance(value, str))),
    "parameters": (False, each(PARAMETER)),
    "collection_id": (False, maybe(positive)),
    "archived": (False, lambda value: isinstance(value, bool)),
    "enable_embedding": (False, lambda value: isinstance(value, bool)),
    "embedding_params": (
        False,
        lambda value: mapping(value) and all(how in ("disabled", "enabled", "locked") for how in value.values()),
    ),
    "dashcards": (False, each(DASHCARD)),
    "tabs": (False, each(TAB)),
}


@dataclass
class Metabase:
    """The state. modern: cards answer in the newer shape of queries. calls: (method, path) of each, writes apart."""

    tables: dict[str, list[str]]
    key: str = "mb_secret_key"
    login: tuple[str, str] = ("admin@vend.example", "secret-password")
    embed_secret: str = "e" * 64
    embedding: bool = True
    modern: bool = True
    fail: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
    databases: dict[int, Json] = field(default_factory=dict)
    secrets: dict[int, str] = field(default_factory=dict)
    fields: dict[int, Json] = field(default_factory=dict)
    synced: dict[int, list[Json]] = field(default_factory=dict)
    collections: dict[int, Json] = field(default_factory=dict)
    cards: dict[int, Json] = field(default_factory=dict)
    dashboards: dict[int, Json] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(10))

    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "GET" and call[1] != "/api/session"]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Json, headers: Any) -> Json:
        self.calls.append((method, path))
        if (failure := self.fail(method, path)) is not None:
            raise HttpError(*failure)
        if (method, path) == ("POST", "/api/session"):
            self._fit(body, LOGIN)
            if (body["username"], body["password"]) != self.login:
                raise HttpError(401, {"errors": {"password": "did not match stored password"}})
            token = f"session-{next(self.ids)}"
            self.sessions.add(token)
            return {"id": token}
        if headers.get("x-api-key") != self.key and headers.get("X-Metabase-Session") not in self.sessions:
            raise HttpError(401, "Unauthenticated")
        for route, (verb, pattern) in ROUTES.items():
            if verb == method and (found := re.fullmatch(pattern, path)):
                return getattr(self, route)(*(int(part) for part in found.groups()), query=query, body=body)
        raise HttpError(404, "API endpoint does not exist.")

    @staticmethod
    def _fit(body: Json, shape: dict[str, tuple[bool, Check]]) -> None:
        if wrong := fits(body, shape):
            raise HttpError(400, {"errors": wrong})

    @staticmethod
    def _there(things: dict[int, Json], id: int) -> Json:
        if id not in things:
            raise HttpError(404, "Not found.")
        return things[id]

    # ---------------------------------------------------------------------------------------- databases

    def list_databases(self, query: Json, body: Json) -> Json:
        return {"data": list(self.databases.values()), "total": len(self.databases)}

    def get_database(self, id: int, query: Json, body: Json) -> Json:
        return self._there(self.databases, id)

    def post_database(self, query: Json, body: Json) -> Json:
        self._fit(body, DATABASE)
        return self._stored(next(self.ids), body)

    def put_database(self, id: int, query: Json, body: Json) -> Json:
        self._fit(body, DATABASE_UPDATE)
        return self._stored(id, self._there(self.databases, id) | body)

    def _stored(self, id: int, body: Json) -> Json:
        if body["engine"] == "snowflake":
            details = {k: v for k, v in body["details"].items() if k not in ("private-key-id", "port")}
            self._fit(details, DETAILS)
            self.secrets[id] = details.pop("private-key-value")
            # a secret is never told again; the driver adds what it knows
            body = body | {"details": details | {"private-key-id": 1, "port": None}}
        self.databases[id] = {"id": id, **body}
        return self.databases[id]

    def sync_schema(self, id: int, query: Json, body: Json) -> Json:
        self._there(self.databases, id)
        known = {table["name"] for table in self.synced.get(id, [])}
        for name, columns in self.tables.items():
            if name.upper() in known:
                continue
            made = []
            for column in columns:
                at = next(self.ids)
                self.fields[at] = {"id": at, "name": column.upper(), "description": None, "semantic_type": None}
                made.append(self.fields[at])
            table = {
                "id": next(self.ids),
                "name": name.upper(),
                "schema": "REPORTS",
                "description": None,
                "fields": made,
            }
            self.synced.setdefault(id, []).append(table)
        return {"status": "ok"}

    def metadata(self, id: int, query: Json, body: Json) -> Json:
        return self._there(self.databases, id) | {"tables": self.synced.get(id, [])}

    def put_table(self, id: int, query: Json, body: Json) -> Json:
        self._fit(body, TABLE)
        table = next((table for tables in self.synced.values() for table in tables if table["id"] == id), None)
        if table is None:
            raise HttpError(404, "Not found.")
        table |= body
        return table

    def put_field(self, id: int, query: Json, body: Json) -> Json:
        self._fit(body, FIELD)
        self._there(self.fields, id).update(body)
        return self.fields[id]

    # -------------------------------------------------------------------------------------- collections

    def list_collections(self, query: Json, body: Json) -> Json:
        live = [one for one in self.collections.values() if not one["archived"]]
        return [{"id": "root", "name": "Our analytics", "is_personal": False}, *live]

    def post_collection(self, query: Json, body: Json) -> Json:
        self._fit(body, COLLECTION)
        return self.add_collection(**body)

    def add_collection(self, **values: Any) -> Json:
        id = next(self.ids)
        known = {"id": id, "location": "/", "archived": False, "personal_owner_id": None, "description": None}
        self.collections[id] = known | values
        return self.collections[id]

    def put_collection(self, id: int, query: Json, body: Json) -> Json:
        self._fit(body, COLLECTION_UPDATE)
        self._there(self.collections, id).update(body)
        return self.collections[id]

    def items(self, id: int, query: dict[str, list[str]], body: Json) -> Json:
        self._there(self.collections, id)
        if strange := set(query.get("models", [])) - ITEM_MODELS:
            raise HttpError(400, {"errors": {"models": f"no such model: {sorted(strange)}"}})
        found = [
            {"id": thing["id"], "name": thing["name"], "model": model, "collection_id": id}
            for model, things in (("card", self.cards), ("dashboard", self.dashboards))
            for thing in things.values()
            if model in query.get("models", [model]) and thing["collection_id"] == id and not thing["archived"]
        ]
        return {"total": len(found), "data": found, "models": query.get("models", [])}

    # -------------------------------------------------------------------------------------------- cards

    def get_card(self, id: int, query: Json, body: Json) -> Json:
        card = self._there(self.cards, id)
        asked = card["dataset_query"]
        if self.modern:  # representations: common/query.yaml
            stage = {
                "lib/type": "mbql.stage/native",
                "native": asked["native"]["query"],
                "template-tags": asked["native"]["template-tags"],
            }
            asked = {"lib/type": "mbql/query", "database": asked["database"], "stages": [stage]}
        return card | {"dataset_query": asked, "result_metadata": [], "can_write": True}

    def post_card(self, query: Json, body: Json) -> Json:
        self._fit(body, CARD)
        return self.add_card(**body)

    def add_card(self, **values: Any) -> Json:
        self._check_card(values)
        id = next(self.ids)
        self.cards[id] = {"id": id, "archived": False, "collection_id": None, "description": None} | values
        return self.cards[id]

    def put_card(self, id: int, query: Json, body: Json) -> Json:
        self._fit(body, CARD_UPDATE)
        self._there(self.cards, id)
        self._check_card(body)
        self.cards[id].update(body)
        return self.cards[id]

    def _check_card(self, body: Json) -> None:
        if body.get("collection_id") is not None:
            self._there(self.collections, body["collection_id"])
        if "dataset_query" not in body:
            return
        asked = body["dataset_query"]
        self._fit(asked, {"database": (True, positive), "type": (True, text), "native": (True, mapping)})
        self._there(self.databases, asked["database"])
        self._fit(asked["native"], {"query": (True, text), "template-tags": (True, mapping)})
        named = set(re.findall(r"{{\s*(\w+)\s*}}", asked["native"]["query"]))
        tags = asked["native"]["template-tags"]
        if named != set(tags):
            raise HttpError(
                400, {"message": f"template-tags {sorted(tags)} are not those of the query {sorted(named)}"}
            )
        for name, tag in tags.items():
            shape = {"id": (True, text), "name": (True, lambda value, name=name: value == name)}
            shape |= {"display-name": (True, text), "type": (True, lambda value: value in ("text", "date", "number"))}
            self._fit(tag, shape | {"required": (False, lambda value: isinstance(value, bool))})

    # --------------------------------------------------------------------------------------- dashboards

    def get_dashboard(self, id: int, query: Json, body: Json) -> Json:
        dashboard = self._there(self.dashboards, id)
        # the cards of archived questions are not shown
        live = [one for one in dashboard["dashcards"] if not self.cards.get(one.get("card_id"), {}).get("archived")]
        return dashboard | {"dashcards": live}

    def post_dashboard(self, query: Json, body: Json) -> Json:
        self._fit(body, DASHBOARD)
        return self.add_dashboard(**body)

    def add_dashboard(self, **values: Any) -> Json:
        if values.get("collection_id") is not None:
            self._there(self.collections, values["collection_id"])
        id = next(self.ids)
        known = {"id": id, "archived": False, "collection_id": None, "dashcards": [], "tabs": [], "parameters": []}
        self.dashboards[id] = known | {"enable_embedding": False, "embedding_params": None} | values
        return self.dashboards[id]

    def put_dashboard(self, id: int, query: Json, body: Json) -> Json:
        self._fit(body, DASHBOARD_UPDATE)
        dashboard = self._there(self.dashboards, id)
        embeds = body.get("enable_embedding", dashboard["enable_embedding"])
        if embeds != dashboard["enable_embedding"] and not self.embedding:
            raise HttpError(400, "Embedding is not enabled.")
        if "dashcards" in body:
            body = body | self._laid_out(dashboard, body)
        dashboard |= body
        return dashboard

    def _laid_out(self, dashboard: Json, body: Json) -> Json:
        """Cards and tabs that are not named are deleted; a negative id is a new one."""
        tabs = [
            {"id": tab["id"] if tab["id"] > 0 else next(self.ids), "name": tab["name"]} for tab in body.get("tabs", [])
        ]
        known = {dashcard["id"]: dashcard for dashcard in dashboard["dashcards"]}
        ids = [dashcard["id"] for dashcard in body["dashcards"]]
        if len(set(ids)) != len(ids):
            raise HttpError(400, {"errors": {"dashcards": "ids must be unique"}})
        parameters = {parameter["id"] for parameter in body.get("parameters", dashboard["parameters"])}
        dashcards = []
        for dashcard in body["dashcards"]:
            if dashcard["id"] > 0 and dashcard["id"] not in known:
                raise HttpError(404, "Not found.")
            card = self._there(self.cards, dashcard["card_id"]) if dashcard.get("card_id") else {}
            if dashcard["id"] < 0 and card.get("archived"):
                raise HttpError(404, {"message": "The object has been archived."})
            if dashcard["col"] + dashcard["size_x"] > 24:
                raise HttpError(400, {"errors": {"dashcards": "off the grid"}})
            if tabs and dashcard.get("dashboard_tab_id") not in {tab["id"] for tab in tabs}:
                raise HttpError(400, {"message": "This dashboard has tab, makes sure every card has a tab"})
            if strange := {one["parameter_id"] for one in dashcard.get("parameter_mappings") or []} - parameters:
                raise HttpError(400, {"errors": {"parameter_mappings": f"no such parameter: {strange}"}})
            at = dashcard["id"] if dashcard["id"] > 0 else next(self.ids)
            dashcards.append(
                {"created_at": "2026-01-01T00:00:00Z", "action_id": None, "series": [], **dashcard, "id": at}
            )
        return {"dashcards": dashcards, "tabs": tabs}

    # -------------------------------------------------------------------------------------------- embeds

    def embedded(self, token: str) -> tuple[Json, Json]:
        """The dashboard of a token and its parameters, by the rules of docs/embedding/parameters-reference.md."""
        claims = jwt.decode(token, self.embed_secret, algorithms=["HS256"], options={"require": ["exp"]})
        dashboard = self._there(self.dashboards, claims["resource"]["dashboard"])
        assert dashboard["enable_embedding"]
        how = dashboard["embedding_params"]
        for slug, value in how.items():
            assert value != "locked" or claims["params"].get(slug), f"You must specify a value for {slug} in the JWT."
        assert all(how.get(slug) in ("enabled", "locked") for slug in claims["params"])
        return dashboard, claims["params"]


ROUTES = {
    "list_databases": ("GET", r"/api/database"),
    "get_database": ("GET", r"/api/database/(\d+)"),
    "post_database": ("POST", r"/api/database"),
    "put_database": ("PUT", r"/api/database/(\d+)"),
    "sync_schema": ("POST", r"/api/database/(\d+)/sync_schema"),
    "metadata": ("GET", r"/api/database/(\d+)/metadata"),
    "put_table": ("PUT", r"/api/table/(\d+)"),
    "put_field": ("PUT", r"/api/field/(\d+)"),
    "list_collections": ("GET", r"/api/collection"),
    "post_collection": ("POST", r"/api/collection"),
    "put_collection": ("PUT", r"/api/collection/(\d+)"),
    "items": ("GET", r"/api/collection/(\d+)/items"),
    "get_card": ("GET", r"/api/card/(\d+)"),
    "post_card": ("POST", r"/api/card"),
    "put_card": ("PUT", r"/api/card/(\d+)"),
    "get_dashboard": ("GET", r"/api/dashboard/(\d+)"),
    "post_dashboard": ("POST", r"/api/dashboard"),
    "put_dashboard": ("PUT", r"/api/dashboard/(\d+)"),
}


@contextmanager
def running(metabase: Metabase) -> Iterator[str]:
    """Its address while the block runs."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                if sent and not self.headers.get("Content-Type", "").startswith("application/json"):
                    raise HttpError(400, "JSON is expected")
                with lock:
                    status, answer = (
                        200,
                        metabase.answer(
                            self.command,
                            parts.path,
                            parse_qs(parts.query),
                            json.loads(sent) if sent else None,
                            self.headers,
                        ),
                    )
            except HttpError as error:
                status, answer = error.status, error.body
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
            # a half answer: less than it promises
            self.send_header("Content-Length", str(len(text.encode()) + (99 if status == 299 else 0)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815, names of the base class

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

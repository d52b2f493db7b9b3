"""Makes Metabase hold what metabase/content.yml declares: compared first, so that a second push writes nothing.

A thing is found by its name inside its collection: Metabase gives dashboards and collections no other identity that its
REST API lets us choose. What has another name is somebody else's, and is left alone.
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vend import catalog
from vend.errors import UsageError, VendError
from vend.metabase import content as contents
from vend.metabase.client import Client, Json, RefusedError
from vend.metabase.content import Collection, Content, Filter, Question
from vend.settings import Settings

# Reading the schema of a new database takes Metabase some seconds.
TABLES_SECONDS = 60
PARAMETER_TYPES = {"text": ("string/=", "string"), "date": ("date/single", "date")}
# Put back unchanged, whoever put it on the dashboard.
DASHCARD = (
    *("id", "card_id", "action_id", "dashboard_tab_id", "size_x", "size_y", "row", "col"),
    *("parameter_mappings", "visualization_settings", "series"),
)


@dataclass
class Outcome:
    """changes: lines of what was, or in a dry run would be, written. unchanged: how much was as it should be."""

    dry_run: bool
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unchanged: int = 0

    def as_text(self) -> str:
        would = "would be " if self.dry_run else ""
        count = f"{len(self.changes)} {would}written, {self.unchanged} unchanged."
        return "\n".join([*self.changes, *self.notes, count])


def push(settings: Settings, *, dry_run: bool = False, wait: Callable[[float], None] = time.sleep) -> Outcome:
    """Write what differs. Raises VendError, in a sentence; what was written until then stays, and a rerun goes on."""
    content = contents.load(settings)
    client = Client(settings, dry_run=dry_run)
    return _Push(settings, content, client, Outcome(dry_run), wait).run()


def dashboard_id(client: Client, content: Content, key: str) -> int:
    """The id of the dashboard of a collection. Raises VendError where it was not pushed."""
    declared = next(collection for collection in content.collections if collection.key == key)
    found = _one(_collections(client), declared.name, "collection")
    items = _items(client, found["id"]) if found else []
    dashboard = _one([item for item in items if item["model"] == "dashboard"], declared.dashboard, "dashboard")
    if dashboard is None:
        raise VendError(f"Metabase has no dashboard {declared.dashboard!r} yet. Run `vend metabase push`.")
    return int(dashboard["id"])


@dataclass
class _Push:
    settings: Settings
    content: Content
    client: Client
    outcome: Outcome
    wait: Callable[[float], None]

    def run(self) -> Outcome:
        database = self._database()
        self._describe(database)
        there = _collections(self.client)
        for declared in self.content.collections:
            self._collection(database, declared, _one(there, declared.name, "collection"))
        return self.outcome

    # ------------------------------------------------------------------------------------------- connection

    def _database(self) -> int:
        listed = self.client.get("/api/database")
        there = listed.get("data", []) if isinstance(listed, dict) else listed
        found = _one(there, self.content.database, "database")
        wanted = self._details()
        if found is None:
            if wanted is None:
                raise UsageError(
                    f"Metabase has no database {self.content.database!r} yet. To connect it, set SNOWFLAKE_ACCOUNT and "
                    "METABASE_SNOWFLAKE_KEY_FILE, the private key of the Snowflake user VEND_METABASE."
                )
            body = {"name": self.content.database, "engine": "snowflake", "details": wanted}
            made = self._write("created", "database", self.content.database, "/api/database", body)
            return int(made.get("id", 0))
        whole = self.client.get(f"/api/database/{found['id']}")
        if whole.get("engine") != "snowflake":
            raise VendError(
                f"Metabase's database {self.content.database!r} is no Snowflake. Rename it there, and rerun."
            )
        details = whole.get("details") or {}
        # The key cannot be read back; a new one is sent where anything else differs.
        open_details = {k: v for k, v in (wanted or {}).items() if k != "private-key-value"}
        self._compare(
            "database",
            self.content.database,
            f"/api/database/{found['id']}",
            {"details": wanted},
            [name for name, value in open_details.items() if details.get(name) != value],
        )
        return int(found["id"])

    def _details(self) -> dict[str, Any] | None:
        """How Metabase logs in to Snowflake; None where the connection is left as it is there."""
        account = self.settings.snowflake.get("SNOWFLAKE_ACCOUNT")
        file = self.settings.metabase.get("METABASE_SNOWFLAKE_KEY_FILE")
        if not account or not file:
            return None
        try:
            key = Path(file).read_bytes()
        except OSError as error:
            raise VendError(f"The private key {file} cannot be read ({error.strerror}).") from None
        if b"PRIVATE KEY" not in key:
            raise VendError(f"{file} is no private key in PEM.")
        encoded = base64.b64encode(key).decode()
        self.client.conceal(encoded)
        return {
            "account": account,
            "user": "VEND_METABASE",
            "role": "VEND_ANALYST",
            "warehouse": "BI_WH",
            "db": self.settings.snowflake.get("SNOWFLAKE_DATABASE", "VEND_ANALYTICS"),
            "schema-filters-type": "inclusion",
            "schema-filters-patterns": self.content.schema,
            "use-password": False,
            "private-key-options": "uploaded",
            "private-key-value": "data:application/octet-stream;base64," + encoded,
        }

    # -------------------------------------------------------------------------------- descriptions from dbt

    def _describe(self, database: int) -> None:
        """Descriptions and semantic types of the tables and columns of REPORTS, from the yml beside the models."""
        reports = {
            name: report for name, report in catalog.reports(self.settings).items() if report.side == catalog.COLD
        }
        tables = self._tables(database, set(reports))
        for name, report in reports.items():
            if name not in tables:
                continue
            table = tables[name]
            self._described("table", name, f"/api/table/{table['id']}", table, {"description": report.description})
            columns = {str(column["name"]).lower(): column for column in table.get("fields", [])}
            for column, description in report.columns.items():
                if column not in columns:
                    continue
                wanted = {"description": description}
                kind = "type/PK" if report.key == (column,) else self.content.semantic_type(column)
                if kind:
                    wanted["semantic_type"] = kind
                there = columns[column]
                self._described("column", f"{name}.{column}", f"/api/field/{there['id']}", there, wanted)
        if missing := sorted(set(reports) - set(tables)):
            self.outcome.notes.append(
                f"Metabase has not read {len(missing)} of the reports yet ({missing[0]} …), so they have no "
                "descriptions there: build them, and push again in a minute."
            )

    def _tables(self, database: int, wanted: set[str]) -> dict[str, Json]:
        """The tables that Metabase knows, by lower-case name; waits for it to read them once."""
        if not database:
            return {}
        for attempt in range(TABLES_SECONDS // 5):
            metadata = self.client.get(f"/api/database/{database}/metadata")
            found = {
                str(table["name"]).lower(): table
                for table in metadata.get("tables", [])
                if str(table.get("schema", "")).upper() == self.content.schema
            }
            if wanted <= found.keys() or self.client.dry_run:
                break
            if attempt == 0:
                self.client.post(f"/api/database/{database}/sync_schema", {})
            elif found:  # the rest may not be built
                break
            self.wait(5)
        return found

    def _described(self, kind: str, name: str, path: str, there: Json, wanted: Mapping[str, Any]) -> None:
        self._compare(kind, name, path, wanted, _unlike(wanted, there))

    # -------------------------------------------------------------------------------------------- collections

    def _collection(self, database: int, declared: Collection, there: Json | None) -> None:
        wanted = {"name": declared.name, "description": declared.description}
        if there is None:
            made = self._write("created", "collection", declared.name, "/api/collection", wanted)
            collection = int(made.get("id", 0))
        else:
            collection = int(there["id"])
            self._compare("collection", declared.name, f"/api/collection/{collection}", wanted, _unlike(wanted, there))
        items = _items(self.client, collection) if collection else []
        cards = {
            question.key: self._question(database, collection, declared, question, items)
            for question in declared.questions
        }
        self._dashboard(collection, declared, cards, items)
        ours = {declared.dashboard, *(question.name for question in declared.questions)}
        if others := [item["name"] for item in items if item["name"] not in ours]:
            self.outcome.notes.append(f"Not ours in {declared.name!r}, left alone: {', '.join(sorted(others))}.")

    def _question(
        self, database: int, collection: int, declared: Collection, question: Question, items: Sequence[Json]
    ) -> int:
        wanted = {
            "name": question.name,
            "description": question.description,
            "display": question.display,
            "visualization_settings": _settings_of(question),
            "dataset_query": {"database": database, "type": "native", "native": self._native(declared, question)},
        }
        found = _one([item for item in items if item["model"] == "card"], question.name, "question")
        if found is None:
            body = {**wanted, "collection_id": collection}
            made = self._write("created", "question", question.name, "/api/card", body)
            return int(made.get("id", 0))
        there = self.client.get(f"/api/card/{found['id']}")
        # what else somebody chose for the chart stays
        wanted["visualization_settings"] = (there.get("visualization_settings") or {}) | _settings_of(question)
        rest = {name: value for name, value in wanted.items() if name != "dataset_query"}
        unlike = _unlike(rest, there)
        if _asked(there.get("dataset_query")) != _asked(wanted["dataset_query"]):
            unlike.append("dataset_query")
        self._compare("question", question.name, f"/api/card/{found['id']}", wanted, unlike)
        return int(found["id"])

    def _native(self, declared: Collection, question: Question) -> dict[str, Any]:
        tags = {}
        for key, needed in question.filters.items():
            chosen = self.content.filters[key]
            tags[key] = {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"vend/{declared.key}/{question.key}/{key}")),
                "name": key,
                "display-name": chosen.name,
                "type": chosen.type,
                **({"required": True} if needed else {}),
            }
        return {"query": question.sql, "template-tags": tags}

    # --------------------------------------------------------------------------------------------- dashboards

    def _dashboard(
        self, collection: int, declared: Collection, cards: Mapping[str, int], items: Sequence[Json]
    ) -> None:
        name = declared.dashboard
        wanted: dict[str, Any] = {
            "name": name,
            "description": declared.dashboard_description,
            "parameters": [_parameter(self.content.filters[key]) for key in (*declared.locked, *declared.filters)],
        }
        found = _one([item for item in items if item["model"] == "dashboard"], name, "dashboard")
        if found is None:
            made = self._write("created", "dashboard", name, "/api/dashboard", {**wanted, "collection_id": collection})
            if not made.get("id"):
                return
            found = made
        path = f"/api/dashboard/{found['id']}"
        there = self.client.get(path)
        own = {parameter["id"] for parameter in wanted["parameters"]}
        wanted["parameters"] += [one for one in there.get("parameters") or [] if one["id"] not in own]
        if declared.locked:
            allowed = dict.fromkeys(declared.filters, "enabled") | dict.fromkeys(declared.locked, "locked")
            wanted |= {"enable_embedding": True, "embedding_params": allowed}
            if open_ := _unlocked(self.content, declared, cards, there):
                self.outcome.notes.append(
                    f"In {name!r}, which tenants see, {', '.join(open_)} does not heed "
                    f"{' and '.join(declared.locked)}: every tenant sees all of it. Map the filter to it, or take it "
                    "off."
                )
        unlike = _unlike(wanted, there)
        if declared.locked and there.get("embedding_params") != allowed and "embedding_params" not in unlike:
            unlike.append("embedding_params")
        placed = _placed(self.content, declared, cards, there)
        current = [_kept(dashcard) for dashcard in there.get("dashcards") or []]
        if _positions(placed) != _positions(current):
            unlike.append("dashcards")
            wanted["dashcards"] = placed
            # left out, Metabase would take the tabs for deleted
            wanted["tabs"] = [{"id": tab["id"], "name": tab["name"]} for tab in there.get("tabs") or []]
        try:
            self._compare("dashboard", name, path, wanted, unlike)
        except RefusedError as refusal:
            if refusal.status == 400 and "embed" in str(refusal).lower():
                raise VendError(
                    f"Metabase does not embed yet, so {name!r} cannot be published: turn guest or static embedding "
                    "on in its Admin settings, under Embedding, and push again."
                ) from None
            raise

    # ------------------------------------------------------------------------------------------------- writing

    def _compare(self, kind: str, name: str, path: str, wanted: Mapping[str, Any], unlike: Sequence[str]) -> None:
        if not unlike:
            self.outcome.unchanged += 1
            return
        self.client.put(path, wanted)
        self.outcome.changes.append(f"{'changed':<9}{kind:<11}{name} ({', '.join(unlike)})")

    def _write(self, what: str, kind: str, name: str, path: str, body: Mapping[str, Any]) -> Json:
        made = self.client.post(path, body)
        self.outcome.changes.append(f"{what:<9}{kind:<11}{name}")
        return made


def _collections(client: Client) -> list[Json]:
    """Those at the top, neither archived nor somebody's own."""
    return [
        collection
        for collection in client.get("/api/collection")
        if collection.get("location", "/") == "/"
        and not collection.get("archived")
        and not collection.get("personal_owner_id")
        and isinstance(collection.get("id"), int)
    ]


def _items(client: Client, collection: int) -> list[Json]:
    answer = client.get(f"/api/collection/{collection}/items", models=["card", "dashboard"])
    return list(answer["data"] if isinstance(answer, dict) else answer)


def _one(there: Sequence[Json], name: str, kind: str) -> Json | None:
    """The thing of that name, None without one. Raises VendError for two."""
    found = [thing for thing in there if thing.get("name") == name]
    if len(found) > 1:
        raise VendError(f"Metabase has {len(found)} of the {kind} {name!r} in one place. Rename or delete all but one.")
    return found[0] if found else None


def _unlike(wanted: Any, there: Any) -> list[str]:
    """The names whose values are not as wanted; what Metabase adds to a value does not count."""
    return [name for name, value in wanted.items() if not _holds(there.get(name), value)]


def _holds(there: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(_holds(there.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(there, list) and len(there) == len(wanted)
        return same and all(_holds(one, other) for one, other in zip(there, wanted, strict=True))
    return bool(there == wanted)


def _asked(query: Any) -> tuple[Any, ...]:
    """What a native query asks of which database: newer versions answer in another shape than they are sent."""
    if not isinstance(query, dict):
        return ()
    stage = query["stages"][0] if query.get("stages") else query.get("native") or {}
    text = stage.get("native", stage.get("query"))
    tags = stage.get("template-tags") or {}
    named = ("name", "display-name", "type", "required")
    return query.get("database"), text, {key: [tag.get(part) or None for part in named] for key, tag in tags.items()}


def _settings_of(question: Question) -> dict[str, Any]:
    """Snowflake names the columns of an answer in upper case."""
    settings: dict[str, Any] = {}
    if question.x:
        settings["graph.dimensions"] = [name.upper() for name in (question.x, question.series) if name]
        settings["graph.metrics"] = [name.upper() for name in question.y]
    if question.stacked:
        settings["stackable.stack_type"] = "stacked"
    if question.pivot:
        settings |= {
            "table.pivot": True,
            "table.pivot_column": question.pivot["column"].upper(),
            "table.cell_column": question.pivot["cell"].upper(),
        }
    return settings


def _parameter(chosen: Filter) -> dict[str, Any]:
    kind, section = PARAMETER_TYPES[chosen.type]
    return {"id": _parameter_id(chosen), "name": chosen.name, "slug": chosen.key, "type": kind, "sectionId": section}


def _parameter_id(chosen: Filter) -> str:
    return hashlib.sha256(f"vend/{chosen.key}".encode()).hexdigest()[:8]


def _placed(content: Content, declared: Collection, cards: Mapping[str, int], there: Json) -> list[dict[str, Any]]:
    """The dashboard's cards as they shall be: ours in their places, those of others as they are."""
    current = {dashcard.get("card_id"): dashcard for dashcard in there.get("dashcards") or []}
    tabs = there.get("tabs") or []
    placed = []
    for number, question in enumerate(declared.questions, start=1):
        card = cards[question.key]
        column, row, width, height = question.place
        known = current.pop(card, None)
        placed.append(
            {
                "id": known["id"] if known else -number,
                "card_id": card,
                "col": column,
                "row": row,
                "size_x": width,
                "size_y": height,
                "parameter_mappings": list(_mappings(content, question, card)),
                "visualization_settings": (known or {}).get("visualization_settings") or {},
                **({"dashboard_tab_id": (known or {}).get("dashboard_tab_id") or tabs[0]["id"]} if tabs else {}),
            }
        )
    ours = {dashcard["id"] for dashcard in placed}
    others = [_kept(dashcard) for dashcard in there.get("dashcards") or [] if dashcard["id"] not in ours]
    bottom = max(dashcard["row"] + dashcard["size_y"] for dashcard in [*placed, *others])
    for other in others:
        if any(_overlap(other, dashcard) for dashcard in placed):
            other["row"] = bottom
            bottom += other["size_y"]
    return placed + others


def _unlocked(content: Content, declared: Collection, cards: Mapping[str, int], there: Json) -> list[str]:
    """Questions of others on a dashboard that a locked filter does not reach."""
    locked = {_parameter_id(content.filters[key]) for key in declared.locked}
    found = []
    for dashcard in there.get("dashcards") or []:
        shown = [dashcard.get("card_id"), *(card["id"] for card in dashcard.get("series") or [])]
        reached = {(one.get("card_id"), one["parameter_id"]) for one in dashcard.get("parameter_mappings") or []}
        for card in shown:
            if card is not None and card not in cards.values() and not {(card, one) for one in locked} <= reached:
                found.append(repr((dashcard.get("card") or {}).get("name") or f"question {card}"))
    return sorted(set(found))


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    apart = any(
        one[start] >= other[start] + other[size] or other[start] >= one[start] + one[size]
        for start, size in (("col", "size_x"), ("row", "size_y"))
    )
    return not apart and one.get("dashboard_tab_id") == other.get("dashboard_tab_id")


def _mappings(content: Content, question: Question, card: int) -> Iterator[dict[str, Any]]:
    for key in question.filters:
        yield {
            "parameter_id": _parameter_id(content.filters[key]),
            "card_id": card,
            "target": ["variable", ["template-tag", key]],
        }


def _kept(dashcard: Json) -> dict[str, Any]:
    kept = {name: dashcard[name] for name in DASHCARD if dashcard.get(name) is not None}
    if "series" in kept:
        kept["series"] = [{"id": card["id"]} for card in kept["series"]]
    return kept


def _positions(dashcards: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """What decides how the dashboard looks, and which filter goes where."""
    return sorted(
        (
            *(dashcard.get(name) or 0 for name in ("id", "card_id", "col", "row", "size_x", "size_y")),
            sorted(str((m.get("parameter_id"), m.get("target"))) for m in dashcard.get("parameter_mappings") or []),
        )
        for dashcard in dashcards
    )

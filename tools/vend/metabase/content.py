"""Reads metabase/content.yml: collections, their questions and dashboards, as data. Knows nothing of HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from vend.errors import VendError
from vend.settings import Settings

FOLDER = "metabase"
TAG = re.compile(r"{{\s*(\w+)\s*}}")
OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True)
class Filter:
    """type: text or date."""

    key: str
    name: str
    type: str


@dataclass(frozen=True)
class Question:
    """key: also its file. x, y and series: columns for the axes. place: column, row, width, height."""

    key: str
    name: str
    description: str
    display: str
    sql: str
    place: tuple[int, int, int, int]
    x: str | None = None
    y: tuple[str, ...] = ()
    series: str | None = None
    stacked: bool = False
    pivot: Mapping[str, str] | None = None

    @property
    def filters(self) -> dict[str, bool]:
        """The filters that the SQL names, and whether it needs their value."""
        needed = set(TAG.findall(OPTIONAL.sub("", self.sql)))
        return {name: name in needed for name in TAG.findall(self.sql)}


@dataclass(frozen=True)
class Collection:
    """filters, locked: of the dashboard, embedded where it has locked ones, which the token of an embed sets."""

    key: str
    name: str
    description: str
    dashboard: str
    dashboard_description: str
    filters: tuple[str, ...]
    locked: tuple[str, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Content:
    database: str
    schema: str
    filters: Mapping[str, Filter]
    collections: tuple[Collection, ...]
    _semantic: tuple[tuple[str, str], ...]

    def semantic_type(self, column: str) -> str | None:
        return next((kind for pattern, kind in self._semantic if fnmatch(column, pattern)), None)


def load(settings: Settings) -> Content:
    """Raises VendError, naming the place, where the file does not hold together."""
    import yaml

    path = settings.project / FOLDER / "content.yml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        filters = {key: Filter(key, **value) for key, value in document["filters"].items()}
        collections = tuple(_collection(settings, entry) for entry in document["collections"])
        content = Content(
            database=document["database"]["name"],
            schema=document["database"]["schema"],
            filters=filters,
            collections=collections,
            _semantic=tuple((pattern, kind) for pattern, kind in document["semantic_types"]),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise VendError(f"{path} cannot be used: {' '.join(str(error).split())[:200]}.") from None
    for collection in content.collections:
        _check(collection, content.filters, str(path))
    return content


def _collection(settings: Settings, entry: dict[str, Any]) -> Collection:
    dashboard = entry["dashboard"]
    return Collection(
        key=entry["key"],
        name=entry["name"],
        description=entry["description"],
        dashboard=dashboard["name"],
        dashboard_description=dashboard["description"],
        filters=tuple(dashboard.get("filters", ())),
        locked=tuple(dashboard.get("locked", ())),
        questions=tuple(_question(settings, entry["key"], question) for question in entry["questions"]),
    )


def _question(settings: Settings, folder: str, entry: dict[str, Any]) -> Question:
    text = (settings.project / FOLDER / folder / f"{entry['key']}.sql").read_text(encoding="utf-8").strip()
    column, row, width, height = entry.pop("place")
    return Question(sql=text, y=tuple(entry.pop("y", ())), place=(column, row, width, height), **entry)


def _check(collection: Collection, filters: Mapping[str, Filter], path: str) -> None:
    known = {*collection.filters, *collection.locked}
    names = [question.name for question in collection.questions]
    taken: dict[tuple[int, int], str] = {}
    for question in collection.questions:
        where = f"{path}: {collection.key}/{question.key}"
        if strange := sorted((question.filters.keys() | known) - filters.keys()):
            raise VendError(f"{where} has no filter {strange[0]!r} under `filters`.")
        if strange := sorted(question.filters.keys() - known):
            raise VendError(f"{where} is asked for {strange[0]!r}, which the dashboard does not offer.")
        if missing := [name for name in collection.locked if not question.filters.get(name)]:
            raise VendError(f"{where} does not need {missing[0]!r}, which is locked: it would show everybody's rows.")
        if names.count(question.name) > 1:
            raise VendError(f"{where} has the name of another question there.")
        column, row, width, height = question.place
        cells = [(x, y) for x in range(column, column + width) for y in range(row, row + height)]
        if column < 0 or column + width > 24 or any(cell in taken for cell in cells):
            raise VendError(f"{where} does not fit where it is placed.")
        taken |= dict.fromkeys(cells, question.key)

"""The reports that may be read, as the yml beside their models describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from vend.errors import UsageError, VendError
from vend.settings import Settings

HOT, COLD = "hot", "cold"
FOLDERS = {COLD: "models/cold/reports", HOT: "models/hot"}
PREFIXES = {COLD: ("rpt_", "vw_"), HOT: ("mv_",)}


@dataclass(frozen=True)
class Report:
    """side: hot or cold. columns: name to description. key: the columns that tell its rows apart."""

    name: str
    side: str
    description: str
    columns: Mapping[str, str]
    key: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first sentence of the description."""
        return re.split(r"(?<=[.;]) ", self.description, maxsplit=1)[0].rstrip(".;")

    @property
    def has_garage(self) -> bool:
        return "garage_id" in self.columns


def reports(settings: Settings) -> dict[str, Report]:
    """Every report by its name: rpt_*, vw_* and mv_*."""
    return dict(_reports(settings.project))


@cache
def _reports(project: Path) -> dict[str, Report]:
    found = {}
    docs = _docs(project)
    for side, folder in FOLDERS.items():
        for model in _models(project / folder):
            if str(model["name"]).startswith(PREFIXES[side]):
                report = _report(side, model, docs)
                found[report.name] = report
    for name, report in found.items():
        if name.startswith("vw_"):  # which leaves the tests to what it shows
            found[name] = Report(name, COLD, report.description, report.columns, found["rpt_" + name[3:]].key)
    return dict(sorted(found.items()))


def find(settings: Settings, name: str) -> Report:
    """The report of that name. Raises UsageError with the nearest names."""
    known = reports(settings)
    if name in known:
        return known[name]
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"There is no report {name!r}. {hint}`vend report` lists them all.")


def _models(folder: Path) -> list[dict[str, Any]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    models: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("_*.yml")):
        try:
            document = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506, a safe one
        except (OSError, yaml.YAMLError) as error:
            raise VendError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from None
        models += (document or {}).get("models") or []
    return models


def _docs(project: Path) -> dict[str, str]:
    """The blocks that descriptions share, by name."""
    block = re.compile(r"{%\s*docs\s+(\w+)\s*%}(.*?){%\s*enddocs\s*%}", re.DOTALL)
    texts = [path.read_text(encoding="utf-8") for path in sorted((project / "models").rglob("*.md"))]
    return {name: text for whole in texts for name, text in block.findall(whole)}


def _words(text: object, docs: Mapping[str, str]) -> str:
    """A description as dbt renders it, in one line."""
    whole = re.sub(r"""{{\s*doc\(['"](\w+)['"]\)\s*}}""", lambda match: docs.get(match[1], ""), str(text or ""))
    return " ".join(whole.split())


def _report(side: str, model: dict[str, Any], docs: Mapping[str, str]) -> Report:
    columns = model.get("columns") or []
    key = [column["name"] for column in columns if "unique" in (column.get("data_tests") or [])][:1]
    for test in model.get("data_tests") or []:
        if isinstance(test, dict) and (unique := test.get("dbt_utils.unique_combination_of_columns")):
            key = unique["arguments"]["combination_of_columns"]
    described = {column["name"]: _words(column.get("description"), docs) for column in columns}
    names = tuple(described)[:1]
    return Report(model["name"], side, _words(model.get("description"), docs), described, tuple(key) or names)

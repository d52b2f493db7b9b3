"""The catalog: both sides of the project in one page that needs no network, made of dbt's own documentation site.

dbt documents one target at a time. Here the manifests of both are put together, an edge leads from each operational
table to its copy in RAW, and freshness and owners are put where the page shows them.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from vend import dbt, docsite_state, figures, server
from vend.docsite_state import State
from vend.errors import UsageError, VendError
from vend.progress import say
from vend.settings import Settings

SIDES = ("hot", "cold")
PROJECT = "vend_analytics"
OVERVIEW = f"doc.{PROJECT}.__overview__"

# fmt: off
# What of a node goes into the page, which shows no more. Paths of this machine, hooks and clocks stay here.
SHOWN = (
    "access", "alias", "arguments", "attached_node", "column_name", "columns", "compiled_code", "constraints",
    "contract", "database", "depends_on", "description", "docs", "expect", "fqn", "given", "group", "identifier",
    "label", "language", "latest_version", "loader", "macro_sql", "maturity", "meta", "metrics", "model", "name",
    "original_file_path", "owner", "package_name", "path", "raw_code", "refs", "relation_name", "resource_type",
    "schema", "source_description", "source_meta", "source_name", "sources", "tags", "test_metadata", "type",
    "unique_id", "url", "version",
)
# fmt: on
SHOWN_CONFIG = ("access", "contract", "enabled", "group", "materialized", "meta", "tags", "unique_key")
KINDS = ("nodes", "sources", "exposures", "macros", "unit_tests")
UNUSED = ("metrics", "selectors", "disabled", "semantic_models", "saved_queries", "functions")
MARK = '<meta name="generator" content="vend docs"/>'
# dbt's page as it is shipped: its places for the data, and what would be asked of a server.
SLOTS = ('"MANIFEST.JSON INLINE DATA"', '"CATALOG.JSON INLINE DATA"')
# Its icons: a name that was never filled in, and addresses that are asked for before they are known.
MENDED = (
    (
        '<link rel="shortcut icon" href="${require(\'./assets/favicons/favicon.ico\')}"/>',
        '<link rel="icon" href="data:,"/>',
    ),
    (' xlink:href="{{', ' ng-attr-xlink:href="{{'),
    ("<head>", f"<head>{MARK}"),
    ("<title>dbt Docs</title>", "<title>Vend's warehouse</title>"),
)

Document = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """page: the file. missing: what is not there yet, in sentences."""

    page: Path
    missing: tuple[str, ...]


def publish(settings: Settings, out: Path) -> Published:
    """Write the page into the folder. Raises VendError where a side is there and cannot be read."""
    file = out / "index.html"
    if file.exists() and MARK not in file.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(f"{file} is not a page of `vend docs`, so it stays. Name another folder with --out.")
    with _alone(settings):
        return _published(settings, out, file)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One at a time: two would write dbt's manifests over each other. The second waits."""
    with (settings.make_home() / "docs.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another `vend docs` is at work in this state folder; waiting for it to end.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _published(settings: Settings, out: Path, file: Path) -> Published:
    state = docsite_state.read(settings)
    dsn = server.address(settings, settings.postgres_dsn)
    built = {"hot": bool(state.refreshed), "cold": bool(state.built)}
    documents = {}
    for side in SIDES:
        say(f"{side} side …")
        with figures.exclusively(settings) if side == "cold" and built[side] else nullcontext():
            manifest, found = dbt.document(settings, side, dsn if side == "hot" else None, types=built[side])
        for node, code in dbt.compiled(settings, side, manifest).items():
            manifest["nodes"][node]["compiled_code"] = code
        documents[side] = manifest, found
    text = page(documents, state)
    try:
        out.mkdir(parents=True, exist_ok=True)
        new = out / ".index.html.new"
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise VendError(f"{file} cannot be written ({error.strerror}). Name another folder with --out.") from None
    return Published(file, state.missing)


def page(documents: Mapping[str, tuple[Document, Document]], state: State) -> str:
    """The page's text. documents: dbt's manifest and catalog of each side."""
    manifest = merged([manifest for manifest, _ in documents.values()])
    manifest["docs"][OVERVIEW]["block_contents"] += state_section(state) + glossary(manifest)
    return filled(manifest, described(manifest, [found for _, found in documents.values()], state))


TABLES = ("model", "seed", "snapshot", "source")


def merged(manifests: Sequence[Document]) -> Document:
    """Both sides as one manifest, with what the page shows of it, and the way from each operational table to RAW."""
    whole: Document = {kind: {} for kind in (*KINDS, "docs", "groups")}
    for manifest in manifests:
        group = next(node["group"] for node in manifest["nodes"].values() if node.get("group"))
        for kind in KINDS:
            for name, node in manifest[kind].items():
                if node["package_name"] == PROJECT and node["resource_type"] != "operation":
                    whole[kind][name] = _shown(node, group)
        whole["docs"] |= {n: {k: doc[k] for k in DOC} for n, doc in manifest["docs"].items()}
        whole["groups"] |= {n: {k: group[k] for k in GROUP} for n, group in manifest["groups"].items()}
    for node in [node for kind in KINDS for node in whole[kind].values()]:
        needed = node.get("depends_on") or {}
        needed["macros"] = [name for name in needed.get("macros", ()) if name in whole["macros"]]
        node["depends_on"] = {"nodes": [], **needed}
    for name, copy in whole["sources"].items():
        origin = name.replace(".raw.", ".operational.")
        if origin != name and origin in whole["sources"]:
            copy["depends_on"]["nodes"] = [origin]
            copy["loader"] = "vend sync"
    everything = whole["nodes"] | whole["sources"] | whole["exposures"] | whole["unit_tests"]
    parents = {name: node["depends_on"]["nodes"] for name, node in everything.items()}
    children: dict[str, list[str]] = {name: [] for name in everything}
    for name, needs in parents.items():
        for parent in needs:
            children[parent].append(name)
    first = manifests[0]["metadata"]
    metadata = {name: first[name] for name in ("dbt_schema_version", "dbt_version", "project_name")}
    return {
        "metadata": {**metadata, "adapter_type": "postgres", "send_anonymous_usage_stats": False, "env": {}},
        **whole,
        **{kind: {} for kind in UNUSED},
        "parent_map": parents,
        "child_map": children,
    }


DOC = ("unique_id", "name", "package_name", "resource_type", "path", "original_file_path", "block_contents")
GROUP = ("unique_id", "name", "package_name", "resource_type", "path", "original_file_path", "owner", "description")


def _shown(node: Document, group: str) -> Document:
    kept = {name: value for name, value in node.items() if name in SHOWN}
    kept["config"] = {name: value for name, value in node.get("config", {}).items() if name in SHOWN_CONFIG}
    return {**kept, "owned_by": f"group.{PROJECT}.{group}"}  # seeds and sources have no group in dbt


def described(manifest: Document, catalogs: Iterable[Document], state: State) -> Document:
    """The catalogs as one: types as the database has them, the owner, and freshness as figures of the page."""
    whole: dict[str, dict[str, Document]] = {"nodes": {}, "sources": {}}
    for catalog in catalogs:
        for kind, entries in whole.items():
            entries.update({name: entry for name, entry in catalog[kind].items() if name in manifest[kind]})
    for kind, entries in whole.items():
        for name, node in manifest[kind].items():
            if node["resource_type"] not in TABLES:
                continue
            entry = entries.setdefault(name, _declared(node))
            entry["metadata"] = {"type": entry["metadata"]["type"], "owner": _owner(manifest, node)}
            stats = {label: stat for label, stat in entry["stats"].items() if stat.get("include")}
            entry["stats"] = stats | {label: _stat(label, value) for label, value in _facts(node, state)}
            for column in entry["columns"].values():
                column.pop("comment", None)
    return {"metadata": {}, **whole, "errors": None}


def _declared(node: Document) -> Document:
    """What a catalog would say of it, from the project alone."""
    kind = "table" if node["resource_type"] != "model" else node["config"]["materialized"].replace("_", " ")
    columns = {
        name: {"name": name, "type": column["data_type"], "index": place}
        for place, (name, column) in enumerate(node["columns"].items(), 1)
        if column.get("data_type")
    }
    return {"metadata": {"type": kind}, "columns": columns, "stats": {}}


def _owner(manifest: Document, node: Document) -> str:
    owner = manifest["groups"][node["owned_by"]]["owner"]
    return f"{owner['name']} <{owner['email']}>"


def _stat(label: str, value: str) -> Document:
    return {"id": label, "label": label, "value": value, "include": True, "description": f"{label}, UTC"}


def _facts(node: Document, state: State) -> Iterable[tuple[str, str]]:
    """Label and value of what is known of a relation's freshness."""
    if node["resource_type"] == "source":
        if node["source_name"] == "raw" and node["name"] in state.loaded:
            yield "Last loaded", _at(state.loaded.get(node["name"]))
        elif node["source_name"] == "operational":
            yield "Freshness", "live: the application writes here"
    elif node["path"].startswith("hot/"):
        if node["alias"] in state.refreshed:  # a summary is refreshed with the views that read it
            yield "Last refreshed", _at(state.refreshed[node["alias"]])
        if state.clock:
            yield "As of", f"{_at(state.clock)}, until a build without --as-of"
    elif built := state.built.get(node["unique_id"]):
        yield "Last built", _at(built[0])
        yield "As of", f"{built[1][:19]} UTC"


def state_section(state: State) -> str:
    """How the warehouse stands, for the start page."""
    lines = ["", "", "## How it stands", ""]
    lines.append(f"This page was made {_at(datetime.now(UTC))}. It does not change by itself.")
    lines += [
        "",
        *(
            f"- {sentence} Of that side this page has what the project declares, and no more."
            for sentence in state.missing
        ),
    ]
    if state.run:
        run = state.run
        where = f" at step {run['step']}" if run["status"] in ("error", "interrupted") else ""
        said = f"- The last `vend run` began {_at(run['at'])} and ended with {run['status']}{where}"
        said += f", as of {_at(run['as_of'])}." if run["as_of"] else "."
        if run["compared"] is not None:
            said += f" Hot and cold differed in {run['differing']:,} of {run['compared']:,} figures."
        if run["alerts"] is not None:
            said += f" Alerts open: {run['alerts']}."
        lines.append(said)
    if state.build:
        build = state.build
        lines.append(
            f"- The cold side was last built {_at(build['at'])}, as of {str(build['as_of'])[:19]} UTC: "
            f"{build['passed']} tests passed, {build['warned']} warned, {build['failed']} models or tests failed."
        )
    for what, moments in (("RAW was loaded", state.loaded), ("The hot views were refreshed", state.refreshed)):
        known = sorted({_at(at) for at in moments.values() if at})
        if known:
            lines.append(f"- {what} {known[0] if len(known) == 1 else f'between {known[0]} and {known[-1]}'}.")
    return "\n".join(lines) + "\n"


def glossary(manifest: Document) -> str:
    """The definitions that several figures share, as columns quote them."""
    docs = [doc for doc in manifest["docs"].values() if doc["package_name"] == PROJECT]
    lines = ["", "## Definitions", ""]
    for doc in docs:
        if not doc["name"].startswith("__"):
            lines += [f"**{doc['name'].replace('_', ' ')}** – {' '.join(doc['block_contents'].split())}", ""]
    return "\n".join(lines)


def filled(manifest: Document, catalog: Document) -> str:
    """dbt's page with the data inside."""
    page = (resources.files("dbt.task.docs") / "index.html").read_text(encoding="utf-8")
    for slot, data in zip(SLOTS, (manifest, catalog), strict=True):
        if page.count(slot) != 1:
            raise VendError("dbt's page is of another make than this knows. Report it, with dbt's version.")
        # "</script" would end the script, and what MENDED looks for is the page's own
        page = page.replace(slot, json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c"))
    for shipped, ours in MENDED:
        page = page.replace(shipped, ours)
    return page


def default_folder(settings: Settings) -> Path:
    return settings.home / "docs"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"

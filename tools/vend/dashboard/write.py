"""Writes the pages into a folder, as HTML, as pictures or as the tables behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vend.dashboard import page as pages
from vend.dashboard.page import Page
from vend.errors import VendError
from vend.progress import Progress
from vend.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Written:
    """files: of the pages asked for. start: where to begin reading."""

    folder: Path
    files: list[Path]
    start: Path


def write(
    settings: Settings,
    dsn: str,
    out: Path,
    *,
    garage: str | None = None,
    user: str | None = None,
    form: str = "html",
    progress: Progress | None = None,
) -> Written:
    """The pages that the user may see: one per garage, and the platform's for who sees all; or one garage's.

    dsn: the hot side's. Raises DeniedError for what the user may not see; VendError where a side is not built, a
    library or a browser is missing, or the folder cannot be written.
    """
    from vend.dashboard import executive, read
    from vend.dashboard import garage as garages

    _needed()
    found = read.read(settings, dsn, garage=garage, user=user, currency=_reporting_currency(settings))
    made = datetime.now(UTC).replace(tzinfo=None)
    ending = "html" if form == "csv" else form
    links = {each.id: f"garage-{each.id}.{ending}" for each in found.garages}
    _make(out)
    files: list[Path] = []
    if found.platform is not None:
        files += _put(executive.page(found.platform, found.cold, links, found.hot.zone, made), out, form)
    for at, each in enumerate(found.garages):
        if progress:
            progress("garages", at, len(found.garages))
        files += _put(garages.page(each, found.hot, found.cold, made), out, form)
    if progress:
        progress("garages", len(found.garages), len(found.garages))
    if garage is not None or form == "csv":
        return Written(out, files, files[0])
    index = Page("index", "index.html", "Vend dashboards", _index(found, links, ending, made), [])
    return Written(out, files, _put(index, out, form)[0])


def _put(page: Page, out: Path, form: str) -> list[Path]:
    """The files of one page."""
    if form == "csv":
        from vend import report_print
        from vend.reader import Table

        files = []
        for table in page.tables:
            file = out / f"{page.name}-{table.name}.csv"
            _save(file, report_print.as_csv(Table(*table.values())).encode())
            files.append(file)
        return files
    text = html(page)
    if form == "png":
        from vend.dashboard import picture

        file = out / f"{page.name}.png"
        picture.take(text, file)
        return [file]
    file = out / f"{page.name}.html"
    _save(file, text.encode())
    return [file]


def html(page: Page) -> str:
    """The page as one file that needs no other."""
    return str(_environment().get_template(page.template).render(page=page, style=_style(), **page.context))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    from vend.dashboard import words

    environment.globals |= {"dash": pages.dash, "cents_apart": pages.cents_apart, "words": words}
    return environment


@cache
def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def _index(found: Any, links: dict[str, str], ending: str, made: datetime) -> dict[str, Any]:
    from vend.dashboard import words

    return {
        "executive": f"executive.{ending}" if found.platform else None,
        "garages": [(each, links[each.id]) for each in found.garages],
        "hot_stamp": pages.hot_stamp(found.hot),
        "cold_stamp": pages.cold_stamp(found.cold, found.hot.zone),
        "warnings": pages.warnings(found.hot, found.cold, found.hot.zone, made),
        "made": words.at(made, found.hot.zone),
        "user": found.user,
        "count": words.plural(len(found.garages), "garage"),
    }


def _reporting_currency(settings: Settings) -> str:
    """The dbt var: the currency of a garage that has never been paid."""
    project = yaml.safe_load((settings.project / "dbt_project.yml").read_text(encoding="utf-8"))
    return str(project["vars"]["reporting_currency"])


def _needed() -> None:
    try:
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise VendError(
            f"Dashboards need the extra `dashboard` of this package ({error.name} is missing). Install it with "
            ".venv/bin/python -m pip install 'vend-analytics[dashboard]', or all of this project with `make setup`."
        ) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VendError(f"The folder {folder} cannot be made ({error.strerror}). Name another with --out.") from None


def _save(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise VendError(f"{file} cannot be written ({error.strerror}). Name another folder with --out.") from None


def relative(files: Sequence[Path]) -> list[str]:
    """As one would type them here."""
    here = Path.cwd()
    return [str(file.relative_to(here)) if file.is_relative_to(here) else str(file) for file in files]

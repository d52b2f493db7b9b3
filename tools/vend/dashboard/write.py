"""Writes the pages into a folder, as HTML, as pictures or as the tables behind them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from vend.dashboard import page as pages
from vend.dashboard.page import Page
from vend.errors import VendError
from vend.progress import Progress
from vend.reader import DeniedError
from vend.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"
LEDGER = ".vend-dashboards"
"""In the folder: who the pages are for, and their names."""
MARK = b'<meta name="generator" content="vend dashboard">'
"""In the head of each page."""
NAME = re.compile(r"(?:index|executive|garage)[\w-]*\.(?:html|png|csv)")


@dataclass(frozen=True)
class Written:
    """files: of the pages asked for. start: where to begin reading."""

    folder: Path
    files: list[Path]
    start: Path


def write(
    settings: Settings,
    dsn: str,
    out: Path | None = None,
    *,
    garage: str | None = None,
    platform: bool | None = None,
    user: str | None = None,
    form: str = "html",
    progress: Progress | None = None,
) -> Written:
    """The pages that the user may see: one per garage, and the platform's for who sees all; or one garage's.

    dsn: the hot side's. out: the folder, else one in VEND_HOME, the user's own. platform: whether to write that page
    too, where the user may see it; without a garage it is written. Raises DeniedError for what the user may not see;
    VendError where a side is not built, a library or a browser is missing, or the folder cannot be written.
    """
    from vend.dashboard import executive, read
    from vend.dashboard import garage as garages

    _needed(form)
    whole = garage is None if platform is None else platform
    currency = _reporting_currency(settings)
    try:
        found = read.read(settings, dsn, garage=garage, platform=whole, user=user, currency=currency)
    except DeniedError:
        if user is not None and garage is None:
            _forget(out or _usual(settings, user.strip()), user)
        raise
    made = datetime.now(UTC).replace(tzinfo=None)
    ending = "html" if form == "csv" else form
    links = {each.id: f"garage-{each.id}.{ending}" for each in found.garages}
    folder = _folder(out or _usual(settings, found.user))
    stems = [f"garage-{each.id}" for each in found.garages]
    stems += ["executive"] * (found.platform is not None) + ["index"] * (garage is None and form != "csv")
    _refuse_foreign(folder, stems, form)
    _clear(folder, found.user, whole=garage is None)
    files: list[Path] = []
    if found.platform is not None:
        files += _put(executive.page(found.platform, found.hot, found.cold, links, made), folder, form, found.user)
    for at, each in enumerate(found.garages):
        if progress:
            progress("garages", at, len(found.garages))
        files += _put(garages.page(each, found.hot, found.cold, made), folder, form, found.user)
    if progress:
        progress("garages", len(found.garages), len(found.garages))
    if garage is None and form != "csv":
        index = Page("index", "index.html", "Vend dashboards", _index(found, links, ending, made), [])
        files = _put(index, folder, form, found.user) + files
    return Written(folder, files, files[0])


def _usual(settings: Settings, user: str | None) -> Path:
    return settings.make_home() / "dashboards" / (re.sub(r"[^\w.@+-]", "_", user) if user else "")


def _ledger(folder: Path) -> tuple[str, list[str]] | None:
    """Who the pages in the folder are for, and their names; None where there is no such word."""
    try:
        reader, *names = (folder / LEDGER).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise VendError(
            f"{folder / LEDGER} cannot be read ({error.strerror}), so whose pages lie there is not known. "
            "Remove it, or name another folder with --out."
        ) from None
    return reader, [name for name in names if NAME.fullmatch(name)]


def _refuse_foreign(folder: Path, stems: Sequence[str], form: str) -> None:
    """Raises VendError where a file that would be written is there and is somebody else's."""
    _, ours = _ledger(folder) or ("", [])
    for stem in stems:
        for file in folder.glob(f"{stem}-*.csv") if form == "csv" else [folder / f"{stem}.{form}"]:
            if file.name not in ours and os.path.lexists(file) and not (form == "html" and _is_page(file)):
                raise VendError(
                    f"{file} is there and was not written by `vend dashboard`. "
                    "Move it away, or name another folder with --out."
                )


def _is_page(file: Path) -> bool:
    try:
        with file.open("rb") as page:
            return MARK in page.read(1000)
    except OSError:
        return False


def _clear(folder: Path, user: str | None, whole: bool) -> None:
    """Take away what was written here before, for somebody else or of what the reader may see no longer.

    Only the operator, who sees all, adds a garage's page to the others (whole: not that alone).
    """
    known = _ledger(folder)
    if known is None or (user is None and not known[0] and not whole):
        return
    for name in (*known[1], LEDGER):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise VendError(
                f"{folder / name} is of an earlier time and cannot be removed ({error.strerror}). "
                "Remove it, or name another folder with --out."
            ) from None


def _forget(folder: Path, user: str) -> None:
    """Who sees nothing any more keeps no pages either."""
    known = _ledger(folder)
    if known and known[0].lower() == user.strip().lower():
        _clear(folder, user, whole=True)


def _sign(folder: Path, user: str | None, files: Sequence[Path]) -> None:
    """Leave word of who these pages are for."""
    _, before = _ledger(folder) or ("", [])
    names = sorted({*before, *(file.name for file in files)})
    _save(folder / LEDGER, "\n".join([user or "", *names]).encode())


def _put(page: Page, out: Path, form: str, user: str | None) -> list[Path]:
    """The files of one page. The ledger has them first, so that those of a run that was killed are known too."""
    if form == "csv":
        from vend import report_print
        from vend.reader import Table

        files = [out / f"{page.name}-{table.name}.csv" for table in page.tables]
        _sign(out, user, files)
        for file, table in zip(files, page.tables, strict=True):
            _save(file, report_print.as_csv(Table(*table.values())).encode())
        return files
    text = html(page)
    file = out / f"{page.name}.{form}"
    _sign(out, user, [file])
    if form == "png":
        from vend.dashboard import picture

        picture.take(text, file)
    else:
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
        "hot_stamp": pages.hot_stamp(found.hot, found.hot.oldest),
        "cold_stamp": pages.cold_stamp(found.cold, found.hot.zone),
        "warnings": pages.warnings(found.hot, found.cold, made),
        "made": words.at(made, found.hot.zone),
        "user": found.user,
        "count": words.plural(len(found.garages), "garage"),
    }


def _reporting_currency(settings: Settings) -> str:
    """The dbt var: the currency of a garage that has never been paid."""
    project = yaml.safe_load((settings.project / "dbt_project.yml").read_text(encoding="utf-8"))
    return str(project["vars"]["reporting_currency"])


def _needed(form: str) -> None:
    """Say what is missing before anything is read."""
    if find_spec("vl_convert") is None:
        raise VendError(
            "Dashboards need the extra `dashboard` of this package (vl_convert is missing). Install it with "
            ".venv/bin/python -m pip install -e '.[dashboard]', or all of this project with `make setup`."
        )
    if form == "png":
        from vend.dashboard import picture

        picture.browser()


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VendError(f"The folder {folder} cannot be made ({error.strerror}). Name another with --out.") from None
    return folder


def _save(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise VendError(f"{file} cannot be written ({error.strerror}). Name another folder with --out.") from None

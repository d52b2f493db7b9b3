"""The tables of RAW as the dbt source file declares them: the one place that names their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vend.errors import VendError
from vend.settings import Settings

FILE = "models/cold/staging/_raw__sources.yml"
SYNCED = "_fivetran_synced"
DELETED = "_fivetran_deleted"


@dataclass(frozen=True)
class Column:
    """type: varchar, integer, decimal(p,s), boolean, timestamp (naive, UTC, microseconds) or json."""

    name: str
    type: str


@dataclass(frozen=True)
class Table:
    """columns: those of the source, in order, without the two the sync adds. cursor: None where no column
    tells when a row changed."""

    name: str
    columns: tuple[Column, ...]
    key: str
    cursor: str | None

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


def tables(settings: Settings) -> list[Table]:
    """The tables of RAW, in the file's order. Raises VendError where the file is missing or incomplete."""
    import yaml

    path = settings.project / FILE
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where PyYAML has it
        document = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506
        raw = next(source for source in document["sources"] if source["name"] == "raw")
        return [_table(entry) for entry in raw["tables"]]
    except OSError as error:
        raise VendError(f"{path} cannot be read ({error.strerror}). Restore it from the repository.") from None
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, ValueError) as error:
        raise VendError(f"{path} does not declare RAW as the sync needs it ({error!r}). Mend it.") from None


def _table(entry: dict[str, Any]) -> Table:
    meta = entry["config"]["meta"]
    columns = tuple(
        Column(column["name"], column["data_type"])
        for column in entry["columns"]
        if column["name"] not in (SYNCED, DELETED)
    )
    table = Table(entry["name"], columns, meta["key"], meta.get("cursor"))
    for name in (table.key, table.cursor):
        if name is not None and name not in table.names:
            raise ValueError(f"{table.name}.{name} is no column")
    if meta["guard"] != "xmin":
        raise ValueError(f"guard of {table.name} is not xmin")
    return table

"""The environment, read once. Every path and address the tool uses comes from here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vend.errors import UsageError, VendError

WAREHOUSES = ("duckdb", "snowflake")
ALERTING = ("VEND_ALERT_WEBHOOK", "VEND_ALERT_WEBHOOK_FORMAT", "VEND_SMTP_URL", "VEND_ALERT_FROM")


@dataclass(frozen=True)
class Settings:
    """The values in force.

    project: folder with dbt_project.yml. home: state folder. postgres_dsn: the hot side, None for the
    embedded server. source_dsn: what sync reads, None for the same database as the hot side. snowflake: the
    SNOWFLAKE_* variables that are set, a password perhaps among them. alerting: likewise those of `vend check`;
    metabase: METABASE_*.
    """

    project: Path
    home: Path
    postgres_dsn: str | None = field(repr=False)
    source_dsn: str | None = field(repr=False)
    warehouse: str
    duckdb_path: Path
    snowflake: Mapping[str, str] = field(default_factory=dict, repr=False)
    alerting: Mapping[str, str] = field(default_factory=dict, repr=False)
    metabase: Mapping[str, str] = field(default_factory=dict, repr=False)

    def make_home(self) -> Path:
        """The state folder, created if need be. Raises VendError where it cannot be written."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o755)
            ignore = self.home / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise self._unwritable(error.strerror) from None
        if not os.access(self.home, os.W_OK | os.X_OK):
            raise self._unwritable("permission denied")
        return self.home

    def _unwritable(self, reason: str | None) -> VendError:
        return VendError(
            f"The state folder {self.home} cannot be written ({reason}). "
            "Set VEND_HOME to a folder you own, or mend its permissions."
        )


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment. Raises UsageError for a value that is not one of those allowed."""
    project = _project_folder()
    home = _path(environ.get("VEND_HOME"), project / ".vend")
    warehouse = environ.get("VEND_WAREHOUSE") or "duckdb"
    if warehouse not in WAREHOUSES:
        raise UsageError(f"VEND_WAREHOUSE is {warehouse!r}; it must be one of: {', '.join(WAREHOUSES)}.")
    return Settings(
        project=project,
        home=home,
        postgres_dsn=environ.get("VEND_POSTGRES_DSN") or None,
        source_dsn=environ.get("VEND_SOURCE_DSN") or None,
        warehouse=warehouse,
        duckdb_path=_path(environ.get("VEND_DUCKDB_PATH"), home / "vend_analytics.duckdb"),
        snowflake={name: value for name, value in environ.items() if name.startswith("SNOWFLAKE_") and value},
        alerting={name: environ[name] for name in ALERTING if environ.get(name)},
        metabase={name: value for name, value in environ.items() if name.startswith("METABASE_") and value},
    )


def _path(value: str | None, default: Path) -> Path:
    return Path(value).expanduser().absolute() if value else default


def _project_folder() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    for folder in (checkout, Path.cwd(), *Path.cwd().parents):
        if (folder / "dbt_project.yml").is_file() and (folder / "models" / "cold").is_dir():
            return folder
    raise VendError("No vend_analytics project here: run this in its checkout, the folder with dbt_project.yml.")

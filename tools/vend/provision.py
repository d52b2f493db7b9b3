"""What an empty Snowflake account needs before the first sync: `dbt run-operation provision`, with its public keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from vend import dbt
from vend.errors import UsageError
from vend.settings import Settings

NEEDED = ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY_FILE")


def provision(settings: Settings, *, dry_run: bool, monitor: bool, public_keys: Mapping[str, Path]) -> str:
    """The statements, run in this order unless dry_run. public_keys: user → PEM file.

    Raises UsageError for a file that is no public key and for missing settings, VendError with Snowflake's own words.
    """
    if not dry_run and (missing := [name for name in NEEDED if not os.environ.get(name)]):
        raise UsageError(
            f"Provisioning needs {', '.join(missing)} of an administrator. Set them and rerun, or read the statements "
            "with --dry-run."
        )
    # else the profile's role, which does not exist yet
    role = {"SNOWFLAKE_ROLE": settings.snowflake.get("SNOWFLAKE_ROLE", "ACCOUNTADMIN")}
    keys = {user: _key(path) for user, path in public_keys.items()}
    return dbt.operation(
        settings, "provision", side="cold", environ=role, dry_run=dry_run, monitor=monitor, public_keys=keys
    )


def _key(path: Path) -> str:
    """The base64 text of a public key's PEM file, in one line, as Snowflake wants it."""
    try:
        lines = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError):
        lines = []
    key = "".join(line.strip() for line in lines if not line.startswith("-----"))
    if "-----BEGIN PUBLIC KEY-----" not in lines or not re.fullmatch(r"[A-Za-z0-9+/]{100,}={0,2}", key):
        raise UsageError(
            f"{path} is no public key in PEM form. Write one: openssl rsa -in rsa_key.p8 -pubout -out rsa_key.pub;"
        )
    return key

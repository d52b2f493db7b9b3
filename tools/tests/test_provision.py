"""What `vend provision` sends to Snowflake: parsed twice, compared with the golden file, executed nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import planted
import pytest
import sqlglot
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from snowflake_rules import parsers
from vend import dbt

PROJECT = Path(__file__).resolve().parents[2]
VEND = Path(sys.executable).with_name("vend")
GOLDEN = Path(__file__).parent / "golden" / "provision.sql"
SCHEMAS = ("raw", "staging", "marts", "reports", "ops", "security")


def vend(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VEND_", "PG", "SNOWFLAKE_", "DBT_"))}
    command = [str(VEND), "provision", *arguments]
    environ = {**kept, "VEND_HOME": str(home), **environment}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public key's PEM file."""
    file = tmp_path_factory.mktemp("key") / "rsa_key.pub"
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    file.write_bytes(public.public_bytes(encoding, form))
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An administrator's settings, whose passphrase is wrong, at an address where nobody is."""
    file = tmp_path_factory.mktemp("key") / "rsa_key.p8"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"another")
    file.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, locked))
    given = {"ACCOUNT": "acme", "USER": "boss", "HOST": "127.0.0.1", "PORT": "1", "PRIVATE_KEY_FILE": str(file)}
    given |= {"PASSWORD": planted.SNOWFLAKE, "PRIVATE_KEY_FILE_PWD": planted.PASSPHRASE}
    return {f"SNOWFLAKE_{name}": value for name, value in given.items()}


@pytest.fixture(scope="module")
def printed(home: Path, login: dict[str, str], key: Path) -> str:
    """What a dry run prints; the key, which chance made, is called KEY."""
    arguments = ["--dry-run", "--monitor", "--public-key", "vend_dbt", str(key)]
    finished = vend(home, *arguments, **login)
    assert finished.returncode == 0, finished.stderr
    body = "".join(key.read_text().splitlines()[1:-1])
    assert finished.stdout.count(body) == 1
    return finished.stdout.replace(body, "KEY")


@pytest.fixture(scope="module")
def statements(printed: str) -> list[str]:
    return [" ".join(part.split()) for part in printed.split(";\n") if part.strip()]


def test_the_statements_are_those_of_the_golden_file(printed: str) -> None:
    if os.environ.get("VEND_WRITE_GOLDEN"):
        GOLDEN.write_text(printed)
    assert printed == GOLDEN.read_text()


def test_every_statement_is_parsed(statements: list[str]) -> None:
    """sqlfluff knows all of them; sqlglot takes users, warehouses and monitors as they are, without a look inside."""
    assert len(statements) > 60
    for statement in statements:
        assert parsers.objections(statement) == [], statement
        kind = sqlglot.parse_one(statement, dialect="snowflake")
        if re.match(r"create (database|schema|warehouse)|grant (usage|create)[^;]* on |use ", statement):
            assert not isinstance(kind, sqlglot.exp.Command), statement


def test_no_role_has_more_than_it_needs(statements: list[str]) -> None:
    granted: dict[str, set[str]] = {}
    for statement in statements:
        if found := re.fullmatch(r"grant (.*) on (.*) to role (\w+)", statement):
            granted.setdefault(found[3], set()).add(f"{found[1]} on {found[2].replace('VEND_ANALYTICS', 'db')}")
    everyone = {"usage on database db"}
    assert granted["vend_loader"] == everyone | {
        "usage on warehouse etl_wh",
        "usage, create table on schema db.raw",
        "usage, create table, create stage on schema db.ops",
    }
    assert granted["garage_admin"] == everyone | {"usage on warehouse bi_wh", "usage on schema db.reports"}
    analyst, transformer = granted["vend_analyst"], granted["vend_transformer"]
    assert {grant for grant in analyst if not grant.startswith(("usage", "select"))} == set()
    assert {schema for schema in SCHEMAS if any(f"db.{schema}" in grant for grant in analyst)} == {"marts", "reports"}
    assert {grant for grant in transformer if "create" in grant} == {
        *(f"usage, create table, create view on schema db.{schema}" for schema in ("staging", "marts", "reports")),
        "usage, create view on schema db.security",
        # what a build leaves of itself: ops.dbt_runs, ops.dbt_nodes
        "create table on schema db.ops",
    }
    assert not any(" all privileges" in s or "ownership" in s or " on account" in s for s in statements)
    roles = {
        tuple(statement.split()[2::3]) for statement in statements if re.match(r"grant role \w+ to role", statement)
    }
    assert {role for role, to in roles if to == "vend_app"} == {"garage_admin"}
    assert {to for role, to in roles if role == "vend_app"} == {"sysadmin"}
    assert set(granted) == {"vend_loader", "vend_transformer", "vend_analyst", "garage_admin"}


def test_it_can_be_rerun_and_takes_nothing_away(statements: list[str]) -> None:
    for statement in statements:
        assert re.match(r"use|grant|alter|create \w+( \w+)? if not exists", statement), statement


def test_only_the_monitor_needs_accountadmin(statements: list[str]) -> None:
    roles = [statement.split()[-1] for statement in statements if statement.startswith("use role")]
    assert roles.index("accountadmin") == len(roles) - 1
    first = next(i for i, statement in enumerate(statements) if statement.endswith("accountadmin"))
    assert all("monitor" in s or "grant database role" in s for s in statements[first + 1 :])


def test_the_profile_uses_what_is_provisioned(statements: list[str]) -> None:
    profile = yaml.safe_load((PROJECT / "profiles.yml.example").read_text())["vend_analytics"]["outputs"]["cold"]
    defaults = {name: re.search(r"env_var\('\w+', '(\w+)'\)", str(profile[name])) for name in profile}
    user = next(s for s in statements if s.startswith("alter user vend_dbt set type"))
    for name in ("role", "warehouse"):
        found = defaults[name]
        assert found
        assert f"default_{name} = {found[1].lower()} " in user
    assert defaults["database"]
    assert f"create database if not exists {defaults['database'][1]}" in statements


@pytest.mark.usefixtures("printed")
def test_a_key_that_cannot_be_opened_is_not_shown(home: Path, login: dict[str, str]) -> None:
    """Nor is its passphrase: by us, by dbt, in its log or in what it keeps."""
    finished = vend(home, **login)
    assert finished.returncode == 1
    assert planted.leaks(finished.stdout + finished.stderr) == []
    kept = [file for file in home.rglob("*") if file.is_file()]
    assert "dbt.log" in {file.name for file in kept}
    assert {str(file): leaks for file in kept if (leaks := planted.leaks(file.read_bytes()))} == {}


def test_what_is_wrong_is_said(tmp_path: Path, key: Path) -> None:
    finished = vend(tmp_path)
    assert finished.returncode == 2
    assert "needs SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, SNOWFLAKE_PRIVATE_KEY_FILE of an administrator" in finished.stderr
    secret = tmp_path / "rsa_key.p8"
    secret.write_text(key.read_text().replace("PUBLIC", "PRIVATE"))
    finished = vend(tmp_path, "--dry-run", "--public-key", "vend_dbt", str(secret))
    assert finished.returncode == 2
    assert "is no public key in PEM form" in finished.stderr
    assert vend(tmp_path, "--dry-run", "--public-key", "somebody", str(key)).returncode == 2


def test_a_refused_statement_is_named() -> None:
    output = (
        "use role useradmin;\ncreate role if not exists a\n    comment = 'b';\n\x1b[0m10:29:21  Encountered an error"
    )
    assert dbt._last_printed(output) == "create role if not exists a comment = 'b';"
    assert dbt._last_printed("10:29:21  Encountered an error while running operation") == ""

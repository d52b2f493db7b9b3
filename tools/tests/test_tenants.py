"""No tenant sees another's row: every attack as every identity on every relation, and proof that a leak is noticed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import attacks
import psycopg
import pytest
import tenants
import tenants_broken
from conftest import PROJECT
from psycopg import conninfo
from psycopg_pool import ConnectionPool
from tenants import Identity, World

PLACEHOLDER = dict.fromkeys(("plain", "one", "two", "revoked", "super", "leftover"), tenants.UNKNOWN)
NAMES = [identity.name for identity in tenants.identities(PLACEHOLDER)]


@pytest.fixture(scope="module")
def world(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = tenants.setting_up(tmp_path_factory.mktemp("tenants"), make_database())
    yield world
    world.close()


def identity(world: World, name: str) -> Identity:
    return next(found for found in tenants.identities(world.people) if found.name == name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("relation", attacks.relations())
def test_nothing_leaks(world: World, relation: str, name: str) -> None:
    who = identity(world, name)
    wrong = {attack: attacks.verdict(world, relation, who, attack) for attack in attacks.attacks_on(relation, who)}
    assert not any(wrong.values()), {attack: words for attack, words in wrong.items() if words}


def test_there_is_something_to_see_and_something_to_hide(world: World) -> None:
    """Else the attacks would prove nothing."""
    for relation in attacks.relations():
        if relation in ("authz.login_user", "hot.refresh_log"):
            continue
        everything = len(world.rows[relation])
        closed = relation in tenants.CLOSED
        for name in ("one", "two", "leftover", "bi one"):
            seen = tenants.may_see(world, relation, identity(world, name)).total()
            hidden = closed or (relation.startswith("public.") and name == "bi one")
            assert (seen == 0) if hidden else (0 < seen < everything), (relation, name)
    assert tenants.may_see(world, "public.payments", identity(world, "plain")).total() > 0
    assert (
        sum(len(attacks.attacks_on(r, i)) for r in attacks.relations() for i in tenants.identities(world.people)) > 300
    )


def test_the_catalog_has_nothing_open(world: World) -> None:
    assert attacks.inventory(world) == []


def test_each_broken_barrier_is_noticed(world: World, server_dsn: str) -> None:
    """Copies of the database are broken, each in another way; the attacks on the relation must object."""
    unnoticed = []
    template = str(conninfo.conninfo_to_dict(world.dsn)["dbname"])
    copy = f"{template}_broken"
    world.close()
    with psycopg.connect(server_dsn, autocommit=True) as server:
        roles = [name for (name,) in server.execute("select rolname from pg_roles")]
        for broken in tenants_broken.every(world.people["owner"], roles):
            server.execute(f"create database {copy} template {template}".encode())
            there = replace(world, dsn=conninfo.make_conninfo(world.dsn, dbname=copy), sessions={})
            try:
                with psycopg.connect(there.dsn) as owner:
                    for statement in broken.statements.values():
                        owner.execute(statement.encode())
                unnoticed += [
                    f"{relation} {broken.name}" for relation in broken.statements if not objection(there, relation)
                ]
            finally:
                there.close()
                if broken.undo:
                    server.execute(broken.undo.encode())
                server.execute(f"drop database {copy} with (force)".encode())
    assert unnoticed == []


def objection(world: World, relation: str) -> str:
    """The first thing the attacks find wrong."""
    if relation == "authz":
        return " ".join(attacks.inventory(world))
    for who in tenants.identities(world.people):
        for attack in attacks.attacks_on(relation, who):
            if words := attacks.verdict(world, relation, who, attack):
                return f"{who.name}, {attack}: {words}"
    return ""


# --------------------------------------------------------------------------------------- the way in


def garages_seen(connection: psycopg.Connection[Any]) -> set[str]:
    return {str(row[0]) for row in connection.execute("select garage_id from reporting.mv_current_occupancy")}


def test_an_identity_that_is_no_uuid_is_an_error_and_none_is_nobody(world: World) -> None:
    session = attacks.Session(world, identity(world, "none"))
    for setting in ("garbage", "1", tenants.UNKNOWN + "0"):
        garbage = replace(session.identity, setting=setting)
        with pytest.raises(psycopg.errors.InvalidTextRepresentation), session.request(garbage):
            session.run("select * from reporting.mv_daily_revenue")
    for setting in ("", tenants.UNKNOWN):
        with session.connection.transaction():
            session.run("select set_config('app.current_user_id', %s, true)", [setting])
            assert session.texts("select t::text from reporting.mv_daily_revenue as t") == []


def test_the_owner_sees_all_until_it_takes_a_tenants_role(world: World) -> None:
    with psycopg.connect(world.dsn) as owner:
        everything = len(world.rows["reporting.mv_current_occupancy"])
        assert len(garages_seen(owner)) == everything
        for role in ("vend_app", "vend_bi"):
            owner.execute(f"set role {role}")
            assert garages_seen(owner) == set()
        owner.execute("set role vend_app")
        owner.execute("select set_config('app.current_user_id', %s, true)", [world.people["two"]])
        assert len(garages_seen(owner)) == 2


def test_revocation_works_at_once(world: World) -> None:
    """On connections that are open already, and in statements planned already."""
    session = attacks.Session(world, identity(world, "two"))
    bound = attacks.Session(world, identity(world, "bi super"))
    count = "select count(distinct garage_id) from reporting.mv_daily_revenue"
    session.run(f"prepare held as {count}")
    bound.run(f"prepare held as {count}")

    def seen() -> tuple[int, int]:
        with session.request():
            theirs = session.run("execute held").fetchone()[0]
        return theirs, bound.run("execute held").fetchone()[0]

    assert seen() == (2, 8)
    with psycopg.connect(world.dsn, autocommit=True) as owner:
        rows = owner.execute(
            "delete from garage_admins where id = (select min(id::text)::uuid from garage_admins where user_id = %s)"
            " returning id, user_id, garage_id, assigned_by, assigned_at, permissions, created_at",
            [world.people["two"]],
        ).fetchall()
        owner.execute("update users set role = 'garage_admin' where id = %s", [world.people["super"]])
        try:
            assert seen() == (1, 0)
            owner.execute("delete from authz.login_user where login = 'bi_super'")
            owner.execute("update users set role = 'super_admin' where id = %s", [world.people["super"]])
            assert seen() == (1, 0)
        finally:
            owner.execute("update users set role = 'super_admin' where id = %s", [world.people["super"]])
            binding = "insert into authz.login_user values ('bi_super', %s) on conflict do nothing"
            owner.execute(binding, [world.people["super"]])
            owner.execute("insert into garage_admins values (%s, %s, %s, %s, %s, %s, %s)", rows[0])
    assert seen() == (2, 8)


def test_the_example_for_the_application(world: World) -> None:
    """As in docs/tenants.md: many users over few connections, also after an error; SET without LOCAL would leak."""
    spec = importlib.util.spec_from_file_location("application", PROJECT / "examples" / "application.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    who = identity(world, "two")
    with ConnectionPool(tenants.dsn_of(world, who), min_size=1, max_size=1, open=True) as pool:
        for _ in range(2):
            for kind, garages in (("two", 2), ("one", 1), ("plain", 0), ("super", 8)):
                user = UUID(world.people[kind])
                assert len(example.todays_revenue(pool, user)) == garages
                theirs = [row for row in world.source("subscriptions") if row["user_id"] == world.people[kind]]
                assert len(example.my_subscriptions(pool, user)) == len(theirs)
                with suppress(psycopg.errors.DivisionByZero), example.acting_for(pool, user) as connection:
                    connection.execute("select 1 / 0")
                with pool.connection() as connection:
                    assert garages_seen(connection) == set()
    printed = subprocess.run(
        [sys.executable, "examples/application.py", tenants.dsn_of(world, who), world.people["two"]],
        cwd=PROJECT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    names = {row["garage_name"] for row, text in world.rows["reporting.mv_daily_revenue"] if text in may_see_two(world)}
    assert all(name[:30] in printed for name in names)


def may_see_two(world: World) -> Counter[str]:
    return tenants.may_see(world, "reporting.mv_daily_revenue", identity(world, "two"))


def test_an_application_that_forgets_local_is_noticed(world: World) -> None:
    who = identity(world, "one")
    for attack in ("pool after commit", "pool after an error"):
        relation = "reporting.mv_daily_revenue"
        assert attacks.verdict(world, relation, who, attack) == ""
    words = attacks.verdict(world, "reporting.mv_daily_revenue", who, "pool after commit", careless=True)
    assert "sees what the one before saw" in words

"""Who may see what of the hot side and the operational tables, worked out in plain Python from the source rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from conftest import settings_in
from psycopg import conninfo

from vend import dbt, source

Row = dict[str, Any]
Connection = psycopg.Connection[Any]

VIEWS = (
    "mv_daily_revenue",
    "mv_active_subscriptions",
    "mv_current_month_metrics",
    "mv_current_occupancy",
    "mv_failed_payments",
)
TABLES = (
    "users",
    "garages",
    "passes",
    "subscriptions",
    "payments",
    "pass_price_history",
    "garage_admins",
    "parked",
    "garage_daily_occupancy",
)
# made by the owner after the barriers were put up, without a word about access
NEW = ("public.new_table", "hot.new_view", "reporting.new_view", "reporting.new_table")
CLOSED = ("hot.mv_daily_revenue", "hot.mv_failed_payments", "hot.refresh_log", "authz.login_user", *NEW)

PASSWORD = "quiet"  # asked for by a real server, and not by the embedded one
UNKNOWN = "00000000-0000-4000-8000-000000000000"
# what may stand in a message and tell of a row
TELLING = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[\w.+-]+@[\w.-]+\w")


@dataclass(frozen=True)
class Identity:
    """How somebody comes in. setting: of app.current_user_id; user: who that makes them, None for nobody."""

    name: str
    login: str
    setting: str | None = None
    user: str | None = None
    # a superuser who took the role of the application, and can take others
    took_role: bool = False

    @property
    def is_application(self) -> bool:
        return not self.login.startswith("bi_")


@dataclass
class World:
    """One database with its rows as its owner sees them. rows: relation → (row, its text) each."""

    dsn: str
    people: dict[str, str]
    rows: dict[str, list[tuple[Row, str]]] = field(default_factory=dict)
    sessions: dict[str, Connection] = field(default_factory=dict)
    allowed_texts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    foreign_words: dict[str, set[str]] = field(default_factory=dict)

    def source(self, table: str) -> list[Row]:
        return [row for row, _ in self.rows[f"public.{table}"]]

    def close(self) -> None:
        for connection in self.sessions.values():
            connection.close()
        self.sessions.clear()


def setting_up(folder: Path, dsn: str) -> World:
    """A small business with a person of each kind, the hot side on it, the roles, and what was made after them."""
    settings = settings_in(folder / "home", postgres_dsn=dsn)
    source.init(dsn)
    source.seed(dsn, garages=8, months=3, payments=240, seed=5)
    with psycopg.connect(dsn) as owner:
        people = _people(owner) | {"owner": owner.info.user}
    built = dbt.build(settings, "hot", dsn=dsn, arguments=["--resource-type", "model"])
    assert built.ok, built.failures
    dbt.operation(settings, "create_roles", dsn)
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute((Path(__file__).parent / "tenants_later.sql").read_bytes())
        owner.execute(f"alter role vend_app password '{PASSWORD}'")
        for login, person in (
            ("bi_unbound", None),
            ("bi_unknown", UNKNOWN),
            ("bi_plain", people["plain"]),
            ("bi_one", people["one"]),
            ("bi_two", people["two"]),
            ("bi_super", people["super"]),
            ("app_member", None),
        ):
            with suppress(psycopg.errors.DuplicateObject):
                owner.execute(f"create role {login} login password '{PASSWORD}'")
            owner.execute(f"grant {'vend_app' if login == 'app_member' else 'vend_bi'} to {login}")
            if person:
                owner.execute("insert into authz.login_user values (%s, %s)", [login, person])
        owner.execute("analyze")
    return learn(dsn, people)


def learn(dsn: str, people: dict[str, str]) -> World:
    """The rows of a database as its owner sees them."""
    world = World(dsn, people)
    names = [f"public.{table}" for table in TABLES] + [f"reporting.{view}" for view in VIEWS] + list(CLOSED)
    with psycopg.connect(dsn) as owner:
        for name in names:
            # reporting shows what hot holds, but for one column; what it should show is worked out from that
            relation = name
            if name.startswith("reporting.mv_"):
                relation = name.replace("reporting.", "hot.")
                columns = owner.execute(
                    "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute"
                    " where attrelid = %s::regclass and attnum > 0 and not attisdropped and attname <> 'always_null'",
                    [relation],
                ).fetchone()
                assert columns is not None
                relation = f"(select {columns[0]} from {relation})"
            rows = owner.execute(f"select row_to_json(t)::text, t::text from {relation} as t".encode()).fetchall()
            world.rows[name] = [(json.loads(row), text) for row, text in rows]
    return world


def _people(owner: Connection) -> dict[str, str]:
    """A person of each kind: id by kind. The kinds differ in users.role and in their rows of garage_admins."""
    owner.execute("delete from garage_daily_occupancy where id::text > '4'")
    owner.execute("delete from parked where id::text > '04'")
    owner.execute("delete from garage_admins")
    owner.execute("update users set role = 'user'")
    # every second one overdue, so that each garage has some
    owner.execute("update subscriptions set status = 'past_due' where id::text similar to '%[02468ace]'")
    busiest = "select garage_id from subscriptions group by garage_id order by count(*) desc, garage_id"
    garages = [garage for (garage,) in owner.execute(busiest)]
    # who pays for something and parks somewhere
    drivers = owner.execute(
        "select user_id from subscriptions where id in (select subscription_id from payments)"
        " and user_id in (select user_id from parked) group by user_id order by user_id limit 7"
    ).fetchall()
    kinds = ("plain", "one", "two", "revoked", "super", "leftover", "assigner")
    people = {kind: str(driver) for kind, (driver,) in zip(kinds, drivers, strict=True)}
    roles = {"one": "garage_admin", "two": "garage_admin", "revoked": "garage_admin", "super": "super_admin"}
    for kind, role in roles.items():
        owner.execute("update users set role = %s::user_role where id = %s", [role, people[kind]])
    for kind, places in (("one", garages[:1]), ("two", garages[1:3]), ("leftover", garages[3:4])):
        for garage in places:
            owner.execute(
                "insert into garage_admins (user_id, garage_id, assigned_by) values (%s, %s, %s)",
                [people[kind], garage, people["assigner"]],
            )
    return people


def identities(people: dict[str, str]) -> list[Identity]:
    app = Identity("", "vend_app")
    found = [
        replace(app, name="none"),
        replace(app, name="empty", setting=""),
        replace(app, name="garbage", setting="' or true --"),
        replace(app, name="unknown", setting=UNKNOWN, user=UNKNOWN),
    ]
    for kind in ("plain", "one", "two", "revoked", "super", "leftover"):
        found.append(replace(app, name=kind, setting=people[kind], user=people[kind]))
    two = replace(app, setting=people["two"], user=people["two"])
    found.append(replace(two, name="two through a member of vend_app", login="app_member"))
    found.append(replace(two, name="two by set role", login="", took_role=True))
    found.append(Identity("bi unbound", "bi_unbound"))
    found.append(Identity("bi unknown", "bi_unknown", user=UNKNOWN))
    found += [Identity(f"bi {kind}", f"bi_{kind}", user=people[kind]) for kind in ("plain", "one", "two", "super")]
    # their setting names the super admin, and nobody listens
    found.append(Identity("bi unbound who says super", "bi_unbound", people["super"]))
    found.append(Identity("bi one who says super", "bi_one", people["super"], people["one"]))
    return found


def may_see(world: World, relation: str, identity: Identity) -> Counter[str]:
    """The texts of the rows an identity may see of a relation."""
    key = (relation, identity.name)
    if key not in world.allowed_texts:
        rule = _rule(world, relation, identity)
        world.allowed_texts[key] = Counter(text for row, text in world.rows[relation] if rule(row))
    return world.allowed_texts[key]


def _rule(world: World, relation: str, identity: Identity) -> Callable[[Row], bool]:
    me, (schema, name) = identity.user, relation.split(".")
    if me is None or relation in CLOSED or (schema == "public" and not identity.is_application):
        return lambda row: False
    is_super = any(user["id"] == me and user["role"] == "super_admin" for user in world.source("users"))
    if is_super:
        return lambda row: True
    garages = {row["garage_id"] for row in world.source("garage_admins") if row["user_id"] == me}
    if schema == "reporting" or name == "garage_daily_occupancy":
        return lambda row: row["garage_id"] in garages
    subscriptions = [row for row in world.source("subscriptions") if row["user_id"] == me]
    known = garages | {row["garage_id"] for row in subscriptions}
    mine = {row["id"] for row in subscriptions}
    passes = {row["id"] for row in world.source("passes") if row["garage_id"] in garages}
    rules: dict[str, Callable[[Row], bool]] = {
        "users": lambda row: row["id"] == me,
        "garages": lambda row: row["id"] in known,
        "passes": lambda row: row["garage_id"] in known,
        "subscriptions": lambda row: row["user_id"] == me or row["garage_id"] in garages,
        "payments": lambda row: row["subscription_id"] in mine or row["garage_id"] in garages,
        "pass_price_history": lambda row: row["pass_id"] in passes,
        "garage_admins": lambda row: row["user_id"] == me or row["garage_id"] in garages,
        "parked": lambda row: row["user_id"] == me or row["garage_id"] in garages,
    }
    return rules[name]


def foreign(world: World, identity: Identity) -> set[str]:
    """Words (ids, email addresses) that stand in rows hidden from an identity and in none it may see."""
    if identity.name not in world.foreign_words:
        seen: set[str] = set()
        hidden: set[str] = set()
        for relation, rows in world.rows.items():
            allowed = may_see(world, relation, identity)
            for _, text in rows:
                (seen if text in allowed else hidden).update(TELLING.findall(text))
        world.foreign_words[identity.name] = hidden - seen
    return world.foreign_words[identity.name]


def foreign_names(world: World, identity: Identity) -> set[str]:
    """Names of garages and numbers of Stripe's that stand in hidden rows and in none the identity may see."""
    key = f"names of {identity.name}"
    if key not in world.foreign_words:
        seen: set[str] = set()
        hidden: set[str] = set()
        for relation, rows in world.rows.items():
            allowed = may_see(world, relation, identity)
            for row, text in rows:
                values = {
                    row.get(name) for name in ("garage_name", "stripe_subscription_id", "stripe_payment_intent_id")
                }
                values |= {row["name"]} if relation == "public.garages" else set()
                (seen if text in allowed else hidden).update(value for value in values if value and len(value) > 5)
        world.foreign_words[key] = hidden - seen
    return world.foreign_words[key]


def is_garbage(identity: Identity) -> bool:
    if not identity.setting or not identity.is_application:
        return False
    try:
        UUID(identity.setting)
    except ValueError:
        return True
    return False


def dsn_of(world: World, identity: Identity) -> str:
    return conninfo.make_conninfo(world.dsn, user=identity.login, password=PASSWORD) if identity.login else world.dsn

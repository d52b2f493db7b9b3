"""What somebody with SQL tries on a relation that is not all theirs. Each attack says what it saw; `verdict` judges it.

A case is a relation, an identity and an attack. What the identity may see is worked out in tenants.py, in Python.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import tenants
from psycopg import errors
from tenants import Identity, World

SHADOWS = (Path(__file__).parent / "attacks_shadow.sql").read_text()
INVENTORY = (Path(__file__).parent / "attacks_inventory.sql").read_text()
LEAK = """
    create function pg_temp.leak(seen text) returns boolean language plpgsql cost 0.0000001 as
    $$ begin raise notice '%', seen; return true; end $$
"""
ESTIMATOR = """
    create function pg_temp.leak(seen text, other text) returns boolean language plpgsql cost 0.0000001 as
    $$ begin raise notice '%', seen; return true; end $$;
    create operator playground.<<< (leftarg = text, rightarg = text, function = pg_temp.leak, restrict = eqsel)
"""


@dataclass
class Seen:
    """rows: texts of rows; all: whether they should be all the identity may see; leaked: a leak the attack proves."""

    rows: list[str] | None = None
    all: bool = True
    count: float | None = None
    told: list[str] = field(default_factory=list)
    leaked: str = ""


class Session:
    """A connection of a pool in the hands of one identity. careless: it forgets LOCAL, which a test wants noticed."""

    def __init__(self, world: World, identity: Identity, careless: bool = False) -> None:
        self.world, self.identity, self.careless = world, identity, careless
        self.told: list[str] = []
        key = identity.login or "owner"
        if key not in world.sessions or world.sessions[key].closed:
            world.sessions[key] = psycopg.connect(
                tenants.dsn_of(world, identity), autocommit=True, prepare_threshold=None
            )
        self.connection = world.sessions[key]
        self.connection._notice_handlers.clear()
        self.connection.add_notice_handler(lambda notice: self.told.append(_everything_in(notice)))
        if not careless:
            self.connection.execute("discard all")
        if identity.took_role:
            self.connection.execute("set role vend_app")

    @contextmanager
    def request(self, identity: Identity | None = None, undo: bool = False) -> Iterator[None]:
        """A transaction as docs/tenants.md wants it."""
        setting = (identity or self.identity).setting
        with self.connection.transaction(force_rollback=undo):
            if setting is not None:
                self.run("select set_config('app.current_user_id', %s, %s)", [setting, not self.careless])
            yield

    def run(self, query: str, values: Any = None) -> psycopg.Cursor[Any]:
        return self.connection.execute(query.encode(), values)

    def texts(self, query: str, values: Any = None) -> list[str]:
        return [row[0] for row in self.run(query, values)]

    def read(self, relation: str) -> list[str]:
        """The rows, none where they are refused."""
        try:
            with self.connection.transaction():
                return self.texts(f"select t::text from {relation} as t")
        except errors.InsufficientPrivilege as error:
            self.told.append(_everything_in(error.diag))
            return []

    def allowed(self, relation: str) -> list[str]:
        return list(tenants.may_see(self.world, relation, self.identity).elements())

    def somebody_else(self) -> Identity:
        kind = "super" if self.identity.user != self.world.people["super"] else "two"
        return replace(self.identity, name=kind, setting=self.world.people[kind], user=self.world.people[kind])


Attack = Callable[[Session, str], Seen]
ATTACKS: dict[str, Attack] = {}
QUERIES = {
    "select": "select t::text from {relation} as t",
    "through a subquery": "select t::text from (select * from {relation} offset 0) as t",
    "through a cte": "with t as materialized (select * from {relation}) select t::text from t",
    "join": "select a::text from {relation} as a inner join {relation} as b on a::text = b::text",
    "outer join": "select t::text from (values (1)) as v left join {relation} as t on true where t::text is not null",
    "union": "select t::text from {relation} as t union all select t::text from {relation} as t where false",
    "unnested": "select unnest(array_agg(t::text)) from {relation} as t",
    "lateral": "select u.x from {relation} as t, lateral (select t::text as x) as u",
    "inverted": "select t::text from {relation} as t where not (t is null and t is not null)",
}


def attack(name: str) -> Callable[[Attack], Attack]:
    def note(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return note


def _query(template: str) -> Attack:
    def run(session: Session, relation: str) -> Seen:
        with session.request():
            return Seen(session.texts(template.format(relation=relation)))

    return run


ATTACKS |= {name: _query(template) for name, template in QUERIES.items()}


@attack("count")
def count(session: Session, relation: str) -> Seen:
    with session.request():
        return Seen(count=session.run(f"select count(*) from {relation}").fetchone()[0])


@attack("copy")
def copy(session: Session, relation: str) -> Seen:
    query = f"copy (select t::text from {relation} as t) to stdout".encode()
    with session.request(), session.connection.cursor() as cursor, cursor.copy(query) as stream:
        stream.set_types(["text"])
        return Seen([row[0] for row in stream.rows()])


@attack("copy the relation")
def copy_relation(session: Session, relation: str) -> Seen:
    if relation.startswith("reporting.mv"):
        return Seen([], all=False)
    query = f"copy {relation} to stdout".encode()
    with session.request(), session.connection.cursor() as cursor, cursor.copy(query) as stream:
        return Seen(count=sum(1 for _ in stream.rows()))


@attack("named values")
def named_values(session: Session, relation: str) -> Seen:
    """Asks for ids it has heard of, so that an index could serve."""
    column = "garage_id" if "garage_id" in _columns(session, relation) else "id"
    rows = session.world.rows[relation]
    heard = sorted({str(row[column]) for row, _ in rows if column in row})[:200]
    if not heard:
        return Seen([], all=False)
    with session.request():
        query = f"select t::text from {relation} as t where {column} = any(%s::uuid[])"
        return Seen(session.texts(query, [heard]), all=False)


@attack("explain")
def explain(session: Session, relation: str) -> Seen:
    with session.request():
        plan = session.run(f"explain (analyze, verbose, format json) select t::text from {relation} as t").fetchone()[0]
    top = plan[0]["Plan"]
    return Seen(count=top["Actual Rows"] * top["Actual Loops"], told=[json.dumps(plan)])


@attack("leaky function")
def leaky_function(session: Session, relation: str) -> Seen:
    with session.request(undo=True):
        session.run(LEAK)
        return Seen(session.texts(f"select t::text from {relation} as t where pg_temp.leak(t::text)"))


@attack("leaky estimator")
def leaky_estimator(session: Session, relation: str) -> Seen:
    """The planner tries an operator on the values it keeps statistics of."""
    with session.request(undo=True):
        session.run(ESTIMATOR)
        for column in ("garage_name", "email", "name", "first_name", "status", "stripe_subscription_id"):
            if column in _columns(session, relation):
                session.run(f"explain select * from {relation} where {column}::text operator(playground.<<<) 'x'")
                if column != "status":
                    session.run(f"explain select * from {relation} where {column} operator(playground.<<<) 'x'")
    return Seen()


@attack("error probe")
def error_probe(session: Session, relation: str) -> Seen:
    """Divides by zero on any row that is not theirs."""
    own = session.allowed(relation)
    query = f"select t::text from {relation} as t where 1 / (case when t::text = any(%s::text[]) then 1 else 0 end) = 1"
    try:
        with session.request():
            return Seen(session.texts(query, [own]))
    except errors.DivisionByZero:
        return Seen(leaked="an expression was evaluated on a hidden row")


@attack("cast probe")
def cast_probe(session: Session, relation: str) -> Seen:
    """The message of a failed cast shows the value."""
    for order in ("", "desc"):
        try:
            with session.request():
                session.run(f"select t::text::integer from {relation} as t order by 1 {order}")
        except errors.InvalidTextRepresentation as error:
            session.told.append(_everything_in(error.diag))
    return Seen()


@attack("forbidden statements")
def forbidden(session: Session, relation: str) -> Seen:
    column = next(iter(_columns(session, relation)), "id")
    return _refused(
        session,
        f"insert into {relation} select * from {relation}",
        f"update {relation} set {column} = {column}",
        f"delete from {relation}",
        f"truncate {relation}",
        f"select 1 from {relation} for update",
        f"lock table {relation} in exclusive mode",
        f"alter table {relation} disable row level security",
        f"alter view {relation} set (security_barrier = false)",
        f"alter table {relation} owner to current_user",
        f"create or replace view {relation} as select 1 as x",
        f"create policy mine on {relation} using (true)",
        f"drop policy vend_app on {relation}",
        f"create rule mine as on update to {relation} do instead nothing",
        f"create index on {relation} ({column})",
        f"refresh materialized view {relation}",
        f"copy (select * from {relation}) to program 'true'",
        f"copy (select * from {relation}) to '/tmp/vend_stolen'",
        f"create table reporting.mine as select * from {relation}",
        f"create view hot.mine as select * from {relation}",
    )


@attack("forbidden calls")
def forbidden_calls(session: Session, relation: str) -> Seen:
    person = session.world.people["super"]
    return _refused(
        session,
        f"insert into authz.login_user values (session_user, '{person}')",
        "alter function authz.my_garages() reset search_path",
        "create or replace function authz.my_garages() returns uuid[] language sql as 'select null'",
        "select authz.my_garages()",
        "select authz.is_owner()",
        "select authz.current_user_id()",
        "select authz.new_function()",
        "select reporting.new_function()",
        "select reporting.later()",
        "select hot.as_of()",
        "call hot.refresh()",
        "alter role current_user superuser",
        "alter role current_user bypassrls",
        "grant vend_sync to current_user",
        "select pg_read_file('postgresql.conf')",
    )


def _refused(session: Session, *statements: str) -> Seen:
    for statement in statements:
        try:
            with session.request(undo=True):
                session.run(statement)
            return Seen(leaked=f"not refused: {statement}")
        except psycopg.Error as error:
            session.told.append(_everything_in(error.diag))
    return Seen()


@attack("set role")
def set_role(session: Session, relation: str) -> Seen:
    return _as_another(session, relation, "set role {}")


@attack("set session authorization")
def set_session_authorization(session: Session, relation: str) -> Seen:
    return _as_another(session, relation, "set session authorization {}")


def _as_another(session: Session, relation: str, statement: str) -> Seen:
    """Rows seen after each change of role; with or without, they are no more than the identity's."""
    if session.identity.took_role:
        return Seen([], all=False)  # a superuser, who may
    rows: list[str] = []
    owner = session.world.people["owner"]
    for role in ("none", "vend_app", "vend_bi", "vend_sync", "bi_super", "app_member", owner, "pg_read_all_data"):
        refused = suppress(errors.InsufficientPrivilege, errors.InvalidParameterValue, errors.SyntaxError)
        with refused, session.request(undo=True):
            session.run(statement.format("none" if role == "none" else f'"{role}"'))
            rows += session.read(relation)
    return Seen(rows, all=False)


@attack("shadowed names")
def shadowed(session: Session, relation: str) -> Seen:
    """Tables, functions and operators of the names that the security functions use, earlier in the search path."""
    me = session.identity.user or tenants.UNKNOWN
    with session.request(undo=True):
        # each kind of shadow alone, or one would hide what another does
        found: list[str] = []
        for part in SHADOWS.split("-- next\n"):
            with session.connection.transaction(force_rollback=True):
                psycopg.ClientCursor(session.connection).execute(
                    part.encode(), {"me": me, "owner": session.world.people["owner"]}
                )
                session.run("set local search_path = pg_temp, playground, pg_catalog, public")
                seen = session.read(relation)
            if Counter(seen) != tenants.may_see(session.world, relation, session.identity):
                return Seen(seen)
            found = seen
        return Seen(found)


@attack("parallel workers")
def parallel(session: Session, relation: str) -> Seen:
    name = "debug_parallel_query" if session.connection.info.server_version >= 160000 else "force_parallel_mode"
    with session.request(undo=True):
        session.run(f"set local {name} = on")
        return Seen(session.texts(f"select t::text from {relation} as t"))


@attack("index only")
def index_only(session: Session, relation: str) -> Seen:
    with session.request(undo=True):
        session.run("set local enable_seqscan = off")
        return Seen(session.texts(f"select t::text from {relation} as t"))


@attack("row security off")
def row_security_off(session: Session, relation: str) -> Seen:
    try:
        with session.request(undo=True):
            session.run("set local row_security = off")
            return Seen(session.texts(f"select t::text from {relation} as t"), all=False)
    except errors.InsufficientPrivilege as error:
        return Seen([], all=False, told=[_everything_in(error.diag)])


@attack("statistics")
def statistics(session: Session, relation: str) -> Seen:
    """The planner's samples, of what is behind the view too."""
    name = relation.split(".")[1]
    with session.request():
        found = session.texts("select s::text from pg_stats as s where tablename = %s", [name])
        found += session.texts("select s::text from pg_stats_ext as s where tablename = %s", [name])
    return Seen(told=found)


@attack("json")
def as_json(session: Session, relation: str) -> Seen:
    with session.request():
        found = session.run(f"select coalesce(jsonb_agg(to_jsonb(t)), '[]') from {relation} as t").fetchone()[0]
    return Seen(count=len(found), told=[json.dumps(found)])


@attack("own view and table")
def own_view(session: Session, relation: str) -> Seen:
    with session.request(undo=True):
        session.run(f"create temporary view mine as select * from {relation}")
        session.run("create temporary table kept as select * from mine")
        return Seen(session.texts("select t::text from kept as t"))


@attack("cursor kept open")
def held_cursor(session: Session, relation: str) -> Seen:
    """What is kept for later is what its opener saw, and the pool's DISCARD ALL takes it away."""
    with session.request():
        session.run(f"declare kept cursor with hold for select t::text from {relation} as t")
    rows = session.texts("fetch all from kept")
    session.run("discard all")
    with suppress(errors.InvalidCursorName):
        session.run("fetch all from kept")
        return Seen(leaked="a cursor outlived DISCARD ALL")
    return Seen(rows)


@attack("prepared for another")
def prepared(session: Session, relation: str) -> Seen:
    """A statement planned while another asked."""
    session.run("set plan_cache_mode = force_generic_plan")
    session.run(f"prepare again as select t::text from {relation} as t")
    with session.request(session.somebody_else()):
        for _ in range(2):
            session.run("execute again")
    with session.request():
        return Seen(session.texts("execute again"))


@attack("function planned for another")
def planned(session: Session, relation: str) -> Seen:
    session.run(
        "create function pg_temp.again() returns setof text language plpgsql as"
        f" $$ begin return query select t::text from {relation} as t; end $$"
    )
    with session.request(session.somebody_else()):
        for _ in range(6):
            session.run("select pg_temp.again()")
    with session.request():
        return Seen(session.texts("select pg_temp.again()"))


class GivenUp(Exception):  # noqa: N818
    """How a request ends that its application gives up."""


def _after(ending: Callable[[Session], None]) -> Attack:
    def run(session: Session, relation: str) -> Seen:
        with suppress(GivenUp, errors.DivisionByZero), session.request(session.somebody_else()):
            session.read(relation)
            ending(session)
        if not session.identity.is_application:  # a bound login sees its own with or without
            return _query(QUERIES["select"])(session, relation)
        if session.read(relation):
            return Seen(leaked="a request without a user sees what the one before saw")
        with session.request():
            return Seen(session.texts(f"select t::text from {relation} as t"))

    return run


def _roll_back(session: Session) -> None:
    raise GivenUp


ATTACKS["pool after commit"] = _after(lambda session: None)
ATTACKS["pool after rollback"] = _after(_roll_back)
ATTACKS["pool after an error"] = _after(lambda session: session.run("select 1 / 0") and None)


@attack("says it is another")
def says_another(session: Session, relation: str) -> Seen:
    """A login that is bound, or none of the application's, sets the application's setting in every way there is."""
    if session.identity.is_application:
        return Seen([], all=False)
    person = session.world.people["super"]
    for statement in (
        f"set app.current_user_id = '{person}'",
        f"set session app.current_user_id to '{person}'",
        f"select set_config('app.current_user_id', '{person}', false)",
        f"select set_config('App.Current_User_Id', '{person}', true)",
    ):
        session.run(statement)
        rows = session.read(relation)
        if Counter(rows) != tenants.may_see(session.world, relation, session.identity):
            return Seen(rows)
    options = f"-c app.current_user_id={person} -c role=none"
    if relation == "reporting.mv_daily_revenue":
        address = psycopg.conninfo.make_conninfo(tenants.dsn_of(session.world, session.identity), options=options)
        with psycopg.connect(address) as other:
            rows = [row[0] for row in other.execute(f"select t::text from {relation} as t")]
    return Seen(rows)


# ------------------------------------------------------------------------------------------------ cases

# what is tried where nothing is to be seen at all
ON_CLOSED = (
    "select",
    "count",
    "copy the relation",
    "leaky function",
    "set role",
    "row security off",
    "statistics",
    "json",
)
# what does not depend on the relation, or on who of a login asks
ONCE = ("forbidden calls", "set session authorization", "says it is another")
BY_LOGIN = ("forbidden statements", "forbidden calls", "set session authorization")
ONE_PER_LOGIN = ("none", "super", "bi one", "bi super", "two through a member of vend_app")


def attacks_on(relation: str, identity: Identity) -> list[str]:
    """The attacks that make sense of an identity on a relation."""
    closed = relation in tenants.CLOSED or (relation.startswith("public.") and not identity.is_application)
    names = [name for name in ATTACKS if not closed or name in (*ON_CLOSED, "forbidden statements")]
    if relation != "reporting.mv_daily_revenue":
        names = [name for name in names if name not in ONCE]
    if identity.name not in ONE_PER_LOGIN:
        names = [name for name in names if name not in BY_LOGIN]
    return names


def relations() -> list[str]:
    return [
        *(f"reporting.{view}" for view in tenants.VIEWS),
        *(f"public.{table}" for table in tenants.TABLES),
        *tenants.CLOSED,
    ]


def verdict(world: World, relation: str, identity: Identity, name: str, careless: bool = False) -> str:
    """Runs one case. Empty, or what is wrong."""
    allowed = tenants.may_see(world, relation, identity)
    session = Session(world, identity, careless)
    failure: psycopg.Error | None = None
    try:
        seen = ATTACKS[name](session, relation)
    except psycopg.Error as error:
        failure = error
        seen = Seen([], told=[_everything_in(error.diag)])
    told = "\n".join(seen.told + session.told)
    hidden = [word for word in tenants.TELLING.findall(told) if word in tenants.foreign(world, identity)]
    hidden += [word for word in tenants.foreign_names(world, identity) if word in told]
    if seen.leaked:
        return seen.leaked
    if hidden:
        return f"a message tells of {hidden[0]}"
    if seen.count is not None and seen.count != allowed.total():
        return f"counts {seen.count} where {allowed.total()} are theirs"
    if seen.rows is not None and set(seen.rows) - set(allowed):
        return f"sees {len(set(seen.rows) - set(allowed))} rows that are hidden"
    if seen.rows is not None and seen.all and Counter(seen.rows) != allowed:
        return f"sees {len(seen.rows)} rows where {allowed.total()} are theirs ({failure})"
    return ""


def inventory(world: World) -> list[str]:
    """What is open in the catalog though no attack here gets through it, because something else stands before it."""
    with psycopg.connect(world.dsn) as owner:
        return [sentence for (sentence,) in owner.execute(INVENTORY.encode())]


def _columns(session: Session, relation: str) -> list[str]:
    rows = session.world.rows[relation]
    return list(rows[0][0]) if rows else []


def _everything_in(diag: Any) -> str:
    parts = ("message_primary", "message_detail", "message_hint", "context", "internal_query")
    return "\n".join(text for part in parts if (text := getattr(diag, part, None)))

"""Ways to break the barriers. The attacks on each relation named must notice; `authz` stands for attacks.inventory."""

from __future__ import annotations

from dataclasses import dataclass

import tenants

REVENUE, PAYMENTS, USERS = "reporting.mv_daily_revenue", "public.payments", "public.users"
VIEWS = [f"reporting.{view}" for view in tenants.VIEWS]
TABLES = [f"public.{table}" for table in tenants.TABLES]

# who a session is, told in other words than authz.current_user_id() does
WHO = """
    create or replace function authz.current_user_id() returns uuid
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$ select {who} $$
"""
SETTING = "nullif(current_setting('app.current_user_id', true), '')::uuid"
BOUND = "(select user_id from authz.login_user where login = session_user)"
BOUND_BY_ROLE = "(select user_id from authz.login_user where login = authz.acting_role())"


@dataclass(frozen=True)
class Broken:
    """statements: by relation, what breaks its barrier; undo: needed where that reaches beyond the database."""

    name: str
    statements: dict[str, str]
    undo: str = ""


def every(owner: str, roles: list[str]) -> list[Broken]:
    """All that a server with these roles can have; those of one kind are made at once, in one copy of the database."""
    return [*_views(), *_tables(), *_functions(), *_grants(), *_roles(owner, roles)]


def _views() -> list[Broken]:
    unfiltered = "create or replace view {} with (security_barrier) as select * from hot.{}"
    union = """
        create or replace view {0} with (security_barrier) as
        select * from hot.{1} where garage_id = any((select authz.my_garages())::uuid[])
        union all
        select * from hot.{1} where (select authz.sees_all()) and garage_id is null
    """
    return [
        _each("is no security barrier", "alter view {} reset (security_barrier)", VIEWS),
        # as the halves of rows_for_reader would be without the select around them
        Broken("is nothing but a union", {view: union.format(view, view.split(".")[1]) for view in VIEWS}),
        Broken("has no filter", {view: unfiltered.format(view, view.split(".")[1]) for view in VIEWS}),
        _each("is closed to vend_app", "revoke select on {} from vend_app", VIEWS),
        _each("is closed to vend_bi", "revoke select on {} from vend_bi", VIEWS),
    ]


def _tables() -> list[Broken]:
    to_bi = "grant select on {0} to vend_bi; create policy bi on {0} to vend_bi using (true)"
    return [
        _each("has no row-level security", "alter table {} disable row level security", TABLES),
        _each("lacks its policy", "drop policy vend_app on {}", TABLES),
        _each("has an open policy", "create policy open on {} to vend_app using (true)", TABLES),
        _each("may be written", "grant update, delete on {} to vend_app", TABLES),
        _each("is open to BI", to_bi, TABLES),
    ]


def _functions() -> list[Broken]:
    where = {
        "acting_role": "authz",
        "is_owner": "authz",
        "current_user_id": USERS,
        "is_super_admin": USERS,
        "sees_all": "authz",
        "my_garages": REVENUE,
        "my_subscriptions": PAYMENTS,
        "my_passes": "public.pass_price_history",
        "known_garages": "public.garages",
    }
    found = [
        Broken(f"{function} has no search path of its own", {on: f"alter function authz.{function} reset search_path"})
        for function, on in where.items()
    ]
    for function, on in where.items():
        if function not in ("acting_role", "is_owner"):
            found.append(
                Broken(f"{function} runs as its caller", {on: f"alter function authz.{function} security invoker"})
            )
    for name, who in (
        ("everybody's setting is believed", SETTING),
        ("a bound login's setting is believed", f"coalesce({SETTING}, {BOUND})"),
        ("an unbound login's setting is believed", f"coalesce({BOUND}, {SETTING})"),
        ("a login is known by the role it takes", f"coalesce({BOUND_BY_ROLE}, {BOUND})"),
    ):
        found.append(Broken(name, {REVENUE: WHO.format(who=who)}))
    for function in ("my_garages", "sees_all"):
        immutable = f"alter function authz.{function} immutable"
        found.append(Broken(f"{function} is called immutable", {REVENUE: immutable}))
    everybody = "create or replace function authz.is_owner() returns boolean language sql as 'select true'"
    return [*found, Broken("everybody is the owner", {REVENUE: everybody})]


def _grants() -> list[Broken]:
    found = []
    for role in ("vend_app", "vend_bi", "public"):
        opened = {
            relation: f"grant usage on schema {relation.split('.')[0]} to {role}; grant select on {relation} to {role}"
            for relation in tenants.CLOSED
        }
        found.append(Broken(f"granted to {role} by mistake", opened))
        for what, statement in (
            ("a function of reporting", "grant execute on function reporting.new_function() to {}"),
            ("schema authz", "grant usage on schema authz to {0}; grant execute on function authz.my_garages() to {0}"),
            ("making objects in reporting", "grant create on schema reporting to {}"),
        ):
            found.append(Broken(f"{what} is granted to {role}", {REVENUE: statement.format(role)}))
    function = "create function reporting.later() returns setof text language sql security definer as {}".format(
        "$$ select t::text from hot.mv_failed_payments as t $$"
    )
    found += [
        Broken(
            "new functions begin open",
            {REVENUE: f"alter default privileges grant execute on functions to public; {function}"},
        ),
        Broken(
            "new tables of reporting begin open",
            {
                "reporting.new_table": "alter default privileges in schema reporting grant select on tables to vend_bi;"
                "drop table reporting.new_table; create table reporting.new_table as select * from hot.mv_daily_revenue"
            },
        ),
    ]
    binding = "grant usage on schema authz to vend_bi; grant insert on authz.login_user to vend_bi"
    return [*found, Broken("a BI login may bind itself", {REVENUE: binding})]


def _roles(owner: str, roles: list[str]) -> list[Broken]:
    return [
        Broken(f"{member} is a member of {role}", {on: f"grant {role} to {member}"}, f"revoke {role} from {member}")
        for role, member, on in (
            (owner, "vend_app", REVENUE),
            (owner, "vend_bi", REVENUE),
            ("pg_read_all_data", "vend_bi", "hot.mv_daily_revenue"),
            ("vend_sync", "vend_bi", PAYMENTS),
            ("vend_app", "bi_unbound", PAYMENTS),
        )
        if role in roles
    ] + [
        Broken(
            "vend_app bypasses row security",
            {PAYMENTS: "alter role vend_app bypassrls"},
            "alter role vend_app nobypassrls",
        )
    ]


def _each(name: str, statement: str, relations: list[str]) -> Broken:
    return Broken(name, {relation: statement.format(relation) for relation in relations})

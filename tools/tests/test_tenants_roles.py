"""The roles: made once and again, by whom it may be, without taking rows from anybody who had them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from conftest import settings_in
from psycopg import conninfo

from vend import cli, dbt, source, sync
from vend.errors import VendError
from vend.settings import Settings

MODELS = ["--resource-type", "model"]
SECURE = [*MODELS, "--select", "models/hot/secure"]
# everything that says who may do what in a database
ACCESS = """
    select 'relation', oid::regclass::text, relacl::text, reloptions::text, relrowsecurity::text from pg_class
    where relnamespace::regnamespace::text in ('public', 'hot', 'reporting', 'authz') and relkind in ('r', 'v', 'm')
    union all select 'function', oid::regprocedure::text, proacl::text, proconfig::text, '' from pg_proc
    where pronamespace::regnamespace::text in ('hot', 'reporting', 'authz')
    union all select 'policy', oid::text, pg_get_expr(polqual, polrelid), polroles::text, polname from pg_policy
    union all select 'schema', nspname, nspacl::text, '', '' from pg_namespace where nspname not like 'pg\\_%'
    union all select 'default', defaclobjtype::text, defaclacl::text, '', '' from pg_default_acl
    union all select 'login', login, user_id::text, '', '' from authz.login_user
    order by 1, 2, 3, 4
"""


@dataclass
class Place:
    """A database of a small business, and logins with which a test comes in; all end with the test module."""

    settings: Settings
    dsn: str
    logins: list[str]

    def login(self, name: str, *statements: str, options: str = "") -> str:
        """The DSN of a new login; in the statements {} is its name."""
        role = f"{name}_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(self.dsn, autocommit=True) as owner:
            for statement in (f"create role {{}} login password 'quiet' {options}", *statements):
                owner.execute(statement.format(role).encode())
        self.logins.append(role)
        return conninfo.make_conninfo(self.dsn, user=role, password="quiet")

    def build(self, dsn: str, *arguments: str) -> dbt.Outcome:
        return dbt.build(self.home_of(dsn), "hot", dsn=dsn, arguments=arguments)

    def operation(self, dsn: str, name: str, **arguments: str) -> str:
        return dbt.operation(self.home_of(dsn), name, dsn, **arguments)

    def home_of(self, dsn: str) -> Settings:
        """One per login, for dbt parses the project again where the login is another."""
        return replace(self.settings, home=self.settings.home / str(conninfo.conninfo_to_dict(dsn)["user"]))


def make_place(folder: Path, dsn: str) -> Place:
    settings = settings_in(folder / "home", postgres_dsn=dsn)
    source.init(dsn)
    source.seed(dsn, garages=8, months=1, payments=50, seed=6)
    return Place(settings, dsn, [])


def end(place: Place) -> None:
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        for role in place.logins:
            owner.execute(f"drop owned by {role} cascade".encode())
            owner.execute(f"drop role {role}".encode())


@pytest.fixture(scope="module")
def place(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Built and with roles, by a superuser."""
    place = make_place(tmp_path_factory.mktemp("roles"), make_database())
    assert place.build(place.dsn, *MODELS).ok
    place.operation(place.dsn, "create_roles")
    yield place
    end(place)


@pytest.fixture(scope="module")
def seeded(
    make_database: Callable[[], str], copy_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Place, str]:
    """A place, and the database that its own is a copy of."""
    place = make_place(tmp_path_factory.mktemp("unbuilt"), make_database())
    return place, copy_database(place.dsn)


@pytest.fixture
def unbuilt(seeded: tuple[Place, str], copy_database: Callable[..., str]) -> Iterator[Place]:
    """Not built yet; the test may do so."""
    place, untouched = seeded
    copy_database(untouched, onto=place.dsn)
    place = replace(place, logins=[])
    yield place
    end(place)


def access(dsn: str) -> list[tuple[str, ...]]:
    with psycopg.connect(dsn) as owner:
        return owner.execute(ACCESS.encode()).fetchall()


def one(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def reads_all(place: Place, otherwise: str) -> str:
    """The role that reads every table, or what serves in its place on Postgres 13, which has none."""
    return "pg_read_all_data" if one(place.dsn, "select to_regrole('pg_read_all_data') is not null") else otherwise


def test_a_second_time_changes_nothing_and_says_so(place: Place) -> None:
    results = dbt.target_path(place.home_of(place.dsn), "hot") / "run_results.json"
    before, built = access(place.dsn), results.read_bytes()
    told = place.operation(place.dsn, "create_roles")
    assert access(place.dsn) == before
    assert results.read_bytes() == built  # which are those of the build
    for words in ("vend_app is there.", "vend_bi is there.", "vend_sync is there.", "on and unchanged"):
        assert words in told
    assert place.build(place.dsn, *SECURE).ok
    assert access(place.dsn) == before


def test_the_command_prints_what_it_did(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEND_POSTGRES_DSN", place.dsn)
    monkeypatch.setenv("VEND_HOME", str(place.home_of(place.dsn).home))
    login = f"bi_{uuid.uuid4().hex[:8]}"
    place.logins.append(login)
    email = str(one(place.dsn, "select email from users where role = 'garage_admin' order by id limit 1"))
    outcome = CliRunner().invoke(cli.main, ["roles", "--bind", login, email.upper()])
    assert outcome.exit_code == 0, outcome.output
    assert "vend_app is there." in outcome.output
    assert f"{login} sees what {email.upper()} may see" in outcome.output
    expected = one(
        place.dsn,
        "select count(distinct garage_id) from garage_admins"
        f" where user_id = (select user_id from authz.login_user where login = '{login}')",
    )
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        owner.execute(f"alter role {login} password 'quiet'".encode())
    reader = conninfo.make_conninfo(place.dsn, user=login, password="quiet")
    assert expected
    assert one(reader, "select count(*) from mv_current_occupancy") == expected
    # under another name it sees the same, and who takes its name sees nothing
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        owner.execute(f"alter role {login} rename to {login}_new".encode())
        owner.execute(f"alter role {login}_new password 'quiet'".encode())
        owner.execute(f"create role {login} login password 'quiet' in role vend_bi".encode())
        place.logins.append(f"{login}_new")
    renamed = conninfo.make_conninfo(reader, user=f"{login}_new")
    for _ in range(2):
        assert one(renamed, "select count(*) from reporting.mv_current_occupancy") == expected
        assert one(reader, "select count(*) from reporting.mv_current_occupancy") == 0
        told = place.operation(place.dsn, "create_roles")
    assert f"{login}_new" not in told  # said once
    with psycopg.connect(place.dsn, autocommit=True) as owner:  # two that swap their names keep their users
        owner.execute(
            "insert into authz.login_user select %s, id from users where role = 'super_admin' limit 1", [login]
        )
        bindings = "select role::oid, user_id from authz.login_user where login like %s order by 1"
        before = owner.execute(bindings, [f"{login}%"]).fetchall()
        for old, new in ((login, "swapped"), (f"{login}_new", login), ("swapped", f"{login}_new")):
            owner.execute(f"alter role {old} rename to {new}".encode())
        place.operation(place.dsn, "create_roles")
        assert len(before) == 2
        assert owner.execute(bindings, [f"{login}%"]).fetchall() == before
        owner.execute("delete from authz.login_user where login = %s", [f"{login}_new"])
        for old, new in ((login, "swapped"), (f"{login}_new", login), ("swapped", f"{login}_new")):
            owner.execute(f"alter role {old} rename to {new}".encode())
        place.operation(place.dsn, "create_roles")
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        owner.execute(f"drop owned by {login}_new".encode())
        owner.execute(f"drop role {login}_new".encode())
        owner.execute(f"create role {login}_new login password 'quiet' in role vend_bi".encode())
    assert one(renamed, "select count(*) from reporting.mv_current_occupancy") == 0
    assert f"{login}_new was dropped, and so its binding is removed." in place.operation(place.dsn, "create_roles")
    powerful = str(conninfo.conninfo_to_dict(place.login("powerful", options="superuser"))["user"])
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        twin = "update users set email = upper(%s) where id = (select max(id::text)::uuid from users) returning id"
        (twin_id,) = owner.execute(twin, [email]).fetchone() or (None,)
        owner.execute("insert into authz.login_user values ('bi_gone', %s)", [twin_id])
        try:
            for user, name, words in (
                ("nobody@example.com", login, "There is no user nobody@example.com"),
                (email, login, "There are 2 users with the address"),
                (str(twin_id).upper(), powerful, "is a superuser"),
            ):
                with pytest.raises(VendError, match=words):
                    place.operation(place.dsn, "bind_login", login=name, user=user)
            assert "bi_gone is bound to a user, but there is no such login" in place.operation(
                place.dsn, "create_roles"
            )
        finally:
            owner.execute("delete from authz.login_user where login = 'bi_gone'")
            owner.execute("update users set email = 'twin@example.com' where id = %s", [twin_id])


def test_who_had_access_to_the_tables_keeps_it(unbuilt: Place) -> None:
    """An application of today with grants of its own; a monitoring login; but none that comes later."""
    place = unbuilt
    grants = ("grant select, insert, update on all tables in schema public to {}",)
    today = place.login("todays_application", *grants)
    report = place.login("report", "grant select (id, amount) on public.payments to {}")
    monitor = place.login("monitor", f"grant {reads_all(place, 'select on public.payments')} to {{}}")
    assert place.build(place.dsn, *MODELS).ok
    told = place.operation(place.dsn, "create_roles")
    assert "todays_application" in told
    everything = one(place.dsn, "select count(*) from public.payments")
    assert one(today, "select count(*) from public.payments") == everything
    assert one(report, "select count(id) from public.payments") == everything
    assert one(monitor, "select count(*) from public.payments") == everything
    assert one(
        today, "with changed as (update public.garages set capacity = 7 returning 1) select count(*) from changed"
    )
    later = place.login("later", *grants)
    assert one(later, "select count(*) from public.payments") == 0
    assert one(later, "select count(*) from public.users") == 0
    # run again, it is one that had access before
    assert "later" in place.operation(place.dsn, "create_roles")
    assert one(later, "select count(*) from public.payments") == everything


def test_a_build_repairs_a_view(place: Place) -> None:
    before = access(place.dsn)
    with psycopg.connect(place.dsn) as owner:
        owner.execute("alter view reporting.mv_current_occupancy reset (security_barrier)")
        owner.execute("grant insert on reporting.mv_daily_revenue to vend_bi")
        owner.execute("grant select on reporting.mv_failed_payments to public")
        owner.execute("revoke select on reporting.mv_active_subscriptions from vend_app")
    found = place.build(place.dsn, "--select", "nothing_is_open_to_tenants")
    assert "Got 3 results" in found.failures[0]
    assert place.build(place.dsn, *SECURE).ok
    assert in_any_order(access(place.dsn)) == in_any_order(before)


def in_any_order(rows: list[tuple[str, ...]]) -> list[list[str]]:
    """An access list is in the order of its grants, which does not matter."""
    return [sorted(re.split(r"[{},]", str(row))) for row in rows]


def test_a_builder_without_rights_over_roles_builds_closed_views(unbuilt: Place) -> None:
    place = unbuilt
    database = conninfo.conninfo_to_dict(place.dsn)["dbname"]
    builder = place.login(
        "builder",
        f"grant create on database {database} to {{}}",
        "grant usage on schema public to {}",
        "grant select on all tables in schema public to {}",
    )
    assert place.build(builder, *MODELS).ok
    garages = one(place.dsn, "select count(*) from public.garages")
    assert one(builder, "select count(*) from reporting.mv_current_occupancy") == garages
    name = conninfo.conninfo_to_dict(builder)["user"]
    with pytest.raises(VendError, match=f"{name} does not own public.users|{name} may not create roles"):
        place.operation(builder, "create_roles")
    # a superuser sets it up; the builder goes on seeing every row, and its views too
    place.operation(place.dsn, "create_roles")
    assert place.build(builder, *MODELS, "--full-refresh").ok
    assert one(builder, "select count(*) from reporting.mv_current_occupancy") == garages
    assert one(place.dsn, "select count(*) from reporting.mv_current_occupancy") == garages
    # another builder, whom row-level security would leave with nothing, is told so
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        owner.execute("drop policy vend_others on public.payments")
    with pytest.raises(VendError, match=r"Row-level security would hide rows of public\.payments"):
        place.build(builder, *SECURE)


def test_no_tenant_builds_and_no_tenant_is_powerful(place: Place, unbuilt: Place) -> None:
    database = conninfo.conninfo_to_dict(unbuilt.dsn)["dbname"]
    with psycopg.connect(unbuilt.dsn, autocommit=True) as owner:
        owner.execute("alter role vend_app password 'quiet'")
        owner.execute(f"grant create on database {database} to vend_app".encode())
        owner.execute("grant select on all tables in schema public to vend_app")
    tenant = conninfo.make_conninfo(unbuilt.dsn, user="vend_app", password="quiet")
    with pytest.raises(VendError, match="vend_app is a tenant's role"):
        unbuilt.build(tenant, *MODELS)
    for statement, undo, words in (
        ("alter role vend_app bypassrls", "alter role vend_app nobypassrls", "vend_app bypasses row-level security"),
        (
            f"grant {reads_all(place, 'vend_sync')} to vend_bi",
            f"revoke {reads_all(place, 'vend_sync')} from vend_bi",
            "is a member of",
        ),
        (
            "grant select (amount) on payments to public",
            "revoke select (amount) on payments from public",
            "granted to everybody",
        ),
        ("grant select on payments to public", "revoke all on payments from public", "granted to everybody"),
    ):
        with psycopg.connect(place.dsn, autocommit=True) as owner:
            owner.execute(statement.encode())
            try:
                with pytest.raises(VendError, match=words):
                    place.operation(place.dsn, "create_roles")
            finally:
                owner.execute(undo.encode())


def test_two_databases_of_a_server_at_the_same_time(place: Place, unbuilt: Place) -> None:
    with ThreadPoolExecutor() as pool:
        told = list(pool.map(lambda where: where.operation(where.dsn, "create_roles"), (place, unbuilt)))
    assert "Row-level security is on" in told[0]
    assert "vend_sync is there." in told[1]
    assert "The hot side is not built yet" in told[1]
    assert one(unbuilt.dsn, "select bool_or(relrowsecurity) from pg_class where relname = 'payments'") is False


def test_sync_reads_every_row_with_its_own_role(place: Place) -> None:
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        owner.execute("alter role vend_sync password 'quiet'")
    reader = conninfo.make_conninfo(place.dsn, user="vend_sync", password="quiet")
    run = sync.sync(place.settings, reader)
    assert run.ok
    assert one(reader, "select count(*) from public.payments") == one(place.dsn, "select count(*) from public.payments")
    with psycopg.connect(reader) as connection:
        for statement in ("delete from public.payments", "select * from reporting.mv_daily_revenue"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())

"""Reads the reports as one user sees them: hot, where Postgres decides, and cold, through the secure views.

Without a user it is the operator who reads, and owns both databases: all rows. Nothing here can write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from typing import Any
from uuid import UUID

from vend import figures, ops, postgres
from vend.errors import VendError
from vend.patience import patiently
from vend.progress import say
from vend.settings import Settings

REPORT = re.compile(r"\breports\.(?:rpt|vw)_(\w+)", re.IGNORECASE)


class DeniedError(VendError):
    """The user may not see that."""


@dataclass(frozen=True)
class Table:
    """Values are exact: Decimal, int, date, datetime, str, bool or None; ids are str."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Garage:
    id: str
    name: str


@dataclass(frozen=True)
class Reader:
    """One side, as `user` sees it. user: for messages; None for the operator. garages: those the user may see.

    sees_all: the operator or a super admin. as_of: up to which instant each rpt_* counts, naive UTC, where its build is
    recorded; of the hot side each mv_*, where a build has stopped its clock.
    """

    user: str | None
    sees_all: bool
    garages: Sequence[Garage]
    _read: Callable[[str, Mapping[str, Any]], Table]
    as_of: Mapping[str, datetime] = field(default_factory=dict)

    def rows(self, statement: str, **values: Any) -> Table:
        """The answer to a query. values: for its :names.

        A report that it names is read through its secure view for who does not see all, so the same query serves
        everybody. Raises DeniedError for one that has none, VendError for one that is not built.
        """
        return self._read(statement, values)

    def garage(self, given: str) -> Garage:
        """The garage of that id or name, upper or lower case. Raises DeniedError for one that the user may not see, in
        the words for one that does not exist."""
        wanted = given.strip().lower()
        found = [garage for garage in self.garages if wanted in (garage.id.lower(), garage.name.strip().lower())]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(garage.id for garage in found)
            raise VendError(f"{len(found)} garages are called {given!r}: {ids}. Name one by id.")
        if self.sees_all:
            near = get_close_matches(given, [garage.name for garage in self.garages], n=3, cutoff=0.6)
            hint = f" Did you mean {' or '.join(near)}?" if near else " Name one by id or name."
            raise VendError(f"There is no garage {given!r}.{hint}")
        raise DeniedError(
            f"Access denied: {self.user} administers no garage {given!r}. "
            f"Theirs: {', '.join(garage.name for garage in self.garages)}."
        )


# ------------------------------------------------------------------------------------------------------- cold

FIND_USER = """
    select user_id, email, role = 'super_admin'
    from staging.stg_users
    where user_id = :wanted or email = :wanted
    order by user_id
"""
ALL_GARAGES = "select garage_id, garage_name from marts.dim_garages order by garage_name nulls last, garage_id"
OWN_GARAGES = """
    select garages.garage_id, garages.garage_name
    from marts.dim_garages as garages
    where garages.garage_id in (select access.garage_id from security.garage_access as access where user_id = :user)
    order by garages.garage_name nulls last, garages.garage_id
"""
BUILT = "select lower(table_name) from information_schema.tables where lower(table_schema) in ('marts', 'reports')"


@contextmanager
def cold(settings: Settings, user: str | None = None) -> Iterator[Reader]:
    """REPORTS as the user (id or email) sees it. Waits for a DuckDB file in use. Raises DeniedError for one who sees
    nothing."""
    with patiently(lambda: figures.connected(settings), tell=say) as connected:

        def ask(statement: str, **values: Any) -> Table:
            names, rows = connected(*ops.bound(statement, values))
            return Table(names, rows)

        built = {name for (name,) in ask(BUILT).rows}
        if "dim_garages" not in built:
            raise VendError("The cold side is not built yet. Build it with `vend build cold`.")
        if user is None:
            label, user_id, sees_all = None, None, True
        else:
            label, user_id, sees_all = _known(user, ask(FIND_USER, wanted=user.strip().lower()).rows)
        garages = ask(ALL_GARAGES) if sees_all else ask(OWN_GARAGES, user=user_id)
        own = [Garage(*row) for row in garages.rows]
        as_of = {}
        with suppress(VendError):  # a login that may not read OPS, or reports that were built by other means
            as_of = {name: datetime.fromisoformat(at) for name, _, at in ask(ops.statement("reports_built")).rows}
        if not sees_all:
            _someone(label, own)
            _become(settings, connected, str(user_id))

        def read(statement: str, values: Mapping[str, Any]) -> Table:
            named = partial(_relation, settings, built, label, sees_all)
            return ask(REPORT.sub(named, statement), **values)

        yield Reader(label, sees_all, own, read, as_of)


def _relation(settings: Settings, built: set[str], user: str | None, sees_all: bool, match: re.Match[str]) -> str:
    """The relation to read for one named in a query."""
    named, what = match[0].lower().removeprefix("reports."), match[1].lower()
    if not sees_all:
        if f"vw_{what}" not in built and f"rpt_{what}" in built:
            raise DeniedError(
                f"Access denied: rpt_{what} covers the whole platform and is for super admins; {user} is not one."
            )
        name = f"vw_{what}"
    elif settings.warehouse == "snowflake" and user is None:
        name = named  # there the login decides what a view shows
    else:
        name = f"rpt_{what}"
    if name not in built:
        raise VendError(f"reports.{name} is not built yet. Build it with `vend build cold`.")
    return f"reports.{name}"


def _become(settings: Settings, connected: figures.Read, user_id: str) -> None:
    """From here on the secure views show what that user may see; a filter on DuckDB, no boundary."""
    if settings.warehouse == "snowflake":
        connected("use role vend_app")
        connected("use secondary roles none")
        connected(f"set app_user = '{UUID(user_id)}'")
    else:
        connected("set variable app_user = ?", [user_id])


# -------------------------------------------------------------------------------------------------------- hot

FIND_HOT_USER = """
    select id::text, email, role::text = 'super_admin'
    from public.users
    where id::text = %(wanted)s or lower(trim(email)) = %(wanted)s
    order by id
"""
# has a row for every garage
HOT_GARAGES = """
    select garage_id::text, garage_name from reporting.mv_active_subscriptions order by garage_name, garage_id
"""
ROLES = """
    select to_regclass('reporting.mv_active_subscriptions') is not null,
        exists (select from pg_roles where rolname = 'vend_app'),
        coalesce(
            has_schema_privilege(to_regnamespace('hot')::oid, 'usage')
            and has_table_privilege(to_regclass('hot.setting'), 'select'),
            false
        )
"""
STOPPED = """
    select matviewname, as_of
    from pg_matviews, (select max(as_of) as as_of from hot.setting) as clock
    where schemaname = 'hot' and as_of is not null
"""


@contextmanager
def hot(dsn: str, user: str | None = None) -> Iterator[Reader]:
    """reporting.* as the user (id or email) sees it, in one snapshot; Postgres decides, as for the application.

    Raises DeniedError for one who sees nothing.
    """
    with (
        postgres.explained("The hot side cannot be read", dsn),
        postgres.connect(dsn) as connection,
        connection.transaction(),
    ):
        connection.execute("set transaction isolation level repeatable read, read only")
        built, roles, may = connection.execute(ROLES).fetchone() or (False, False, False)
        if not built:
            raise VendError("The hot side is not built yet. Build it with `vend build hot`.")
        as_of: dict[str, datetime] = dict(connection.execute(STOPPED).fetchall()) if may else {}
        label, sees_all = None, True
        if user is not None:
            found = connection.execute(FIND_HOT_USER, {"wanted": user.strip().lower()}).fetchall()
            label, user_id, sees_all = _known(user, found)
            if not roles:
                raise VendError("Reading as a user needs the role vend_app in Postgres. Make it with `vend roles`.")
            connection.execute("set local role vend_app")
            connection.execute("select set_config('app.current_user_id', %s, true)", [user_id])
        own = [Garage(*row) for row in connection.execute(HOT_GARAGES)]
        if not sees_all:
            _someone(label, own)

        def read(statement: str, values: Mapping[str, Any]) -> Table:
            text, bound = ops.bound(statement.replace("%", "%%"), values, "%s")
            cursor = connection.execute(text, bound)
            names = [column.name for column in cursor.description or ()]
            rows = [tuple(str(v) if isinstance(v, UUID) else v for v in row) for row in cursor.fetchall()]
            return Table(names, rows)

        yield Reader(label, sees_all, own, read, as_of)


# ------------------------------------------------------------------------------------------------------- both


def _known(given: str, found: Sequence[tuple[Any, ...]]) -> tuple[str, str, bool]:
    """What to call the user, their id, and whether they see all."""
    if not found:
        raise DeniedError(f"Access denied: there is no user {given!r}. Name one by id or email.")
    if len(found) > 1:
        ids = ", ".join(row[0] for row in found)
        raise VendError(f"{len(found)} users have the address {given!r}: {ids}. Name one by id.")
    user_id, email, leads = found[0]
    return str(email or user_id), str(user_id), bool(leads)


def _someone(label: str | None, garages: Sequence[Garage]) -> None:
    if not garages:
        raise DeniedError(f"Access denied: {label} administers no garage and is no super admin.")

"""The `vend` command. Commands parse and print; the work is in the modules they call.

Modules are imported inside the commands, so that `vend --version` and `--help` answer at once.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from vend import __version__
from vend.errors import UsageError, VendError
from vend.settings import Settings, load

if TYPE_CHECKING:
    from vend.dbt import Outcome
    from vend.progress import Progress


class Instant(click.ParamType[datetime]):
    """An instant in UTC as a naive datetime: 2026-01-31, 2026-01-31T12:00:00, or with an offset."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
            moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            if not 1970 <= moment.year <= 2200:
                self.fail(f"{value!r} is not within 1970 to 2200.", param, ctx)
            return moment
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no date. Write an instant in UTC as 2026-01-31 or 2026-01-31T12:00:00.",
                param,
                ctx,
            )


class Group(click.Group):
    """Turns what goes wrong below into one sentence on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VendError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("VEND_DEBUG"):
                raise
            click.echo(f"Error: {_unforeseen(error)}", err=True)
            ctx.exit(1)


class Logged(click.Command):
    """A command whose stderr is a log: lines of JSON where it is no terminal, the last one too, whatever ends it."""

    def invoke(self, ctx: click.Context) -> Any:
        from vend import progress

        with progress.log(run_id=None, step=None):
            try:
                return super().invoke(ctx)
            except VendError as error:
                progress.say(f"Error: {error}" if sys.stderr.isatty() else str(error), "error")
                ctx.exit(error.exit_code)
            except KeyboardInterrupt:
                progress.say("Ended by Ctrl-C.", "error")
                ctx.exit(1)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except Exception as error:
                if os.environ.get("VEND_DEBUG"):
                    raise
                progress.say(_unforeseen(error), "error")
                ctx.exit(1)


class Monitor(click.Command):
    """A command that monitoring calls: whatever keeps it from its answer is exit code 3, unknown; never 1 or 2."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            error.show()
            sys.exit(3)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VendError as error:
            error.exit_code = 3
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("VEND_DEBUG"):
                raise
            unforeseen = VendError(_unforeseen(error))
            unforeseen.exit_code = 3
            raise unforeseen from None


def _unforeseen(error: Exception) -> str:
    return (
        f"something unforeseen happened ({type(error).__name__}). "
        "Set VEND_DEBUG=1 and run the command again to see where, and report it."
    )


as_of_option = click.option(
    "--as-of", type=Instant(), help="Up to which instant (UTC) events count; a date means its midnight."
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vend")
def main() -> None:
    """Vend's hybrid warehouse: load RAW from Postgres, build the hot and the cold side."""
    # Ends like Ctrl-C does, so that locks, files and a running dbt are not left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def hot_dsn(settings: Settings) -> str:
    """The hot side's address; starts the embedded server where no other is given."""
    return _reached(settings, settings.postgres_dsn)


def source_dsn(settings: Settings) -> str:
    """What sync reads."""
    return _reached(settings, settings.source_dsn or settings.postgres_dsn)


def _reached(settings: Settings, given: str | None) -> str:
    """The DSN given, or the embedded server's; that server is started if need be."""
    from vend import server

    if given is not None and not server.is_own(settings, given):
        return given
    own = server.up(settings)
    return given or own


@main.command()
def up() -> None:
    """Start the embedded Postgres, if none is named."""
    settings = load()
    from vend import postgres

    dsn = hot_dsn(settings)
    with postgres.connect(dsn) as connection:
        version = connection.info.parameter_status("server_version")
    click.echo(f"Postgres {version} answers: {postgres.redacted(dsn)}")


@main.command()
def down() -> None:
    """Stop the embedded Postgres. Its data stay."""
    from vend import server

    stopped = server.down(load())
    click.echo("The embedded Postgres is stopped." if stopped else "The embedded Postgres was not running.")


@main.command()
def status() -> None:
    """Show what runs, what is loaded and how fresh it is."""
    from vend import status as report

    click.echo(report.as_text(load()))


@main.command()
def env() -> None:
    """Print the settings in force as export lines.

    For eval in a shell of its own, to use dbt or psql by hand. Passwords are left out. Starts the embedded server
    if no other is given.
    """
    from vend import dbt, postgres

    settings = load()
    hot = hot_dsn(settings)
    source = source_dsn(settings)
    values = dbt.environment(settings, hot)
    values |= {"VEND_POSTGRES_DSN": postgres.redacted(hot), "VEND_SOURCE_DSN": postgres.redacted(source)}
    for name in sorted(values.keys() - {"PGPASSWORD"}):
        click.echo(f"export {name}={shlex.quote(values[name])}")
    if (values["VEND_POSTGRES_DSN"], values["VEND_SOURCE_DSN"]) != (hot, source):
        click.echo("The password is left out: set PGPASSWORD or use a password file.", err=True)


@main.group()
def source() -> None:
    """Rehearse Vend's operational database.

    Create it, fill it with made-up business, play a day on it.
    """


@source.command("init")
def source_init() -> None:
    """Create the operational schema; what is there already stays."""
    from vend import source as operational

    created = operational.init(hot_dsn(load()))
    click.echo(f"Created: {', '.join(created)}." if created else "The schema is there; nothing to do.")


@source.command("seed")
@click.option("--garages", default=200, show_default=True, help="How many garages, 8 or more.")
@click.option("--months", default=30, show_default=True, help="How many months of history.")
@click.option(
    "--payments",
    type=click.IntRange(0, 1_000_000_000),
    default=100_000,
    show_default=True,
    help="About how many payment attempts.",
)
@click.option("--seed", default=1, show_default=True, help="Same number, same data.")
@as_of_option
def source_seed(garages: int, months: int, payments: int, seed: int, as_of: datetime | None) -> None:
    """Fill the empty schema with a believable business; deterministic for its arguments."""
    from vend import source as operational
    from vend.progress import progress

    with progress() as update:
        rows = operational.seed(
            hot_dsn(load()),
            garages=garages,
            months=months,
            payments=payments,
            seed=seed,
            as_of=as_of,
            progress=update,
        )
    _print_rows(rows)


@source.command("mutate")
@click.option("--seed", default=1, show_default=True, help="Same number, same day.")
@as_of_option
def source_mutate(seed: int, as_of: datetime | None) -> None:
    """Play a day of made-up business.

    Renewals, failures, refunds, cancellations, parking, a renamed garage … Only on data that `vend source seed`
    made, unless --as-of is named.
    """
    from vend import source as operational

    dsn = hot_dsn(load())
    _print_rows(operational.mutate(dsn, seed=seed, as_of=as_of))
    recorded = operational.recorded(dsn)
    if recorded is not None:
        at = f"{recorded['as_of']:%Y-%m-%dT%H:%M:%S}"
        click.echo(f"The business now stands at {at} UTC; build with --as-of {at}, or run `make demo` again.", err=True)


def _print_rows(rows: dict[str, int]) -> None:
    for name, count in rows.items():
        click.echo(f"{name:<28}{count:>14,}")


@contextmanager
def _json_of_errors(form: str) -> Iterator[None]:
    """Where JSON is asked for, an error of the whole run is an object on stdout too: ok and error."""
    try:
        yield
    except VendError as error:
        if form == "json":
            click.echo(json.dumps({"ok": False, "error": str(error)}))
        raise


@main.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--dry-run", is_flag=True, help="Say what would move; change nothing.")
@click.option("--full-refresh", is_flag=True, help="Read every row again.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def sync(tables: tuple[str, ...], dry_run: bool, full_refresh: bool, form: str) -> None:
    """Load what changed in Postgres into RAW.

    All nine tables from one snapshot, or those named.
    """
    from vend import progress
    from vend import sync as loader

    settings = load()
    with _json_of_errors(form), progress.tables() as (rows, state):
        run = loader.sync(
            settings,
            source_dsn(settings),
            tables=tables,
            full_refresh=full_refresh,
            dry_run=dry_run,
            progress=rows,
            state=state,
        )
    click.echo(loader.as_json(run) if form == "json" else loader.as_text(run))
    if not run.ok:
        sys.exit(1)


@main.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--repair", is_flag=True, help="Fetch the rows that differ; mark those that are gone.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def reconcile(tables: tuple[str, ...], repair: bool, form: str) -> None:
    """Compare every row of RAW with Postgres.

    By hashes, down to the keys and columns that differ. What changed since the last sync is left out and counted.
    Exit code 0: equal, or repaired; 1: differs.
    """
    from vend import progress
    from vend import reconcile as comparison

    settings = load()
    with _json_of_errors(form), progress.tables(kept=form == "json") as (_, state):
        result = comparison.reconcile(settings, source_dsn(settings), tables=tables, repair=repair, state=state)
    click.echo(comparison.as_json(result) if form == "json" else comparison.as_text(result))
    if not result.ok:
        sys.exit(1)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("side", type=click.Choice(["hot", "cold"]))
@as_of_option
@click.argument("dbt_args", nargs=-1, type=click.UNPROCESSED, metavar="[DBT ARGS]...")
def build(side: str, as_of: datetime | None, dbt_args: tuple[str, ...]) -> None:
    """Run `dbt build` for one side.

    Further arguments go to dbt as they are.
    """
    outcome = build_side(load(), side, as_of, dbt_args)
    click.echo(summary_line(outcome))
    if not outcome.ok:
        sys.exit(1)


def build_side(
    settings: Settings,
    side: str,
    as_of: datetime | None,
    dbt_args: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Outcome:
    """`dbt build` of one side on the servers in force; what `vend build` and the demo share."""
    from vend import dbt, figures

    if side == "hot":
        from vend import postgres, server
        from vend.source import schema

        dsn = hot_dsn(settings)
        with postgres.connect(dsn) as connection:
            schema.require(connection, dsn)
            may = connection.execute("select has_database_privilege(current_database(), 'create')").fetchone()
            if may != (True,):
                user, database = connection.info.user, connection.info.dbname
                raise VendError(
                    f"{user} may not create the schemas hot and reporting at {postgres.where(dsn)}. "
                    f'Run there: grant create on database "{database}" to "{user}";'
                )
        # the embedded server's roles are ours to make; on any other that is for `vend roles`
        own = {"VEND_REHEARSAL": "1"} if server.is_own(settings, dsn) else {}
        return dbt.build(settings, side, dsn=dsn, as_of=as_of, arguments=dbt_args, progress=progress, environ=own)
    if settings.warehouse == "snowflake" and (settings.project / "profiles.yml").is_symlink():
        needed = ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY_FILE")
        if missing := [name for name in needed if not os.environ.get(name)]:
            raise UsageError(f"VEND_WAREHOUSE=snowflake needs {', '.join(missing)} as well. Set them and rerun.")
    with figures.exclusively(settings):
        return dbt.build(settings, side, as_of=as_of, arguments=dbt_args, progress=progress)


def summary_line(outcome: Outcome) -> str:
    """One line for a person: what was built, which tests passed."""
    tests = ("test", "unit_test")
    built = outcome.count("success", kinds=("model", "seed", "snapshot"))
    passed, warned = outcome.count("pass", kinds=tests), outcome.count("warn", kinds=tests)
    failed, skipped = outcome.count("error", "fail"), outcome.count("skipped")
    line = f"{outcome.side}: {built} relations built, {passed} tests passed"
    line += f", {warned} warned" if warned else ""
    line += f", {failed} failed" if failed else ""
    line += f", {skipped} skipped" if skipped else ""
    return "\n".join([f"{line} in {outcome.seconds:.0f} s", *(f"  {f}" for f in outcome.failures)])


@main.command(cls=Logged)
@as_of_option
@click.option("--sync/--no-sync", default=True, help="Without: another loader fills RAW.", show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def run(as_of: datetime | None, sync: bool, form: str) -> None:
    """What cron calls: sync, freshness, build cold, compare with hot, check.

    Stops where going on would publish wrong figures: the reports of the run before stand, and the checks tell who is on
    call. Leaves a row in ops.runs. Exit code 0: done, perhaps with warnings; 1: stopped, or a critical alert.
    """
    from vend import run as runner

    settings = load()
    with _json_of_errors(form):
        record = runner.run(settings, sync=sync, as_of=as_of)
    click.echo(runner.as_json(record) if form == "json" else runner.as_text(record))
    if not record.ok:
        sys.exit(1)


@main.command(cls=Monitor)
@click.argument("names", nargs=-1, metavar="[ALERT]...")
@click.option("--dry-run", is_flag=True, help="Send nothing and keep no alert.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(names: tuple[str, ...], dry_run: bool, form: str) -> None:
    """Evaluate the alerts of alerts.yml, or those named.

    Tells those who are to know: once when an alert opens, again each day, once when it is over. Exit code 0: all is
    well; 1: warning; 2: critical; 3: unknown, for a check could not run or a message was not accepted.
    """
    from vend import check as checking
    from vend import check_report

    with _json_of_errors(form):
        report = checking.check(load(), names, dry_run=dry_run)
    for sentence in (*report.undelivered, *report.notes):
        click.echo(sentence, err=True)
    click.echo(check_report.as_json(report) if form == "json" else check_report.as_text(report))
    sys.exit(report.exit_code)


@main.command()
@click.option("--out", type=click.Path(file_okay=False), help="Where to put it; else `docs` in VEND_HOME.")
@click.option("--serve", is_flag=True, help="Then show it to this machine's browsers until Ctrl-C.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="For --serve; 0: a free one."
)
def docs(out: str | None, serve: bool, port: int) -> None:
    """Make the catalog: both sides in one web page.

    Every table, column, test and report, with owner, freshness and lineage from the operational tables to the
    dashboards. One file, index.html, that needs no network and no server. What is not built yet is in it as the project
    declares it.
    """
    from pathlib import Path

    from vend import docsite
    from vend import serve as server

    settings = load()
    published = docsite.publish(settings, Path(out).absolute() if out else docsite.default_folder(settings))
    for sentence in published.missing:
        click.echo(f"{sentence} Of that side the catalog has what the project declares.", err=True)
    click.echo(str(published.page))
    if serve:
        files = {"/": published.page, "/index.html": published.page}
        server.serve(files, port, lambda address: click.echo(f"{address}  (Ctrl-C ends it)"))


@main.command()
@click.option("--every", type=click.IntRange(1), metavar="SECONDS", help="Go on until stopped, so often; 300 is usual.")
@click.option("--schedule", is_flag=True, help="Have the database's pg_cron do it, every 5 minutes or as --every says.")
@click.option("--reconcile", is_flag=True, help="Compare the summaries with the source before, row by row, and repair.")
def refresh(every: int | None, schedule: bool, reconcile: bool) -> None:
    """Bring the hot views up to date; readers are not blocked.

    With --every, the first round of each day (UTC) also reconciles. SIGTERM and Ctrl-C end it after the view at hand.
    """
    from vend import refresh as refresher

    if reconcile and (schedule or every):
        raise UsageError("--schedule and --every reconcile by themselves, once a day; leave --reconcile away.")
    dsn = hot_dsn(load())
    if standing := refresher.clock(dsn):
        click.echo(standing, err=True)
    if schedule:
        click.echo(refresher.schedule(dsn, every or 300))
        return
    if every is not None:
        _refresh_until_stopped(dsn, every)
        return
    results = refresher.refresh(dsn, reconcile=reconcile)
    for view in results:
        shown = f"{view.rows:>12,} rows" if view.rows is not None else f"{view.error}"
        click.echo(f"{view.relation:<28}{view.status:<9}{shown}  {view.seconds:6.2f} s  {view.note or ''}".rstrip())
    for table, how in refresher.captures(dsn).items():
        if how == "whole":
            remedy = " and no index on updated_at" if table == "payments" else ""
            click.echo(f"public.{table} has no triggers of ours{remedy}, so each refresh reads it whole.", err=True)
    if any(view.status != "success" for view in results):
        sys.exit(1)


def _refresh_until_stopped(dsn: str, seconds: int) -> None:
    """Rounds of refresh until a signal; ends as any command does on that signal. A second signal ends it at once."""
    import threading

    from vend import refresh as refresher

    stop = threading.Event()
    received: list[int] = []

    def on_signal(number: int, _: object) -> None:
        if received:
            sys.exit(128 + number)
        received.append(number)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)

    def say(line: str) -> None:
        click.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}", err=True)

    def once() -> list[refresher.Refreshed]:
        return refresher.refresh(dsn, reconcile=None, stopped=stop.is_set)

    refresher.every(seconds, once, wait=stop.wait, say=say)
    if received[0] == signal.SIGINT:
        raise click.Abort
    sys.exit(128 + received[0])


@main.command()
@click.option(
    "--bind",
    nargs=2,
    multiple=True,
    metavar="LOGIN USER",
    help="Also make a login for a BI tool that sees what the user (id or email) may see.",
)
def roles(bind: tuple[tuple[str, str], ...]) -> None:
    """Create the roles of Postgres, their grants and row-level security.

    vend_app for the application, vend_bi for BI logins, vend_sync for sync. Can be rerun; says what it did.
    """
    from vend import dbt

    settings = load()
    dsn = hot_dsn(settings)
    click.echo(dbt.operation(settings, "create_roles", dsn))
    for login, user in bind:
        click.echo(dbt.operation(settings, "bind_login", dsn, login=login, user=user))


@main.group()
def cost() -> None:
    """What Snowflake should cost in a month, and what it did cost.

    By cost.yml and the vars of `vend provision`; docs/cost.md explains.
    """


set_option = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another value for an assumption of cost.yml, or for warehouse_suspend or a warehouse's size.",
)


@cost.command("plan")
@set_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def cost_plan(changes: tuple[str, ...], form: str) -> None:
    """Reckon a month, beside the architecture's figures.

    From schedule, run times, sizes, suspend time, edition and storage, each printed with its source. Needs no account.
    """
    from vend import cost as costing
    from vend import cost_report

    with _json_of_errors(form):
        plan = costing.reckoned(costing.load(load(), changes))
        shown = cost_report.plan_json(plan) if form == "json" else cost_report.plan_text(plan)
    click.echo(shown)


@cost.command("actual")
@click.option(
    "--month", type=click.DateTime(["%Y-%m"]), metavar="YYYY-MM", help="Which one; else the one at hand (UTC)."
)
@set_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def cost_actual(month: datetime | None, changes: tuple[str, ...], form: str) -> None:
    """Read a month's bill on Snowflake.

    Credits by warehouse, day and model, how many were idle, what the month is on course for, beside the plan. For a
    role that may read SNOWFLAKE.ACCOUNT_USAGE, whose views are up to 8 hours late.
    """
    from vend import cost_actual as billing
    from vend import cost_report

    now = datetime.now(UTC).replace(tzinfo=None)
    with _json_of_errors(form):
        bill = billing.actual(load(), (month or now).date().replace(day=1), now, changes)
        shown = cost_report.actual_json(bill) if form == "json" else cost_report.actual_text(bill)
    click.echo(shown)


@main.command()
@click.option("--dry-run", is_flag=True, help="Print the statements and run none; needs no account.")
@click.option("--monitor", is_flag=True, help="Also a monthly limit on credits and who sees costs; ACCOUNTADMIN only.")
@click.option(
    "--public-key",
    "public_keys",
    type=(click.Choice(["vend_sync", "vend_dbt", "vend_metabase"]), click.Path(exists=True, dir_okay=False)),
    multiple=True,
    metavar="USER FILE",
    help="Public key of a service user: vend_sync, vend_dbt or vend_metabase.",
)
def provision(dry_run: bool, monitor: bool, public_keys: tuple[tuple[str, str], ...]) -> None:
    """Prepare a Snowflake account: roles, warehouses, schemas, grants, users.

    As an administrator, before the first sync. Can be rerun; prints each statement.
    """
    from pathlib import Path

    from vend import provision as provisioning

    keys = {user: Path(file) for user, file in public_keys}
    click.echo(provisioning.provision(load(), dry_run=dry_run, monitor=monitor, public_keys=keys))


@main.command()
@click.argument("name", required=False)
@click.option("--garage", metavar="GARAGE", help="The rows of one garage, by id or name.")
@click.option("--as", "user", metavar="USER", help="As this user (id or email) sees it; without: all rows.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--limit", type=click.IntRange(0), help="So many rows at most, 0: all.  [default: table 100, others all]")
def report(name: str | None, garage: str | None, user: str | None, form: str, limit: int | None) -> None:
    """Print a report, or list them all.

    NAME is the model's: rpt_garage_monthly_pl, mv_daily_revenue, … The rows are in the order of its key. With --as they
    come through the secure views, as the database decides; exit code 1 where the user may not see the report or garage.
    """
    from vend import catalog, report_print
    from vend import report as reports

    settings = load()
    with _json_of_errors(form):
        if name is None:
            if garage or user:
                raise UsageError("Name the report that --garage and --as are for; `vend report` lists them.")
            click.echo(report_print.listed(list(catalog.reports(settings).values()), form), nl=False)
            return
        limit = 100 if limit is None and form == "table" else limit or None
        found = catalog.find(settings, name)
        dsn = hot_dsn(settings) if found.side == catalog.HOT else ""
        answer = reports.read(settings, found, dsn=dsn, user=user, garage=garage, limit=limit)
    click.echo(report_print.printed(answer, form), nl=False)
    if answer.note:
        click.echo(answer.note, err=True)


@main.command()
@click.option("--garage", metavar="GARAGE", help="The page of one garage, by id or name.")
@click.option("--as", "user", metavar="USER", help="As this user (id or email) sees it; without: everything.")
@click.option("--out", metavar="DIR", help="Where to write.  [default: dashboards in VEND_HOME, per user]")
@click.option("--format", "form", type=click.Choice(["html", "png", "csv"]), default="html", show_default=True)
@click.option("--serve", is_flag=True, help="Then serve them on this machine until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="For --serve; 0: any.")
def dashboard(garage: str | None, user: str | None, out: str | None, form: str, serve: bool, port: int) -> None:
    """Write the dashboards: pages that stand alone.

    One page per garage, one of the platform for Vend's leadership, and an index; an admin gets the garages they
    administer. With --as the rows come through the secure views, as the database decides; exit code 1 where the user
    may not see the garage. html needs no network; png needs Chromium; csv writes the tables behind.
    """
    from pathlib import Path

    from vend.dashboard import write
    from vend.progress import progress

    settings = load()
    with progress("pages") as update:
        written = write.write(
            settings,
            hot_dsn(settings),
            Path(out).expanduser().absolute() if out else None,
            garage=garage,
            user=user,
            form=form,
            progress=update,
        )
    files = "file" if len(written.files) == 1 else "files"
    click.echo(f"{len(written.files):,} {files} in {written.folder}")
    click.echo(f"Start with {written.start}")
    if serve:
        from vend import serve as server

        pages = {f"/{file.name}": file for file in written.files} | {"/": written.start}
        server.serve(pages, port, lambda address: click.echo(f"{address}  (Ctrl-C ends it)"))


@main.group()
def metabase() -> None:
    """Provision Metabase on REPORTS: connection, questions, dashboards."""


@metabase.command("push")
@click.option("--dry-run", is_flag=True, help="Say what would be written; write nothing.")
def metabase_push(dry_run: bool) -> None:
    """Make Metabase hold what metabase/content.yml declares.

    The connection to REPORTS, descriptions, a collection per audience with its questions and dashboard. Writes what
    differs and nothing else; can be rerun. Needs METABASE_URL and METABASE_API_KEY.
    """
    from vend.metabase import push

    click.echo(push.push(load(), dry_run=dry_run).as_text())


@metabase.command("embed-url")
@click.option("--garage", required=True, metavar="GARAGE", help="The garage, by id or name.")
@click.option("--as", "user", metavar="USER", help="Who will look (id or email); denied where they may not see it.")
@click.option("--minutes", type=click.IntRange(1, 1440), default=10, show_default=True, help="How long it is good for.")
def metabase_embed_url(garage: str, user: str | None, minutes: int) -> None:
    """Print the signed address of a garage's dashboard, for an iframe.

    Whoever has it sees that garage until it expires. Needs METABASE_EMBED_SECRET too.
    """
    from vend.metabase import embed

    click.echo(embed.url(load(), garage, user=user, minutes=minutes))


@main.command(hidden=True)
def setup() -> None:
    """Install the dbt packages; what `make setup` ends with."""
    from vend import packages

    packages.ensure(load())


@main.command()
def demo() -> None:
    """Rehearse the whole way, with figures.

    Database, made-up data, RAW, hot and cold side. `make demo` calls it.
    """
    from vend import demo as rehearsal

    if not rehearsal.run(load()):
        sys.exit(1)

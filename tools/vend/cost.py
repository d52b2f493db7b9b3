"""What a month should cost: cost.yml and the vars of `vend provision`, reckoned as Snowflake bills.

Exact until the end: fractions inside, each line rounded to cents once, and sums of what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

from vend import documents
from vend.errors import UsageError, VendError
from vend.settings import Settings

FILE = "cost.yml"
PARTS = ("assumptions", "loads", "lines", "claims", "what_if", "pure")
# Snowflake, Overview of warehouses: credits an hour of a standard warehouse, first generation.
CREDITS_AN_HOUR = {
    "xsmall": 1,
    "small": 2,
    "medium": 4,
    "large": 8,
    "xlarge": 16,
    "xxlarge": 32,
    "xxxlarge": 64,
    "x4large": 128,
    "x5large": 256,
    "x6large": 512,
}
# Snowflake, Understanding compute cost: by the second, and a minute at least each time a warehouse resumes.
LEAST_SECONDS = 60
HOUR, DAY = 3600, 86400
FACTS = (
    (
        "credits an hour by size",
        ", ".join(f"{size} {n}" for size, n in CREDITS_AN_HOUR.items()),
        "Overview of warehouses",
    ),
    (
        "billed",
        f"by the second, at least {LEAST_SECONDS} s each time a warehouse resumes",
        "Understanding compute cost",
    ),
    ("idle", "a warehouse is billed until it is suspended, queries or none", "Understanding compute cost"),
)
"""What is no assumption, and the page of Snowflake's documentation that says so."""
SUSPEND = "warehouse_suspend"
MEASURED = {"sync_seconds": "ops.sync_runs", "build_seconds": "ops.dbt_runs"}
MEASURED_RUNS = 20

_SQL = Path(__file__).parent / "cost_sql"


@dataclass(frozen=True)
class Assumption:
    """value: a number, or the name of an edition or a size."""

    name: str
    value: Decimal | str
    source: str


@dataclass(frozen=True)
class Model:
    """All a plan is reckoned from. sizes: by warehouse, as in the assumptions too. The rest as cost.yml has it."""

    assumptions: Mapping[str, Assumption]
    sizes: Mapping[str, str]
    monthly_credits: Decimal
    loads: Sequence[Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]]
    claims: Mapping[str, Fraction]
    what_if: Sequence[Mapping[str, Any]]
    pure: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def number(self, name: str) -> Fraction:
        return Fraction(self.assumptions[name].value)

    @property
    def price(self) -> Fraction:
        """$ a credit."""
        return self.number(f"price_{self.assumptions['edition'].value}")


@dataclass(frozen=True)
class Load:
    """What wakes a warehouse, in a month. each: seconds billed each time. crowded: it cannot end before the next."""

    name: str
    warehouse: str
    size: str
    times: Fraction
    seconds: Fraction
    each: Fraction
    hours: Fraction
    credits: Fraction
    dollars: Decimal
    crowded: bool


@dataclass(frozen=True)
class Line:
    """A line of the architecture's table, and of the plan."""

    name: str
    claimed: Decimal
    planned: Decimal
    why: str


@dataclass(frozen=True)
class Plan:
    """A month. extra: credits of cloud services beyond what is free, and serverless ones, by name."""

    model: Model
    loads: tuple[Load, ...]
    extra: Mapping[str, Fraction]
    storage: Decimal
    lines: tuple[Line, ...]

    @property
    def credits(self) -> Fraction:
        return sum((load.credits for load in self.loads), Fraction(0)) + sum(self.extra.values())

    @property
    def hours(self) -> Fraction:
        return sum((load.hours for load in self.loads), Fraction(0))

    @property
    def compute(self) -> Decimal:
        extra = sum((cents(credits * self.model.price) for credits in self.extra.values()), Decimal(0))
        return sum((load.dollars for load in self.loads), Decimal(0)) + extra

    @property
    def snowflake(self) -> Decimal:
        return self.compute + self.storage

    @property
    def total(self) -> Decimal:
        return sum((line.planned for line in self.lines), Decimal(0))

    @property
    def budget(self) -> Decimal:
        return cents(self.model.number("budget"))

    @property
    def fits(self) -> bool:
        return self.total < self.budget

    def credits_of(self, warehouse: str) -> Fraction:
        return sum((load.credits for load in self.loads if load.warehouse == warehouse), Fraction(0))


@dataclass(frozen=True)
class Claim:
    """What the architecture says, what its own figures or the model come to, and by how much that is more (None where
    there is nothing to subtract)."""

    says: str
    comes_to: str
    off: Decimal | None
    holds: bool
    why: str


def load(settings: Settings, changes: Sequence[str] = (), *, measure: bool = True) -> Model:
    """cost.yml and the vars, with what was measured on Snowflake and then the changes (NAME=VALUE) in their place.

    Raises UsageError for a wrong file or change.
    """
    document = _read(settings.project / FILE)
    variables = _read(settings.project / "dbt_project.yml")["vars"]
    assumptions = {name: _assumption(name, entry) for name, entry in document["assumptions"].items()}
    for name, size in variables["warehouse_sizes"].items():
        assumptions[name] = Assumption(name, _size(name, size), "var warehouse_sizes of dbt_project.yml")
    seconds = _number(SUSPEND, variables[SUSPEND])
    assumptions[SUSPEND] = Assumption(SUSPEND, seconds, "var of dbt_project.yml; s without a query, then it sleeps")
    model = Model(
        assumptions,
        {name: str(assumptions[name].value) for name in variables["warehouse_sizes"]},
        _number("monthly_credits", variables["monthly_credits"]),
        document["loads"],
        document["lines"],
        {name: Fraction(_number(name, value)) for name, value in document["claims"].items() if name != "compute_size"}
        | {"compute_credits": Fraction(CREDITS_AN_HOUR[_size("compute_size", document["claims"]["compute_size"])])},
        document["what_if"],
        document["pure"],
    )
    if wrong := [each["name"] for each in model.loads if each["warehouse"] not in model.sizes]:
        raise UsageError(f"{FILE}: load {wrong[0]} runs on a warehouse that is not in var warehouse_sizes.")
    if measure:
        model = _measured(settings, model)
    pairs = [text.partition("=") for text in changes]
    if wrong := [text for text, (_, sign, _) in zip(changes, pairs, strict=True) if not sign]:
        raise UsageError(f"--set wants NAME=VALUE, as in --set runs_a_day=24; {wrong[0]!r} has no =.")
    model = changed(model, {name.strip(): value.strip() for name, _, value in pairs}, "--set")
    try:
        claims(reckoned(model))
    except KeyError as error:
        raise UsageError(f"{FILE} lacks {error.args[0]!r}. Restore it from the repository.") from None
    return model


def changed(model: Model, values: Mapping[str, Any], source: str) -> Model:
    """The model with other values. Raises UsageError for a name or value it does not know."""
    assumptions = dict(model.assumptions)
    for name, value in values.items():
        if name not in assumptions:
            near = get_close_matches(name, assumptions, 1) or sorted(assumptions)
            raise UsageError(f"There is no assumption {name!r} in {FILE}; there is {', '.join(near)}.")
        assumptions[name] = _assumption(name, {"value": value, "source": source}, name in model.sizes)
    editions = [name.removeprefix("price_") for name in assumptions if name.startswith("price_")]
    if assumptions["edition"].value not in editions:
        raise UsageError(f"edition is {assumptions['edition'].value!r}; it must be one of: {', '.join(editions)}.")
    return replace(model, assumptions=assumptions, sizes={name: str(assumptions[name].value) for name in model.sizes})


def reckoned(model: Model) -> Plan:
    """The plan of a month."""
    loads = tuple(_load(model, entry) for entry in model.loads)
    compute = sum((load.credits for load in loads), Fraction(0))
    beyond = max(model.number("cloud_services_percent") - model.number("cloud_services_free_percent"), Fraction(0))
    extra = {"cloud services": compute * beyond / 100, "serverless": model.number("serverless_credits")}
    storage = cents(model.number("storage_gb") / 1000 * model.number("storage_price_tb"))
    plan = Plan(model, loads, extra, storage, ())
    own = {"compute": plan.compute, "storage": storage}
    lines = tuple(
        Line(
            entry["name"],
            cents(Fraction(str(entry["claimed"]))),
            own[entry["model"]] if "model" in entry else cents(Fraction(str(entry["planned"]))),
            entry["why"],
        )
        for entry in model.lines
    )
    return replace(plan, lines=lines)


def what_if(plan: Plan) -> list[tuple[str, Plan]]:
    """The plan with one thing changed, for each that cost.yml names."""
    return [(each["name"], reckoned(changed(plan.model, each["set"], "what if"))) for each in plan.model.what_if]


def pure(plan: Plan) -> Plan:
    """What it would cost with everything on Snowflake."""
    return reckoned(changed(plan.model, plan.model.pure["set"], "what if"))


def _load(model: Model, entry: Mapping[str, Any]) -> Load:
    times, seconds, suspend = model.number(entry["times"]), model.number(entry["seconds"]), model.number(SUSPEND)
    window = model.number(entry["hours"]) * HOUR if "hours" in entry else Fraction(DAY)
    days = model.number(entry["days"]) if "days" in entry else model.number("days")
    if times and not window:
        raise UsageError(f"{entry['hours']} is 0; there must be hours over which {entry['times']} are spread.")
    if not suspend:  # it never sleeps
        window, days = Fraction(DAY), model.number("days")
    size = model.sizes[entry["warehouse"]]
    interval = window / times if times else window
    # Woken again before it sleeps, it runs through.
    each = min(interval, max(Fraction(LEAST_SECONDS), seconds + suspend)) if suspend else interval
    hours = times * each * days / HOUR
    credits = hours * CREDITS_AN_HOUR[size]
    crowded = bool(times) and seconds > interval
    dollars = cents(credits * model.price)
    return Load(entry["name"], entry["warehouse"], size, times, seconds, each, hours, credits, dollars, crowded)


def claims(plan: Plan) -> list[Claim]:
    """The architecture's figures, one by one: against themselves first, then against the plan."""
    said, price, pure_plan = plan.model.claims, plan.model.price, pure(plan)
    lines = {line.name: line for line in plan.lines}
    total = sum((line.claimed for line in plan.lines), Decimal(0))
    storage, compute = (lines[name].claimed for name in ("Snowflake Storage", "Snowflake Compute"))
    own = cents(said["compute_hours"] * said["compute_hourly"])
    hourly = said["compute_credits"] * price
    strategies = Fraction(compute) * said["suspend_saving_percent"] / 100 + said["caching_saving"]
    left = cents(said["total"] - strategies)
    percent = said["hybrid_saving_percent"]
    against = cents(said["total"] / (1 - percent / 100))
    saved = said["hybrid_saving"]
    pieces = storage + compute
    stored = cents(said["storage_gb"] * said["storage_gb_price"])
    longer = said["storage_gb"] * said["storage_years"] / said["storage_years_elsewhere"]
    pure_saving = pure_plan.snowflake - plan.snowflake
    return [
        _claim(
            f"{money(storage)} a month for {said['storage_gb']} GB at ${_plain(said['storage_gb_price'])} a GB",
            stored,
            storage,
            "$23 is the price of a TB, not of 5 GB",
        ),
        _claim(
            f"${_plain(said['storage_gb_price_elsewhere'])} a GB here, ${_plain(said['storage_gb_price'])} there",
            cents(said["storage_gb"] * said["storage_gb_price_elsewhere"]),
            stored,
            f"for its {said['storage_gb']} GB",
        ),
        Claim(
            f"{said['storage_gb']} GB are {said['storage_years']} years of data, and {said['storage_years_elsewhere']} "
            "years of payments alone",
            f"{_plain(longer)} GB for {said['storage_years']} years of payments",
            None,
            said["storage_years"] == said["storage_years_elsewhere"],
            "both cannot be; at its price the difference is cents",
        ),
        _claim(
            f"{money(compute)} = {said['compute_hours']} h × ${_plain(said['compute_hourly'], 2)}",
            own,
            compute,
            "the product itself",
        ),
        _claim(
            f"a small warehouse costs ${_plain(said['compute_hourly'], 2)} an hour",
            cents(hourly * said["compute_hours"]),
            own,
            f"small takes {said['compute_credits']} credits an hour, at ${_plain(price, 2)} in {_edition(plan)}: "
            f"${_plain(hourly, 2)}. For its {said['compute_hours']} hours. ${_plain(said['compute_hourly'], 2)} "
            f"would be ${_plain(said['compute_hourly'] / said['compute_credits'], 2)} a credit, which no edition costs",
        ),
        Claim(
            f"{said['compute_hours']} warehouse hours a month",
            f"{_plain(plan.hours, 2)} h by schedule and run times, of all warehouses",
            None,
            Fraction(cents(plan.hours)) == said["compute_hours"],
            "its figure names neither schedule nor run time",
        ),
        _claim(f"the lines add up to {money(cents(said['total']))}", total, cents(said["total"]), "the sum itself"),
        Claim(
            f"{money(cents(said['total']))} in all, and less than {money(plan.budget)} a month",
            money(total),
            total - plan.budget,
            total < plan.budget,
            "over its own budget",
        ),
        _claim(
            f"optimized: about {money(cents(said['optimized_total']))}",
            left,
            cents(said["optimized_total"]),
            f"{money(cents(said['total']))} less {_plain(said['suspend_saving_percent'])} % of compute and "
            f"{money(cents(said['caching_saving']))}; with the {money(cents(said['tiering_saving']))} of tiering, "
            f"{money(left - cents(said['tiering_saving']))}",
        ),
        _claim(
            f"tiering saves {money(cents(said['tiering_saving']))} against Postgres only",
            lines["PostgreSQL RDS"].claimed,
            cents(said["tiering_saving"]),
            "all that Postgres costs in its table, so no more can be saved",
        ),
        _claim(
            f"Snowflake for history only: {money(cents(said['hybrid_snowflake']))}",
            pieces,
            cents(said["hybrid_snowflake"]),
            "its table's two lines",
        ),
        _claim(
            f"Postgres: {money(cents(said['postgres_elsewhere']))} (already there)",
            lines["PostgreSQL RDS"].claimed,
            cents(said["postgres_elsewhere"]),
            "its table's line",
        ),
        Claim(
            f"the hybrid saves about {money(cents(saved))} a month, and {_plain(percent)} %",
            f"{_share(saved, said['total'] + saved)} % of the whole, or {_share(saved, Fraction(pieces) + saved)} % of "
            "Snowflake's part",
            cents(said["total"] * percent / (100 - percent)) - cents(saved),
            False,
            f"{_plain(percent)} % off needs a bill of {money(against)} to save from, which it does not show",
        ),
        Claim(
            f"{_plain(percent)} % saved against all on Snowflake",
            f"{_share(Fraction(pure_saving), Fraction(pure_plan.snowflake))} % of Snowflake's part, "
            f"{_share(Fraction(pure_saving), Fraction(pure_plan.total))} % of the whole",
            None,
            Fraction(pure_saving) * 100 >= percent * Fraction(pure_plan.snowflake),
            f"by this model, against {plan.model.pure['name']}: {money(pure_plan.snowflake)} instead of "
            f"{money(plan.snowflake)}. The schedule decides it, not the tiers",
        ),
    ]


def _claim(says: str, comes_to: Decimal, claimed: Decimal, why: str) -> Claim:
    return Claim(says, money(comes_to), comes_to - claimed, comes_to == claimed, why)


def _edition(plan: Plan) -> str:
    return str(plan.model.assumptions["edition"].value).replace("_", " ").capitalize()


def _share(part: Fraction, whole: Fraction) -> str:
    return _plain(part * 100 / whole, 1) if whole else "–"


def cents(value: Fraction) -> Decimal:
    """Rounded to two places, half away from zero."""
    return rounded(value, 2)


def rounded(value: Fraction, places: int) -> Decimal:
    """Rounded once, half away from zero."""
    whole, rest = divmod(abs(value) * 10**places, 1)
    number = int(whole) + (rest >= Fraction(1, 2))
    return Decimal(number if value >= 0 else -number).scaleb(-places)


def money(amount: Decimal) -> str:
    """$1,200.00 or −$0.50."""
    return f"{'−' if amount < 0 else ''}${abs(amount):,.2f}"


def _plain(value: Fraction, places: int | None = None) -> str:
    """The number as one writes it, with so many places or as many as it has, of six."""
    if places is not None:
        return f"{rounded(value, places):,}"
    text = f"{rounded(value, 6):,f}"
    return text.rstrip("0").rstrip(".")


def _measured(settings: Settings, model: Model) -> Model:
    """What runs took, where they ran on Snowflake; on DuckDB it is told and not reckoned with, for another engine's
    seconds say little. Nothing to read is no error."""
    from vend import figures

    if settings.warehouse == "duckdb" and not settings.duckdb_path.exists():
        return model
    assumptions, notes = dict(model.assumptions), []
    try:
        with figures.opened(settings) as ask:
            for name, table in MEASURED.items():
                schema, _, relation = table.partition(".")
                found = ask(
                    "select 1 from information_schema.tables where lower(table_schema) = ? and lower(table_name) = ?",
                    [schema, relation],
                )
                seconds = [Fraction(row[0]) for row in ask(statement(name))] if found else []
                if not seconds:
                    continue
                typical = rounded(median(seconds), 0)
                what = f"median of the last {len(seconds)} in {table}"
                if settings.warehouse == "snowflake":
                    assumptions[name] = Assumption(name, typical, f"measured: {what}")
                else:
                    notes.append(
                        f"{name}: {typical} on DuckDB here ({what}), which says little of Snowflake; the plan takes "
                        f"{assumptions[name].value}. To reckon with it: --set {name}={typical}"
                    )
    except VendError as error:
        notes.append(f"What runs took cannot be read, so their times are assumed. {error}")
    return replace(model, assumptions=assumptions, notes=tuple(notes))


def statement(name: str) -> str:
    """The text of cost_sql/`name`.sql without its comment."""
    lines = (_SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).strip()


def _read(path: Path) -> dict[str, Any]:
    document = documents.read(path)
    if not isinstance(document, dict):
        raise UsageError(f"{path.name} must hold names and values.")
    if path.name == FILE and (missing := [part for part in PARTS if not document.get(part)]):
        raise UsageError(f"{FILE} lacks {', '.join(missing)}. Restore it from the repository.")
    return document


def _assumption(name: str, entry: Any, size: bool = False) -> Assumption:
    if not isinstance(entry, Mapping) or "value" not in entry or not entry.get("source"):
        raise UsageError(f"{FILE}: {name} must have a value and a source.")
    value, source = entry["value"], " ".join(str(entry["source"]).split())
    if size:
        return Assumption(name, _size(name, value), source)
    return Assumption(name, str(value) if name == "edition" else _number(name, value), source)


def _number(name: str, value: Any) -> Decimal:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number < 0:
        raise UsageError(f"{name} is {value!r}; it must be a number, 0 or more.")
    return number


def _size(name: str, value: Any) -> str:
    size = str(value).lower().replace("-", "")
    if size not in CREDITS_AN_HOUR:
        raise UsageError(f"{name} is {value!r}; it must be one of: {', '.join(CREDITS_AN_HOUR)}.")
    return size

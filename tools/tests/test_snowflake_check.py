"""The rules of tools/snowflake_rules catch each kind of break, and leave alone what is right on both engines."""

from __future__ import annotations

import pytest

from snowflake_rules import project, rules
from snowflake_rules.lineage import Catalog, Known, Statement, declared

COLUMNS = {
    "id": ("varchar", False),
    "name": ("varchar", True),
    "code": ("varchar", False),
    "amount": ("decimal(10,2)", False),
    "fee": ("decimal(12,8)", False),
    "count": ("integer", False),
    "spaces": ("integer", True),
    "is_open": ("boolean", False),
    "opened_at": ("timestamp_ntz", False),
    "closed_at": ("timestamp_ntz", True),
    "day": ("date", False),
}
CATALOG = Catalog()
for relation in ("db.raw.one", "db.raw.two"):
    CATALOG.add(relation, {name: Known(declared(text), nullable) for name, (text, nullable) in COLUMNS.items()})


def broken(sql: str, contract: dict[str, str] | None = None, cluster_by: list[str] | None = None) -> set[str]:
    """The names of the rules that a statement breaks."""
    found = rules.objections(Statement(sql, CATALOG), contract or {}, cluster_by or [])
    return {line.split(":")[0] for line in found}


WRONG = [
    # columns
    ("untraced_columns", "select x from db.raw.one"),
    ("untraced_columns", "select two.id from db.raw.one"),
    ("untraced_columns", "select id from db.raw.one cross join db.raw.two"),
    ("untraced_columns", "select id from db.raw.three"),
    ("untraced_columns", "with a as (select id from db.raw.one) select a.name from a"),
    ("untraced_columns", "select id from db.raw.one group by id having max(x) > 1"),
    ("untraced_columns", "select id from db.raw.one group by id having max(two.day) > 1"),
    ("untraced_columns", "select id from db.raw.one qualify row_number() over (partition by code order by x) = 1"),
    ("untraced_columns", "with a as (select id from db.raw.one) select id from a group by id having max(day) > 1"),
    ("untraced_columns", "delete from db.raw.one where id in (select x from db.raw.two)"),
    ("untraced_columns", "update db.raw.one set name = other.x from db.raw.two as other where one.id = other.id"),
    ("ungrouped_columns", "select id, count(*) as n from db.raw.one"),
    ("ungrouped_columns", "select id, name, max(day) as last from db.raw.one group by id"),
    ("ungrouped_columns", "select id, amount + max(amount) as x from db.raw.one group by id"),
    ("ungrouped_columns", "select id, max(day) as last from db.raw.one group by id having name = 'a'"),
    (
        "ungrouped_columns",
        "select id, rank() over (order by code) as n, max(day) as d from db.raw.one group by id",
    ),
    ("reused_aliases", "select upper(code) as code, count(*) as n from db.raw.one group by code"),
    ("reused_aliases", "select lower(code) as code from db.raw.one where code = 'a'"),
    ("reused_aliases", "select a.amount + 1 as amount, amount * 2 as twice from db.raw.one as a"),
    ("quoted_names", 'select "Id" from db.raw.one'),
    ("quoted_names", 'select id as "key" from db.raw.one'),
    ("reserved_names", "select id as account from db.raw.one"),
    ("reserved_names", "select connection.id from db.raw.one as connection"),
    ("doubled_columns", "select id, lower(code) as id from db.raw.one"),
    ("doubled_columns", "select * from db.raw.one as a inner join db.raw.two as b on a.id = b.id"),
    ("doubled_columns", "with a as (select id, code as id from db.raw.one) select count(*) as n from a"),
    (
        "correlated_queries",
        "select (select max(b.day) from db.raw.two as b where b.id = a.id) as d from db.raw.one as a",
    ),
    (
        "correlated_queries",
        "select id from db.raw.one as a where exists (select 1 from db.raw.two as b where b.id = a.id limit 1)",
    ),
    ("mixed_unions", "select id from db.raw.one union all select day from db.raw.two"),
    ("mixed_unions", "select id, amount from db.raw.one union all select id, code from db.raw.two"),
    (
        "numbers_of_flatten",
        "select f.seq as hour from db.raw.one as o cross join lateral flatten(input => parse_json(o.code)) as f",
    ),
    ("numbers_of_flatten", "select seq as hour from db.raw.one, lateral flatten(input => parse_json(code))"),
    # functions and operators
    ("unlisted_functions", "select strftime(day, '%Y') as y from db.raw.one"),
    ("unlisted_functions", "select sha256(id) as h from db.raw.one"),
    ("unlisted_functions", "select list(id) as l from db.raw.one"),
    ("unlisted_functions", "select unnest(array_agg(id)) as x from db.raw.one"),
    ("comments_by_slashes", "select count // 2 as half\n from db.raw.one"),
    ("other_operators", "select count ^ 2 as square from db.raw.one"),
    ("other_operators", "select count & 1 as odd from db.raw.one"),
    ("missing_clauses", "select count(*) filter (where is_open) as n from db.raw.one"),
    ("missing_clauses", "select distinct on (code) code, id from db.raw.one order by code, day"),
    ("missing_clauses", "select one.id from db.raw.one semi join db.raw.two on one.id = two.id"),
    ("missing_clauses", "select dateadd(day, 1, day) - interval 1 day as d from db.raw.one"),
    ("missing_clauses", "select one.id from db.raw.one asof join db.raw.two on one.id = two.id and one.day >= two.day"),
    ("loose_windows", "select row_number() over (partition by code) as n from db.raw.one"),
    ("loose_windows", "select lag(amount) ignore nulls over (partition by code) as n from db.raw.one"),
    ("loose_windows", "select count(distinct code) over (order by id) as n from db.raw.one"),
    ("unlisted_functions", "select nth_value(amount, 2) over (order by day) as a from db.raw.one"),
    ("unlisted_functions", "select last_value(amount) over (order by day) as a from db.raw.one"),
    ("backslashes", r"select replace(code, '\n', ' ') as c from db.raw.one"),
    ("backslashes", r"select split_part(code, 'a -- \t', 1) as c from db.raw.one"),
    ("regular_expressions", "select regexp_replace(name, 'a', 'b') as b from db.raw.one"),
    ("regular_expressions", "select id from db.raw.one where name rlike 'a.*'"),
    ("regular_expressions", "select id from db.raw.one where regexp_like(name, 'a.*')"),
    # numbers
    ("inexact_divisions", "select amount / count as x from db.raw.one"),
    ("inexact_divisions", "select cast(amount / nullif(count, 0) as decimal(12, 2)) as x from db.raw.one"),
    ("inexact_divisions", "select count / 2 as half from db.raw.one"),
    ("inexact_divisions", "select mod(count, spaces) as rest from db.raw.one"),
    ("inexact_divisions", "select avg(amount) as mean from db.raw.one"),
    ("inexact_divisions", "select avg(amount) over (partition by code) as mean from db.raw.one"),
    ("rounded_products", "select fee * fee as x from db.raw.one"),
    ("open_types", "select cast(amount as double) as x from db.raw.one"),
    ("open_types", "select amount::float as x from db.raw.one"),
    ("open_types", "select cast(amount as decimal) as x from db.raw.one"),
    ("open_types", "select amount::numeric as x from db.raw.one"),
    ("sums_of_conditions", "select sum(is_open) as n from db.raw.one"),
    ("sums_of_conditions", "select sum(amount > 5) as n from db.raw.one"),
    ("sums_of_conditions", "select is_open + 1 as n from db.raw.one"),
    ("text_as_number", "select 1 + '2' as three from db.raw.one"),
    ("text_as_number", "select sum(code) as n from db.raw.one"),
    # NULL
    ("nulls_in_any_order", "select row_number() over (order by closed_at desc) as n from db.raw.one"),
    ("nulls_in_any_order", "select id from db.raw.one order by name"),
    ("nulls_in_any_order", "select lag(amount) over (partition by id order by day, spaces) as before from db.raw.one"),
    (
        "nulls_in_any_order",
        "select a.id from db.raw.one as a left join db.raw.two as b on a.id = b.id order by b.day",
    ),
    ("greatest_of_null", "select greatest(opened_at, closed_at) as last from db.raw.one"),
    ("greatest_of_null", "select least(count, nullif(count, 0)) as x from db.raw.one"),
    (
        "greatest_of_null",
        "select greatest(0, sum(count) over (order by id rows between unbounded preceding and 1 preceding)) as x"
        " from db.raw.one",
    ),
    ("concat_of_null", "select concat(code, ' ', name) as x from db.raw.one"),
    ("concat_of_null", "select concat_ws(' ', code, name) as x from db.raw.one"),
    ("unordered_lists", "select listagg(code, ',') as codes from db.raw.one"),
    ("unordered_lists", "select listagg(code, ',') within group (order by code) as codes from db.raw.one"),
    ("unordered_lists", "select mode(code) as usual from db.raw.one"),
    # time
    ("weeks_by_session", "select dayofweek(day) as d from db.raw.one"),
    ("weeks_by_session", "select week(day) as w from db.raw.one"),
    ("weeks_by_session", "select cast(date_trunc('week', day) as date) as monday from db.raw.one"),
    ("weeks_by_session", "select datediff(week, day, day) as weeks from db.raw.one"),
    ("weeks_by_session", "select extract(dow from day) as d from db.raw.one"),
    ("weeks_by_session", "select last_day(day, 'week') as sunday from db.raw.one"),
    ("unknown_parts", "select extract(decade from day) as d from db.raw.one"),
    ("unknown_parts", "select date_part('isodow', day) as d from db.raw.one"),
    ("unknown_parts", "select extract(microsecond from opened_at) as m from db.raw.one"),
    ("unknown_parts", "select cast(date_trunc('century', day) as date) as d from db.raw.one"),
    ("unknown_parts", "select datediff(decade, day, day) as d from db.raw.one"),
    ("unknown_parts", "select dateadd(decade, 1, day) as d from db.raw.one"),
    ("clocks_of_the_session", "select id from db.raw.one where day < current_date"),
    ("clocks_of_the_session", "select current_timestamp as now from db.raw.one"),
    ("clocks_of_the_session", "select localtimestamp as now from db.raw.one"),
    ("formats_of_the_session", "select cast(day as varchar) as d from db.raw.one"),
    ("formats_of_the_session", "select opened_at::text as t from db.raw.one"),
    ("formats_of_the_session", "select to_varchar(opened_at) as t from db.raw.one"),
    ("formats_of_the_session", "select code || day as x from db.raw.one"),
    ("formats_of_the_session", "select concat(code, day) as x from db.raw.one"),
    ("truncated_dates", "select date_trunc('month', day) as month_of from db.raw.one"),
    ("open_types", "select cast(day as timestamp) as x from db.raw.one"),
    ("open_types", "select opened_at::timestamp_tz as x from db.raw.one"),
    ("open_types", "select cast(code as time) as x from db.raw.one"),
    ("open_types", "select cast(count as hugeint) as x from db.raw.one"),
    ("open_types", "select cast(name as varchar(20)) as x from db.raw.one"),
    ("intervals_between_times", "select closed_at - opened_at as stay from db.raw.one"),
]

RIGHT = [
    "with a as (select * from db.raw.one) select a.id, a.name from a order by a.id",
    "select lower(code) as code, upper(name) as shouted from db.raw.one",
    "select code, sum(amount) as total from db.raw.one group by 1 having sum(amount) > 0 order by total",
    "select upper(code) as big, count(*) as n from db.raw.one group by upper(code)",
    "select code, sum(sum(amount)) over (order by code) as so_far from db.raw.one group by code",
    "select code, max(day) as last from db.raw.one group by all",
    "select cast((count - mod(count, nullif(spaces, 0))) / nullif(spaces, 0) as number(12, 0)) as x from db.raw.one",
    "select amount * count as total, amount * 0.5 as half, count % 7 as rest from db.raw.one",
    "select row_number() over (order by closed_at desc nulls last, id) as n from db.raw.one",
    "select id from db.raw.one where closed_at is not null order by closed_at desc",
    "select one.id from db.raw.one inner join db.raw.two on one.spaces = two.spaces order by two.spaces desc",
    "select greatest_ignore_nulls(opened_at, closed_at), greatest(count, coalesce(spaces, 0)) from db.raw.one",
    "select id || ' ' || coalesce(name, '') as x, concat(id, code) as y from db.raw.one",
    "select nullif(listagg(code, ',') within group (order by code), '') as codes from db.raw.one",
    "select sum(case when is_open then 1 else 0 end) as n, boolor_agg(is_open) as any_open from db.raw.one",
    "select cast(date_trunc('month', day) as date) as month_of, date_trunc('hour', opened_at) as h from db.raw.one",
    "select dayofweekiso(day) as d, weekiso(day) as w, datediff(day, day, day) as days from db.raw.one",
    "select dateadd(microsecond, 1, opened_at) as t, extract(hour from opened_at) as h from db.raw.one",
    "select to_varchar(day, 'YYYY-MM') as m, cast(count as varchar) || id as x, sysdate() as now from db.raw.one",
    "select count(distinct code) over (partition by id) as n, lag(day) over (order by id) as d from db.raw.one",
    "select max(case when code in (select distinct id from db.raw.two) then 1 end) over (order by id) as n"
    " from db.raw.one",
    "select f.index as hour from db.raw.one as o cross join lateral flatten(input => parse_json(o.code)) as f",
    "select null as x from db.raw.one union all select day from db.raw.two",
    "select amount::number(12, 2) as x, 'as decimal)' as y from db.raw.one -- a \\ here",
    "select 'a // b ~ c \"d\"' as text_only -- not / / code\nfrom db.raw.one",
    "select id from db.raw.one as a where exists (select 1 from db.raw.two as b where b.id = a.id)",
    "select id from db.raw.one union all select code from db.raw.two",
    "delete from db.raw.one where id not in (select id from db.raw.two)",
    "update db.raw.one set name = other.code from db.raw.two as other where one.id = other.id",
]


@pytest.mark.parametrize(("rule", "sql"), WRONG)
def test_each_kind_of_break_is_caught(rule: str, sql: str) -> None:
    assert rule in broken(sql)


@pytest.mark.parametrize("sql", RIGHT)
def test_what_is_right_is_left_alone(sql: str) -> None:
    assert broken(sql) == set()


def test_every_rule_has_a_wrong_model() -> None:
    assert {rule.__name__ for rule in rules.RULES} == {rule for rule, _ in WRONG}


@pytest.mark.parametrize(
    ("sql", "contract"),
    [
        ("select sum(amount) as total from db.raw.one", {"total": "decimal(12,2)"}),
        ("select amount * amount as total from db.raw.one", {"total": "decimal(38,2)"}),
        ("select amount from db.raw.one", {"amount": "bigint"}),
        ("select amount from db.raw.one", {"amount": "varchar"}),
        ("select amount from db.raw.one", {"amount": "double"}),
        ("select code from db.raw.one", {"code": "varchar(3)"}),
        ("select day from db.raw.one", {"day": "timestamp_ntz"}),
        ("select count(*) > 0 as n from db.raw.one", {"n": "bigint"}),
        ("select null as nothing from db.raw.one", {"nothing": "bigint"}),
        ("select case when is_open then amount else fee end as x from db.raw.one", {"x": "decimal(38,2)"}),
        ("select id, code from db.raw.one", {"id": "varchar"}),
        ("select id, code from db.raw.one", {"code": "varchar", "id": "varchar"}),
    ],
)
def test_a_column_that_is_not_what_its_contract_says_is_caught(sql: str, contract: dict[str, str]) -> None:
    assert broken(sql, contract) == {"unlike_its_contract"}


def test_what_its_contract_says_is_left_alone() -> None:
    sql = """
        with totals as (
            select code, count(*) as n, sum(amount) as total, max(day) as last from db.raw.one group by code
        )
        select code, n, total, cast(total * 2 as decimal(12, 1)) as twice, last, coalesce(n, 0) > 1 as several
        from totals
    """
    contract = {"code": "varchar", "n": "bigint", "total": "decimal(38,2)", "twice": "decimal(12,1)", "last": "date"}
    assert broken(sql, contract | {"several": "boolean"}) == set()


def test_a_clustering_key_must_be_a_column() -> None:
    assert broken("select id from db.raw.one", cluster_by=["id"]) == set()
    assert broken("select id from db.raw.one", cluster_by=["id", "day"]) == {"unknown_clustering_key"}


def test_each_function_names_its_page() -> None:
    assert all(name == name.lower() and page for name, page in rules.ALLOWED.items())
    assert len(rules.ALLOWED) > 40


def test_models_are_traced_in_the_order_of_building() -> None:
    """What a model yields is what the next one may read; a break is named with the model that has it, and no other."""

    def model(name: str, columns: str, depends: list[str], **more: object) -> dict[str, object]:
        described = {c: {"name": c, "data_type": "varchar"} for c in columns.split()}
        return {
            "resource_type": "model",
            "relation_name": f"db.marts.{name}",
            "columns": described,
            "depends_on": {"nodes": depends},
            "config": {},
        } | more

    source = {
        "resource_type": "source",
        "relation_name": "db.raw.people",
        "config": {},
        "columns": {"id": {"name": "id", "data_type": "varchar"}},
    }
    manifest = {
        "sources": {"source.people": source},
        "nodes": {
            "model.second": model("second", "id", ["model.first"], config={"cluster_by": "name"}),
            "model.third": model("third", "", ["model.second"]),
            "model.fourth": model("fourth", "", ["model.third"]),
            "model.first": model("first", "id", ["source.people"], contract={"enforced": True}),
            "test.id": model("test", "", ["model.first"], resource_type="test", attached_node="model.first")
            | {"test_metadata": {"name": "not_null"}, "column_name": "id"},
        },
    }
    first = {
        "model.second": "select id from db.marts.first order by id",
        "model.first": "select id from db.raw.people",
        "model.third": "select id, nothing from db.marts.second",
        "model.fourth": "select id, nothing from db.marts.third",
    }
    incremental = {"model.second": "select gone from db.marts.first"}
    assert list(project.objections(manifest, {"first": first, "incremental": incremental})) == [
        "model.second: unknown_clustering_key: cluster_by names name, which is no column of this model.",
        "model.third: untraced_columns: Column 'NOTHING' could not be resolved. Line: 1, Col: 18",
        "model.second: untraced_columns: Column 'GONE' could not be resolved. Line: 1, Col: 11",
    ]

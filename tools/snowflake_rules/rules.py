"""One function per thing that Snowflake refuses or answers otherwise than DuckDB. Each yields a sentence per break."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.optimizer.scope import Scope

from snowflake_rules.lineage import BOOLEAN, TEXT, Statement, Type, code_only, declared

HERE = Path(__file__).parent

WEEKS = frozenset({"week", "weekofyear", "woy", "w", "wk", "wy", "weekday", "dow", "dw", "dayofweek", "yearofweek"})
WEEK_FUNCTIONS = frozenset({"week", "weekofyear", "dayofweek", "yearofweek"})
DATE_PARTS = frozenset(("year", "quarter", "month", "day", "dayofyear", "hour", "minute", "second"))
# what DuckDB extracts as a microsecond has the seconds in it
ADDED_PARTS = DATE_PARTS | {"millisecond", "microsecond"}
ZONED = (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ, exp.DType.TIMESTAMP)
ORDERED = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile, exp.PercentRank, exp.Lag, exp.Lead)
WHOLE_TYPES = {exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT}
CLOCKS = (exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.Localtime, exp.Localtimestamp)
DECIMALS = "(?:decimal|dec|numeric|number)"
PARTS = (exp.Extract, exp.DateTrunc, exp.TimestampTrunc, exp.DateDiff, exp.TsOrDsDiff, exp.TimestampDiff, exp.LastDay)
ADDITIONS = (exp.DateAdd, exp.TsOrDsAdd, exp.TimestampAdd)


def functions() -> dict[str, str]:
    """The functions that may be called, with the page of Snowflake's reference that describes each."""
    with (HERE / "functions.csv").open(newline="") as file:
        return {row["function"]: row["page"] for row in csv.DictReader(file)}


def words(kind: str) -> frozenset[str]:
    """The words of words.csv of a kind."""
    with (HERE / "words.csv").open(newline="") as file:
        return frozenset(row["word"] for row in csv.DictReader(file) if row["kind"] == kind)


ALLOWED = functions()
NO_FUNCTION = words("before a parenthesis")
RESERVED = words("reserved")
REGEX_FUNCTIONS = words("regular expression")


def objections(statement: Statement, contract: dict[str, str], cluster_by: list[str]) -> list[str]:
    """Everything that is wrong with a statement, each with the name of its rule.

    contract: the declared type of each column, where the model has a contract; cluster_by: its clustering key.
    """
    found = [f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(statement)]
    found += [f"unlike_its_contract: {sentence}" for sentence in unlike_its_contract(statement, contract)]
    found += [f"unknown_clustering_key: {sentence}" for sentence in unknown_clustering_key(statement, cluster_by)]
    return list(dict.fromkeys(found))


# -------------------------------------------------------------------------------------- of the text alone


def unlisted_functions(statement: Statement) -> Iterator[str]:
    """sqlglot and sqlfluff accept a call of anything."""
    for name in called(statement.sql):
        if name not in ALLOWED:
            yield f"{name}() is not in functions.csv; look it up in Snowflake's reference first."


def called(sql: str) -> list[str]:
    """The names in a statement that are called like functions, lower case."""
    tokens = sqlglot.tokenize(sql, dialect=Snowflake)
    found = []
    for place, token in enumerate(tokens[:-1]):
        name = token.text.lower()
        opens = tokens[place + 1].token_type == sqlglot.TokenType.L_PAREN
        is_name = re.fullmatch(r"[a-z_]\w*", name) and token.token_type != sqlglot.TokenType.STRING
        after_as = place > 0 and tokens[place - 1].text.lower() in ("as", "into") and name not in ALLOWED
        if opens and is_name and name not in NO_FUNCTION and not after_as:
            found.append(name)
    return found


def comments_by_slashes(statement: Statement) -> Iterator[str]:
    """DuckDB divides whole numbers with it; Snowflake takes the rest of the line for a comment."""
    if "//" in code_only(statement.sql):
        yield "`//` begins a comment on Snowflake."


def other_operators(statement: Statement) -> Iterator[str]:
    """Operators that Snowflake does not have."""
    for operator in re.findall(r"\*\*|\^|!?~+\*?|<<|>>|(?<!\|)\|(?!\|)|(?<!&)&(?!&)", code_only(statement.sql)):
        yield f"Snowflake has no operator `{operator}`; call the function, or match without a regular expression."


def quoted_names(statement: Statement) -> Iterator[str]:
    """Snowflake keeps names in upper case, and a quoted one as it is written."""
    for name in statement.written.find_all(exp.Identifier):
        if name.quoted:
            yield f'"{name.name}" is quoted, so it is another name than {name.name} on Snowflake.'


def reserved_names(statement: Statement) -> Iterator[str]:
    aliases = [node.args.get("alias") for node in statement.written.find_all(exp.Alias, exp.TableAlias, exp.Table)]
    names = {alias.this.name if isinstance(alias, exp.TableAlias) else alias for alias in aliases if alias}
    for name in sorted({str(getattr(name, "name", name)).lower() for name in names} & RESERVED):
        yield f"{name} is a keyword on Snowflake; call it otherwise."


def missing_clauses(statement: Statement) -> Iterator[str]:
    """What DuckDB has and Snowflake has not."""
    if statement.written.find(exp.Filter):
        yield "Snowflake has no `filter (where …)` for aggregates; write a case."
    for distinct in statement.written.find_all(exp.Distinct):
        if distinct.args.get("on"):
            yield "Snowflake has no `distinct on`; use row_number() and qualify."
    for join in statement.written.find_all(exp.Join):
        if join.kind in ("SEMI", "ANTI") or join.side in ("SEMI", "ANTI") or join.method == "POSITIONAL":
            yield "Snowflake has no semi, anti or positional join; use exists or in."
        if join.method == "ASOF":
            yield "An asof join has a match_condition on Snowflake and none on DuckDB; use a window function."
    if re.search(r"\binterval\s+[\d(]", code_only(statement.sql), re.IGNORECASE):
        yield "Snowflake wants the number of an interval in quotes; use dbt.dateadd."
    for lambda_or_list in statement.written.find_all(exp.Comprehension, exp.Pivot):
        yield f"{lambda_or_list.key} is written otherwise on Snowflake."


def loose_windows(statement: Statement) -> Iterator[str]:
    """Snowflake refuses ranks and neighbours without an order, and a distinct with one; DuckDB takes both."""
    for window in statement.written.find_all(exp.Window):
        function = window.this
        while isinstance(function, (exp.IgnoreNulls, exp.RespectNulls)):
            function = function.this
        ordered = window.args.get("order")
        if isinstance(function, ORDERED) and not ordered:
            yield f"{_short(window)} wants an order by on Snowflake."
        if isinstance(function.this, exp.Distinct) and ordered:
            yield f"{_short(window)}: Snowflake has no distinct in an ordered window."


def unknown_parts(statement: Statement) -> Iterator[str]:
    """Parts of a date that Snowflake does not know, or calls otherwise; weeks are another rule's."""
    for node in statement.written.find_all(*PARTS, *ADDITIONS):
        part = node.this if isinstance(node, exp.Extract) else node.args.get("unit")
        name = (part.sql() if part is not None else "").strip("'").lower()
        known = ADDED_PARTS if isinstance(node, ADDITIONS) else DATE_PARTS
        if name and name not in known and name not in WEEKS and not name.startswith("week"):
            yield f"{node.key} by {name} is not there on Snowflake, or not the same; use another part."


def backslashes(statement: Statement) -> Iterator[str]:
    """An escape within a text on Snowflake, a plain character on DuckDB."""
    for text in re.findall(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", statement.sql, re.DOTALL):
        if text.startswith("'") and "\\" in text:
            yield f"{text} has a backslash, which is an escape on Snowflake."


def clocks_of_the_session(statement: Statement) -> Iterator[str]:
    """The session's TIMEZONE decides, and a figure changes while one looks at it."""
    for node in statement.written.find_all(*CLOCKS):
        if not node.args.get("sysdate"):
            yield f"{_short(node)} is by the session's TIMEZONE; use as_of()."


def open_types(statement: Statement) -> Iterator[str]:
    """Types that a session's parameters decide, that Snowflake alone enforces, or that are not exact."""
    for cast in statement.written.find_all(exp.Cast):
        text = cast.to.sql(dialect=Snowflake)
        if sentence := _type_to_avoid(text, cast.to):
            yield sentence
        elif cast.to.this in ZONED:
            yield f"{text} means what TIMEZONE or TIMESTAMP_TYPE_MAPPING says; use type_naive_timestamp()."
        elif declared(text) is None or cast.to.this in exp.DataType.INTEGER_TYPES - WHOLE_TYPES:
            yield f"{text} is no type of this project."
    if re.search(rf"\bas\s+{DECIMALS}\s*\)|::\s*{DECIMALS}\b(?!\s*\()", code_only(statement.sql), re.IGNORECASE):
        yield "A decimal without digits is (18, 3) on DuckDB and (38, 0) on Snowflake; write them."


def _type_to_avoid(text: str, found: exp.DataType) -> str | None:
    if found.this in exp.DataType.TEXT_TYPES and found.expressions:
        return f"{text} has a length, which Snowflake enforces and DuckDB does not."
    if found.this in exp.DataType.FLOAT_TYPES:
        return f"{text} is inexact, and rounds otherwise on each engine; use a decimal."
    return None


def regular_expressions(statement: Statement) -> Iterator[str]:
    """DuckDB finds a part and replaces the first; Snowflake matches the whole text and replaces all."""
    for name in called(statement.sql):
        if name in REGEX_FUNCTIONS:
            yield f"{name}() differs between DuckDB and Snowflake; do without a regular expression, or write a macro."
    if re.search(r"\b(rlike|regexp|similar\s+to)\b(?!\s*\()", code_only(statement.sql), re.IGNORECASE):
        yield "Regular expressions differ between DuckDB and Snowflake; do without."


def weeks_by_session(statement: Statement) -> Iterator[str]:
    """WEEK_START and WEEK_OF_YEAR_POLICY decide on Snowflake; DuckDB has ISO weeks and counts from Sunday."""
    for name in called(statement.sql):
        if name in WEEK_FUNCTIONS:
            yield f"{name}() depends on the session's WEEK_START; use iso_week() or iso_weekday()."
    for node in statement.written.find_all(*PARTS):
        part = node.this if isinstance(node, exp.Extract) else node.args.get("unit")
        name = (part.sql() if part is not None else "").strip("'").lower().split("(")[0]
        if name in WEEKS or name.startswith("week"):
            yield f"{node.key} by {name} depends on the session's WEEK_START; use iso_week() or iso_weekday()."


# ------------------------------------------------------------------------------- of columns and their types


def untraced_columns(statement: Statement) -> Iterator[str]:
    """Every column is found in what RAW declares or a model before this one yields."""
    if statement.error:
        yield statement.error
    # sqlglot leaves these clauses alone, for they may name what the select calls its columns
    for select, scope in statement.selects():
        sources = {alias.upper(): statement.names_of(source) for alias, source in scope.sources.items()}
        if not all(sources.values()):
            continue
        named = {item.alias_or_name.upper() for item in select.selects}
        for clause in filter(None, (select.args.get("having"), select.args.get("qualify"))):
            for column in clause.find_all(exp.Column):
                of = sources.get(column.table.upper(), set()) if column.table else named.union(*sources.values())
                if column.find_ancestor(exp.Select) is select and column.name.upper() not in of:
                    yield f"Column {_short(column)} of {clause.key} could not be resolved."


def doubled_columns(statement: Statement) -> Iterator[str]:
    """Snowflake makes no such table, and finds the name ambiguous; DuckDB numbers the second or takes the first."""
    for select, _ in statement.selects():
        names = [item.alias_or_name.upper() for item in select.selects]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{name.lower()} is selected twice; name the columns instead of `*`, or call one otherwise."


def correlated_queries(statement: Statement) -> Iterator[str]:
    """Snowflake takes few of them, by how they are written ("Unsupported subquery type"); a join says the same."""
    for scope in statement.scopes:
        query = scope.expression
        is_taken = isinstance(query.parent, exp.Exists) and not query.args.get("limit")
        if scope.external_columns and isinstance(query, exp.Select) and not is_taken:
            yield f"{_short(query)} reads the query around it; write a join."


def mixed_unions(statement: Statement) -> Iterator[str]:
    """Snowflake converts one side, or fails on the first value that it cannot; DuckDB does otherwise."""
    for scope in statement.scopes:
        if isinstance(scope.expression, exp.SetOperation):
            left, right = (list(statement.yields(side).items()) for side in scope.set_operation_scopes)
            for (name, mine), (_, other) in zip(left, right, strict=False):
                if mine.type and other.type and mine.type.kind != other.type.kind:
                    yield f"{name.lower()} is {mine.type} in one part and {other.type} in another; cast it."


def numbers_of_flatten(statement: Statement) -> Iterator[str]:
    """SEQ is the number of the input row, not that of the element."""
    for column, scope in _nodes(statement, exp.Column):
        source = {alias.upper(): found for alias, found in scope.sources.items()}.get(column.table.upper())
        if column.name.upper() == "SEQ" and isinstance(source, Scope) and not isinstance(source.expression, exp.Query):
            yield f"{_short(column)} counts the rows that are flattened; the element's number is index."


def ungrouped_columns(statement: Statement) -> Iterator[str]:
    for select, scope in statement.selects():
        group = select.args.get("group")
        aggregates = any(_aggregates(item) for item in select.selects)
        if (not group and not aggregates) or (group and group.args.get("all")):
            continue
        keys = {_text(_grouped(key, select)) for key in (group.expressions if group else [])}
        parts = [*select.selects, select.args.get("having"), select.args.get("order"), select.args.get("qualify")]
        for part in filter(None, parts):
            for column in _outside_aggregates(part, keys, {item.alias for item in select.selects}):
                if column.table.upper() in {alias.upper() for alias in scope.sources}:
                    yield f"{column.sql()} is neither grouped nor aggregated."


def _grouped(key: exp.Expr, select: exp.Select) -> exp.Expr:
    """What a key of GROUP BY stands for: itself, or the item of the select whose number it is."""
    if isinstance(key, exp.Literal) and key.is_int:
        return select.selects[int(key.name) - 1].unalias()
    return key


def _aggregates(node: exp.Expr) -> bool:
    return any(
        isinstance(found, exp.AggFunc) and not _is_windowed(found)
        for found in node.walk(prune=lambda part: isinstance(part, exp.Query))
    )


def _is_windowed(node: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, (exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _outside_aggregates(node: exp.Expr, keys: set[str], aliases: set[str]) -> Iterator[exp.Column]:
    if _text(node.unalias()) in keys or isinstance(node, exp.Query):
        return
    if isinstance(node, exp.AggFunc) and not _is_windowed(node):
        return
    if isinstance(node, exp.Column):
        if not (not node.table and node.name in aliases):
            yield node
        return
    for part in node.iter_expressions():
        yield from _outside_aggregates(part, keys, aliases)


def inexact_divisions(statement: Statement) -> Iterator[str]:
    """DuckDB divides decimals as doubles, Snowflake rounds the quotient; only whole numbers without a rest agree."""
    for division in statement.written.find_all(exp.Div, exp.Mod, exp.IntDiv):
        divisor = _bare(division.expression)
        by_zero = not (
            isinstance(divisor, exp.Nullif) or (isinstance(divisor, exp.Literal) and divisor.name.strip("0.") != "")
        )
        if by_zero:
            yield f"{_short(division)} fails on Snowflake where the divisor is 0; use ratio() or percent()."
        elif isinstance(division, exp.Div) and not _has_no_rest(division):
            yield f"{_short(division)} is another number on each engine; use ratio() or percent()."
    for average in statement.written.find_all(exp.Avg):
        yield f"{_short(average)} is a double on DuckDB and rounded on Snowflake; use ratio() of sum and count."


def _has_no_rest(division: exp.Div) -> bool:
    """(x - mod(x, y)) / y, as ratio() writes it."""
    dividend = _bare(division.this)
    if not isinstance(dividend, exp.Sub):
        return False
    rest = _bare(dividend.expression)
    return (
        isinstance(rest, exp.Mod)
        and _text(_bare(rest.this)) == _text(_bare(dividend.this))
        and _text(_bare(rest.expression)) == _text(_bare(division.expression))
    )


def rounded_products(statement: Statement) -> Iterator[str]:
    """A product keeps at most 12 digits after the point on Snowflake, unless a factor has more."""
    for node, scope in _nodes(statement, exp.Mul):
        left, right = statement.known(node.this, scope).type, statement.known(node.expression, scope).type
        if left and right and left.kind == right.kind == "number":
            product = statement.known(node, scope).type
            if product and product.scale < left.scale + right.scale:
                yield f"{_short(node)} is cut to {product.scale} digits after the point on Snowflake; cast a factor."


def nulls_in_any_order(statement: Statement) -> Iterator[str]:
    """Descending, NULLs come first on Snowflake and last on DuckDB; ascending, the session's parameter says."""
    for ordered, scope in _nodes(statement, exp.Ordered):
        if not ordered.meta.get("explicit") and not isinstance(_bare(ordered.this), (exp.Null, exp.Literal)):
            key = ordered.this
            if isinstance(key, exp.Column) and not key.table:
                key = next(
                    (i for i in scope.expression.args["expressions"] if i.alias.upper() == key.name.upper()), key
                )
            if statement.known(key, scope).nullable:
                yield f"order by {_short(ordered.this)} may meet NULL; say nulls first or nulls last."


def greatest_of_null(statement: Statement) -> Iterator[str]:
    """NULL on Snowflake where one argument is NULL; the others' greatest on DuckDB."""
    for node, scope in _nodes(statement, exp.Greatest, exp.Least):
        for part in [node.this, *node.expressions]:
            if not node.args.get("ignore_nulls") and statement.known(part, scope).nullable:
                yield f"{_short(part)} in {node.key}() may be NULL; Snowflake then answers NULL. Say coalesce."


def concat_of_null(statement: Statement) -> Iterator[str]:
    """NULL on Snowflake where one argument is NULL; without it on DuckDB. `||` is NULL on both."""
    for node, scope in _nodes(statement, exp.Concat, exp.ConcatWs):
        for part in node.expressions:
            if statement.known(part, scope).nullable:
                yield f"{_short(part)} in concat() may be NULL; use || and coalesce."


def sums_of_conditions(statement: Statement) -> Iterator[str]:
    for node, scope in _nodes(statement, exp.Sum, exp.Avg, exp.Add, exp.Sub, exp.Mul):
        for part in (node.this, node.args.get("expression")):
            if part is not None and statement.known(part, scope).type == BOOLEAN:
                yield f"{_short(node)} counts with booleans, which Snowflake does not; use a case."


def text_as_number(statement: Statement) -> Iterator[str]:
    """Snowflake converts it without a word, or fails on the first row that is no number; DuckDB refuses."""
    for node, scope in _nodes(statement, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Sum):
        for part in (node.this, node.args.get("expression")):
            if part is not None and statement.known(part, scope).type == TEXT:
                yield f"{_short(node)} counts with text; cast it."


def intervals_between_times(statement: Statement) -> Iterator[str]:
    for node, scope in _nodes(statement, exp.Sub):
        types = [statement.known(part, scope).type for part in (node.this, node.expression)]
        if all(found and found.kind == "timestamp" for found in types):
            yield f"{_short(node)} is an interval on DuckDB and an error on Snowflake; use dbt.datediff."


def formats_of_the_session(statement: Statement) -> Iterator[str]:
    """How a date or time reads as text is what DATE_OUTPUT_FORMAT and its like say."""
    for node, scope in _nodes(statement, exp.Cast, exp.ToChar, exp.DPipe, exp.Concat, exp.ConcatWs):
        if isinstance(node, exp.Cast) and node.to.this not in exp.DataType.TEXT_TYPES:
            continue
        if isinstance(node, exp.ToChar) and node.args.get("format"):
            continue
        pieces = node.expressions if isinstance(node, (exp.Concat, exp.ConcatWs)) else [node.this]
        pieces = [*pieces, node.expression] if isinstance(node, exp.DPipe) else pieces
        for piece in pieces:
            found = statement.known(piece, scope).type
            if found and found.kind in ("date", "timestamp"):
                yield f"{_short(piece)} becomes text by the session's format; use to_char with one, or day_key()."


def truncated_dates(statement: Statement) -> Iterator[str]:
    """date_trunc of a date is a timestamp on DuckDB and a date on Snowflake."""
    for node, scope in _nodes(statement, exp.DateTrunc, exp.TimestampTrunc):
        found = statement.known(node.this, scope).type
        is_cast = isinstance(node.find_ancestor(exp.Cast, exp.Query), exp.Cast)
        if not is_cast and (found is None or found.kind != "timestamp"):
            yield f"{_short(node)} is a date on Snowflake and a timestamp on DuckDB; use month_start() or a cast."


def unordered_lists(statement: Statement) -> Iterator[str]:
    """listagg without an order gives any; of nothing '' on Snowflake and NULL on DuckDB. mode() breaks ties at will."""
    for node in statement.written.find_all(exp.GroupConcat):
        ordered = isinstance(node.parent, exp.WithinGroup) or node.find(exp.Order)
        parent = node.parent.parent if isinstance(node.parent, exp.WithinGroup) else node.parent
        if not ordered or not isinstance(parent, exp.Nullif):
            yield f"{_short(node)} wants `within group (order by …)` and nullif(…, '') around it."
    for mode in statement.written.find_all(exp.Mode):
        yield f"{_short(mode)} breaks ties as it likes; use count and row_number."


def reused_aliases(statement: Statement) -> Iterator[str]:
    """A name that is both a column of the source and an alias of something else means either, by the clause."""
    for select in statement.written.find_all(exp.Select):
        for item in select.expressions:
            name = item.alias.lower()
            value = item.this.this if isinstance(item, exp.Alias) and isinstance(item.this, exp.Cast) else item.this
            if not isinstance(item, exp.Alias) or (isinstance(value, exp.Column) and value.name.lower() == name):
                continue
            if not _is_source_column(statement, select, name):
                continue
            for part in select.iter_expressions():
                if id(part) == id(item) or isinstance(part, (exp.With, exp.From, exp.Join)):
                    continue
                for column in part.walk(prune=lambda node: isinstance(node, exp.Query)):
                    if isinstance(column, exp.Column) and not column.table and column.name.lower() == name:
                        yield f"{name} is a column here and an alias for something else; call the new one otherwise."


def _is_source_column(statement: Statement, select: exp.Select, name: str) -> bool:
    """Whether the traced twin of a written select reads a source with a column of that name."""
    start = select.args.get("from_") or select.args.get("from")
    sources = [start.this] if start else []
    sources += [join.this for join in select.args.get("joins") or []]
    wanted = {source.alias_or_name.lower() for source in sources}
    for twin, scope in statement.selects():
        if [i.alias_or_name.lower() for i in twin.selects] and {a.lower() for a in scope.sources} >= wanted:
            for alias, source in scope.sources.items():
                if alias.lower() in wanted and name.upper() in _columns_of(statement, source):
                    return True
    return False


def _columns_of(statement: Statement, source: Any) -> set[str]:
    if isinstance(source, Scope):
        return set(statement.yields(source))
    if isinstance(source, exp.Table):
        return set(statement.catalog.relations.get(tuple(part.name.upper() for part in source.parts), {}))
    return set()


# ---------------------------------------------------------------------------------- of what dbt is told


def unlike_its_contract(statement: Statement, contract: dict[str, str]) -> Iterator[str]:
    """dbt compares kinds of types only, and Snowflake's CTAS then rounds or cuts without a word."""
    if statement.error or not contract:
        return
    yielded = statement.columns
    if list(yielded) != [name.upper() for name in contract]:
        missing = [name for name in contract if name.upper() not in yielded]
        yield f"its columns are not those of the contract, in its order{': ' + ', '.join(missing) if missing else ''}."
        return
    for name, text in contract.items():
        wanted, found = declared(text), yielded[name.upper()].type
        avoided = _type_to_avoid(text, exp.DataType.build(text, dialect=Snowflake)) if wanted else None
        if wanted is None or avoided:
            yield f"{name} is declared {text}: {avoided or 'no type of this project.'}"
        elif found is None:
            yield f"{name} is declared {text}, and its type is not known; end with a cast."
        elif not _fits(found, wanted):
            yield f"{name} is declared {text} and is {found} on Snowflake; end with a cast."


def _fits(found: Type, wanted: Type) -> bool:
    """The same kind; of numbers the same scale and no more digits."""
    return found.kind == wanted.kind and found.scale == wanted.scale and found.digits <= wanted.digits


def unknown_clustering_key(statement: Statement, cluster_by: list[str]) -> Iterator[str]:
    """dbt sorts the finished table by it, so it may name output columns only."""
    for name in cluster_by:
        if not statement.error and name.upper() not in statement.columns:
            yield f"cluster_by names {name}, which is no column of this model."


# --------------------------------------------------------------------------------------------- helpers


def _nodes(statement: Statement, *kinds: type[exp.Expr]) -> Iterator[tuple[Any, Scope]]:
    """The nodes of these kinds in the traced statement, each once, with the select it belongs to."""
    for scope in statement.scopes:
        for node in scope.walk():
            if isinstance(node, kinds):
                yield node, scope


def _bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _text(node: exp.Expr) -> str:
    return str(node.sql(dialect=Snowflake)).upper()


def _short(node: exp.Expr) -> str:
    text = " ".join(node.sql(dialect=Snowflake, comments=False).lower().split())
    return f"`{text if len(text) <= 80 else text[:77] + '…'}`"


RULES: list[Callable[[Statement], Iterator[str]]] = [
    unlisted_functions,
    comments_by_slashes,
    other_operators,
    quoted_names,
    reserved_names,
    missing_clauses,
    loose_windows,
    unknown_parts,
    backslashes,
    clocks_of_the_session,
    open_types,
    regular_expressions,
    weeks_by_session,
    untraced_columns,
    doubled_columns,
    correlated_queries,
    mixed_unions,
    numbers_of_flatten,
    ungrouped_columns,
    inexact_divisions,
    rounded_products,
    nulls_in_any_order,
    greatest_of_null,
    concat_of_null,
    sums_of_conditions,
    text_as_number,
    intervals_between_times,
    formats_of_the_session,
    truncated_dates,
    unordered_lists,
    reused_aliases,
]

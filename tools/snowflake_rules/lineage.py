"""What is known of every column from RAW to REPORTS: that it exists, its type on Snowflake, whether it may be NULL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

MAX_DIGITS = 38


class Written(Snowflake):
    """Snowflake's dialect, which also remembers whether NULLS FIRST or NULLS LAST was written."""

    class Parser(Snowflake.Parser):  # type: ignore[misc,valid-type]
        def _parse_ordered(self, *arguments: Any, **named: Any) -> exp.Ordered | None:
            ordered: exp.Ordered | None = super()._parse_ordered(*arguments, **named)
            if ordered is not None and self._prev is not None:
                ordered.meta["explicit"] = self._prev.text.upper() in ("FIRST", "LAST")
            return ordered


@dataclass(frozen=True)
class Type:
    """kind: text, number, float, boolean, date, timestamp, variant. digits and scale: of a number."""

    kind: str
    digits: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return f"number({self.digits}, {self.scale})" if self.kind == "number" else self.kind


TEXT, BOOLEAN, DATE, TIMESTAMP, VARIANT, FLOAT = map(Type, ("text", "boolean", "date", "timestamp", "variant", "float"))
WHOLE = Type("number", 18, 0)


@dataclass(frozen=True)
class Known:
    """What is known of an expression; type None: nothing."""

    type: Type | None
    nullable: bool


Columns = dict[str, Known]


def declared(text: str) -> Type | None:
    """The type that a yml file or a cast names, as it is on Snowflake; None for one nobody uses here."""
    try:
        return _type(exp.DataType.build(text, dialect=Snowflake))
    except sqlglot.errors.ParseError:
        return None


def _type(found: exp.DataType) -> Type | None:
    kind = found.this
    if kind in exp.DataType.TEXT_TYPES:
        return TEXT
    if kind in exp.DataType.INTEGER_TYPES:
        return Type("number", MAX_DIGITS, 0)
    if kind in (exp.DType.DECIMAL, exp.DType.BIGDECIMAL):
        sizes = [int(size.name) for size in found.expressions]
        return Type("number", sizes[0] if sizes else MAX_DIGITS, sizes[1] if len(sizes) > 1 else 0)
    if kind in exp.DataType.FLOAT_TYPES:
        return FLOAT
    if kind == exp.DType.BOOLEAN:
        return BOOLEAN
    if kind in (exp.DType.DATE, exp.DType.DATE32):
        return DATE
    if kind in exp.DataType.TEMPORAL_TYPES and kind != exp.DType.TIME:
        return TIMESTAMP
    if kind in (exp.DType.VARIANT, exp.DType.JSON, exp.DType.ARRAY, exp.DType.OBJECT):
        return VARIANT
    return None


@dataclass
class Catalog:
    """The relations known so far, by their three names in upper case, as Snowflake keeps them."""

    relations: dict[tuple[str, ...], Columns] = field(default_factory=dict)

    def add(self, relation: str, columns: Columns) -> None:
        """relation: database.schema.name, not quoted."""
        self.relations[key(relation)] = {name.upper(): known for name, known in columns.items()}

    def schema(self) -> MappingSchema:
        nested: dict[str, Any] = {}
        for (database, schema, name), columns in self.relations.items():
            if not columns:  # sqlglot would find fault with every statement
                continue
            tables = nested.setdefault(database, {}).setdefault(schema, {})
            tables[name] = dict.fromkeys(columns, "VARCHAR")
        return MappingSchema(nested, dialect=Snowflake)


def key(relation: str) -> tuple[str, ...]:
    return tuple(part.upper() for part in relation.split("."))


class Statement:
    """A compiled statement: as written, and with every column traced to where it comes from.

    written: the parsed text. error: why the columns cannot be traced, or None. selects: each select of the traced
    statement with its scope; columns: what the statement yields, where it is a query.
    """

    def __init__(self, sql: str, catalog: Catalog) -> None:
        self.sql = sql
        self.catalog = catalog
        self.written = sqlglot.parse_one(sql, dialect=Written)
        self.error: str | None = None
        self.scopes: list[Scope] = []
        self._known: dict[tuple[int, int], Known] = {}
        self._nullable_sides: dict[int, set[str]] = {}
        self._never_null: dict[int, set[tuple[str, str]]] = {}
        if not isinstance(self.written, (exp.Query, exp.Delete, exp.Update)):
            return
        try:
            traced = qualify(
                _as_query(self.written),
                schema=catalog.schema(),
                dialect=Written,
                quote_identifiers=False,
                identify=False,
            )
            self.scopes = traverse_scope(traced)
        except sqlglot.errors.SqlglotError as error:
            self.error = " ".join(str(error).split())

    @property
    def columns(self) -> Columns:
        return self.yields(self.scopes[-1]) if self.scopes else {}

    def selects(self) -> Iterator[tuple[exp.Select, Scope]]:
        for scope in self.scopes:
            if isinstance(scope.expression, exp.Select):
                yield scope.expression, scope

    def yields(self, scope: Scope) -> Columns:
        """The columns of a scope, in order."""
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            sides = [self.yields(side) for side in scope.set_operation_scopes]
            left, right = sides[0], list(sides[1].values())
            return {
                name: Known(merged([mine.type, other.type]), mine.nullable or other.nullable)
                for (name, mine), other in zip(left.items(), right, strict=False)
            }
        if not isinstance(query, exp.Select):
            return {}
        return {item.alias_or_name.upper(): self.known(item, scope) for item in query.selects}

    def names_of(self, source: Scope | exp.Expr) -> set[str]:
        """The columns of a source of a select, in upper case; none where they are not known."""
        if isinstance(source, Scope):
            return set(self.yields(source))
        names = tuple(part.name.upper() for part in source.parts) if isinstance(source, exp.Table) else ()
        return set(self.catalog.relations.get(names, {}))

    def known(self, node: exp.Expr | None, scope: Scope) -> Known:
        if node is None:
            return Known(None, True)
        place = (id(node), id(scope))
        if place not in self._known:
            self._known[place] = Known(self._type_of(node, scope), self._may_be_null(node, scope))
        return self._known[place]

    # ------------------------------------------------------------------------------------------ columns

    def _column(self, column: exp.Column, scope: Scope) -> Known:
        table, name = column.table.upper(), column.name.upper()
        owner: Scope | None = scope
        while owner is not None:
            sources = {alias.upper(): source for alias, source in owner.sources.items()}
            if table in sources:
                break
            owner = owner.parent
        else:
            return Known(None, True)
        source = sources[table]
        if isinstance(source, Scope):
            found = self.yields(source).get(name, Known(_flattened(source, name), True))
        elif isinstance(source, exp.Table):
            names = tuple(part.name.upper() for part in source.parts)
            found = self.catalog.relations.get(names, {}).get(name, Known(None, True))
        else:
            found = Known(None, True)
        nullable = found.nullable or table in self._outer(owner)
        return Known(found.type, nullable and (table, name) not in self._asked_for(owner))

    def _outer(self, scope: Scope) -> set[str]:
        """The sources of a select that an outer join may leave empty."""
        if id(scope) not in self._nullable_sides:
            sides: set[str] = set()
            before: list[str] = []
            query = scope.expression
            if isinstance(query, exp.Select):
                start = query.args.get("from_") or query.args.get("from")
                before = [start.this.alias_or_name.upper()] if start else []
                for join in query.args.get("joins") or []:
                    here = join.this.alias_or_name.upper()
                    if join.side in ("LEFT", "FULL"):
                        sides.add(here)
                    if join.side in ("RIGHT", "FULL"):
                        sides.update(before)
                    before.append(here)
            self._nullable_sides[id(scope)] = sides
        return self._nullable_sides[id(scope)]

    def _asked_for(self, scope: Scope) -> set[tuple[str, str]]:
        """Columns of which a select's conditions let no NULL through."""
        if id(scope) not in self._never_null:
            found: set[tuple[str, str]] = set()
            self._never_null[id(scope)] = found
            query = scope.expression
            if isinstance(query, exp.Select):
                where = query.args.get("where")
                conditions = [where.this] if where else []
                conditions += [
                    join.args["on"] for join in query.args.get("joins") or [] if not join.side and join.args.get("on")
                ]
                for condition in conditions:
                    for column in _demanded(condition):
                        found.add((column.table.upper(), column.name.upper()))
        return self._never_null[id(scope)]

    # ------------------------------------------------------------------------------------- may it be NULL

    def _may_be_null(self, node: exp.Expr, scope: Scope) -> bool:
        match node:
            case exp.Column():
                return self._column(node, scope).nullable
            case exp.Literal() | exp.Boolean() | exp.Var() | exp.Interval() | exp.DataType() | exp.CurrentUser():
                return False
            case exp.Count() | exp.CountIf() | exp.RowNumber() | exp.Exists() | exp.Is() | exp.NullSafeNEQ():
                return False
            case exp.Null() | exp.Nullif() | exp.Lag() | exp.Lead() | exp.Subquery() | exp.Select() | exp.TryCast():
                return True
            case exp.Coalesce():
                return all(self.known(part, scope).nullable for part in [node.this, *node.expressions])
            case exp.Case():
                values = [branch.args["true"] for branch in node.args["ifs"]]
                values.append(node.args.get("default"))
                return any(self.known(value, scope).nullable for value in values)
            case exp.Window():
                spec = node.args.get("spec")
                sides = [str(spec.args.get(side)).lower() for side in ("start_side", "end_side")] if spec else []
                is_elsewhere = bool(sides) and (sides[0] == "following" or sides[1] == "preceding")
                return is_elsewhere or self.known(node.this, scope).nullable
            case exp.Sum() | exp.Min() | exp.Max() | exp.Avg():
                query = scope.expression
                grouped = isinstance(node.parent, exp.Window) or bool(query.args.get("group"))
                return not grouped or self.known(node.this, scope).nullable
            case exp.AggFunc():
                return True
            case _:
                return any(self.known(part, scope).nullable for part in _operands(node))

    # ----------------------------------------------------------------------------------- of which type it is

    def _type_of(self, node: exp.Expr, scope: Scope) -> Type | None:
        def of(part: exp.Expr | None) -> Type | None:
            return self.known(part, scope).type

        match node:
            case exp.Column():
                return self._column(node, scope).type
            case exp.Cast():
                return _type(node.to)
            case exp.Literal():
                return TEXT if node.is_string else _of_digits(node.name)
            case exp.Alias() | exp.Paren() | exp.Window() | exp.IgnoreNulls() | exp.Neg() | exp.Abs():
                return of(node.this)
            case exp.Boolean() | exp.Predicate() | exp.Connector() | exp.Not() | exp.Exists():
                return BOOLEAN
            case exp.Subquery() | exp.Select():
                inside = node.unnest() if isinstance(node, exp.Subquery) else node
                inner = next((s for s in self.scopes if s.expression is inside), None)
                return next(iter(self.yields(inner).values())).type if inner else None
            case exp.Case():
                return merged([of(branch.args["true"]) for branch in node.args["ifs"]] + [of(node.args.get("default"))])
            case exp.Coalesce() | exp.Greatest() | exp.Least():
                return merged([of(part) for part in _operands(node)])
            case exp.Nullif() | exp.Min() | exp.Max() | exp.Lag() | exp.Lead() | exp.FirstValue() | exp.LastValue():
                return of(node.this)
            case exp.Sum():
                summed = of(node.this)
                return Type("number", MAX_DIGITS, summed.scale) if summed and summed.kind == "number" else summed
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Mod() | exp.Div():
                return _computed(node, of(node.this), of(node.expression))
            case exp.Round():
                rounded, places = of(node.this), node.args.get("decimals")
                scale = int(places.name) if isinstance(places, exp.Literal) else 0
                return Type("number", rounded.digits, scale) if rounded and rounded.kind == "number" else rounded
            case exp.DateTrunc() | exp.TimestampTrunc() | exp.DateAdd() | exp.TsOrDsAdd() | exp.TimestampAdd():
                return of(node.this)
            case exp.LastDay():
                return DATE
            case exp.ConvertTimezone():
                return TIMESTAMP
        if isinstance(node, TEXT_FUNCTIONS):
            return TEXT
        return WHOLE if isinstance(node, WHOLE_FUNCTIONS) else None


TEXT_FUNCTIONS = (
    *(exp.Upper, exp.Lower, exp.Trim, exp.Substring, exp.Concat, exp.DPipe, exp.MD5, exp.ToChar, exp.TimeToStr),
    *(exp.Replace, exp.Left, exp.Right, exp.CurrentUser, exp.GroupConcat),
)
WHOLE_FUNCTIONS = (
    *(exp.Count, exp.RowNumber, exp.Extract, exp.DateDiff, exp.StrPosition, exp.Length, exp.Sign, exp.Rank),
    *(exp.DenseRank, exp.DayOfWeekIso, exp.WeekOfYear, exp.Year, exp.Month, exp.Day, exp.Quarter),
)


def merged(types: Iterable[Type | None]) -> Type | None:
    """The type of a choice between values: unknown ones (NULL) do not decide, numbers keep their widest parts."""
    known = [found for found in types if found is not None]
    if not known or any(found.kind != known[0].kind for found in known):
        return None
    if known[0].kind != "number":
        return known[0]
    scale = max(found.scale for found in known)
    whole = max(found.digits - found.scale for found in known)
    return Type("number", min(MAX_DIGITS, whole + scale), scale)


def _computed(node: exp.Expr, left: Type | None, right: Type | None) -> Type | None:
    """Of numbers by Snowflake's rules (page "Arithmetic operators"); of dates and times what is left of them."""
    if left is None or right is None:
        return None
    if left.kind in ("date", "timestamp"):
        return WHOLE if right.kind == left.kind else left
    if "float" in (left.kind, right.kind):
        return FLOAT
    if left.kind != "number" or right.kind != "number":
        return None
    whole_left, whole_right = left.digits - left.scale, right.digits - right.scale
    match node:
        case exp.Mul():
            scale, whole = min(left.scale + right.scale, max(left.scale, right.scale, 12)), whole_left + whole_right
        case exp.Div():
            scale, whole = max(left.scale, min(left.scale + 6, 12)), whole_left + right.scale
        case exp.Mod():
            scale, whole = max(left.scale, right.scale), whole_right
        case _:
            scale, whole = max(left.scale, right.scale), max(whole_left, whole_right) + 1
    return Type("number", min(MAX_DIGITS, whole + scale), scale)


def _of_digits(text: str) -> Type:
    if "e" in text.lower():
        return FLOAT
    _, _, fraction = text.partition(".")
    return Type("number", len(text.replace(".", "")), len(fraction))


def _operands(node: exp.Expr) -> Iterator[exp.Expr]:
    return (part for part in node.iter_expressions() if not isinstance(part, (exp.DataType, exp.Identifier)))


def _flattened(source: Scope, name: str) -> Type | None:
    """INDEX and VALUE of a FLATTEN."""
    return {"INDEX": WHOLE, "SEQ": WHOLE, "VALUE": VARIANT}.get(name)


def _demanded(condition: exp.Expr) -> Iterator[exp.Column]:
    """The columns that are not NULL where a condition holds."""
    if isinstance(condition, exp.Paren):
        yield from _demanded(condition.this)
    elif isinstance(condition, exp.And):
        yield from _demanded(condition.left)
        yield from _demanded(condition.right)
    elif isinstance(condition, exp.Not) and isinstance(condition.this, exp.Is):
        if isinstance(condition.this.expression, exp.Null) and isinstance(condition.this.this, exp.Column):
            yield condition.this.this
    elif isinstance(condition, (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Like, exp.In, exp.Between)):
        for part in (condition.this, condition.args.get("expression")):
            if isinstance(part, exp.Column):
                yield part


def _as_query(tree: exp.Expr) -> exp.Expr:
    """A copy to trace: a delete or update as the query of the rows and values it needs."""
    tree = tree.copy()
    if isinstance(tree, exp.Delete):
        query = exp.select("1").from_(tree.this)
    elif isinstance(tree, exp.Update):
        target = tree.this.alias_or_name
        values = [part for item in tree.expressions for part in (exp.column(item.this.name, target), item.expression)]
        query = exp.select(*(exp.alias_(value, f"value_{n}") for n, value in enumerate(values))).from_(tree.this)
        source = tree.args.get("from_") or tree.args.get("from")
        if source is not None:
            query = query.join(source.this, join_type="cross")
    else:
        return tree
    where = tree.args.get("where")
    return query.where(where.this) if where else query


def code_only(sql: str) -> str:
    """A statement without its texts, quoted names and `--` and `/* */` comments."""
    return re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL)

"""Two parsers of Snowflake's SQL, because each forgives what the other does not."""

from __future__ import annotations

import sqlglot
from sqlfluff.api.simple import APIParsingError

import sqlfluff


def objections(sql: str) -> list[str]:
    """What the two parsers have against a statement; nothing if it is Snowflake SQL to both."""
    found = []
    try:
        sqlfluff.parse(sql, dialect="snowflake")
    except APIParsingError as error:
        found.append(f"sqlfluff: {error}")
    try:
        sqlglot.parse_one(sql, dialect="snowflake")
    except sqlglot.errors.ParseError as error:
        found.append(f"sqlglot: {error}")
    return found

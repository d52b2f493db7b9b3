"""A Snowflake for the tests: fakesnow behind a proxy that notes every statement and can cut a connection.

The real connector speaks to the proxy over HTTP. The statements noted are those the connector sent. What fakesnow
cannot run as Snowflake documents it is translated on the way, here and only here; TRANSLATIONS is the whole list.
"""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow
from fakesnow import arrow, info_schema
from fakesnow import server as fake_server  # the function; running it puts a module of this name in its place
from fakesnow.transforms import stage

# (what fakesnow cannot do, pattern of Snowflake's statement, what it is sent instead)
TRANSLATIONS: list[tuple[str, str, str]] = [
    (
        "COPY takes no FILES, and of the options only the type and ON_ERROR",
        r"(?s)\nfiles = .*",
        "\nfile_format = (type = parquet)\non_error = abort_statement",
    ),
    (
        "there is no MD5_NUMBER_LOWER64; the same 60 bits out of the hexadecimal digest",
        r"bitand\(md5_number_lower64\((.*)\), 1152921504606846975\)",
        r"('0x' || right(md5(\1), 15))::bigint::number(38, 0)",
    ),
    ("NUMBER(38, 0) has 64 bits", r"number\(38, 0\)", "number(37, 0)"),
    (
        "TO_CHAR ignores the format",
        r"""to_char\(("[^"]+"), 'YYYY-MM-DD HH24:MI:SS\.FF6'\)""",
        r"strftime(\1, '%Y-%m-%d %H:%M:%S.%f')",
    ),
    ("TO_CHAR ignores the format", r"""to_char\(("[^"]+"), 'YYYY-MM-DD'\)""", r"strftime(\1, '%Y-%m-%d')"),
]


class Snowflake:
    """cut: called with each statement; "before": it is lost on its way; "after": its reply is lost. Either way the
    session's connection is dead from then on, while its transaction stays open on the server, as on Snowflake."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.statements: list[str] = []
        self.logins: list[dict[str, Any]] = []
        self.cut: Callable[[str], str | None] = lambda statement: None
        self.dead: set[str] = set()
        self.open: dict[str, tuple[int, str]] = {}
        self._server_port = port
        self._ids = itertools.count(1001)

    def send(self, method: str, path: str, headers: Any, body: bytes) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._server_port)
        kept = {name: value for name, value in headers.items() if name.lower() not in ("content-length", "connection")}
        connection.request(method, path, body, kept)
        return connection.getresponse()

    def translated(self, token: str, text: str) -> str:
        """What fakesnow is sent for a statement, and what the statement does to transactions."""
        if begun := re.fullmatch(r"begin transaction name (\w+)", text):
            self.open[token] = next(self._ids), begun[1]
            return "begin"
        if text in ("commit", "rollback"):
            self.open.pop(token, None)
        if text == "show transactions":
            rows = " union all ".join(
                f"""select {id} as "id", '{name}' as "name" """ for id, name in self.open.values()
            )
            return rows or """select 0 as "id", '' as "name" where false"""
        if ended := re.fullmatch(r"select system\$abort_transaction\((\d+)\)", text):
            for owner, (number, _) in list(self.open.items()):
                if number == int(ended[1]):
                    del self.open[owner]
                    self.ask(owner, "rollback")
            return f"select 'Aborted transaction id: {ended[1]}'"
        if removed := re.fullmatch(r"remove @ops\.vend_sync_stage/(.*)", text):
            for file in self.files():
                if removed[1] in str(file):
                    file.unlink()
            return "select 1"
        for _, pattern, replacement in TRANSLATIONS:
            text = re.sub(pattern, replacement, text)
        return text

    def ask(self, token: str, text: str) -> None:
        headers = {"Authorization": token, "Content-Type": "application/json"}
        self.send("POST", "/queries/v1/query-request", headers, json.dumps({"sqlText": text}).encode()).read()

    def files(self) -> list[Path]:
        return [file for file in Path(stage.LOCAL_BUCKET_PATH).rglob("*") if file.is_file()]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer takes 40 ms
    snowflake: Snowflake

    def do_GET(self) -> None:
        self._forward()

    def do_PUT(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "")
        if token in self.snowflake.dead:
            return self._hang_up()
        fate = None
        if self.path.startswith("/queries/v1/query-request"):
            request = json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            text = request["sqlText"]
            self.snowflake.statements.append(text)
            fate = self.snowflake.cut(text)
            if fate == "before":
                self.snowflake.dead.add(token)
                return self._hang_up()
            request["sqlText"] = self.snowflake.translated(token, text)
            body = json.dumps(request).encode()
            del self.headers["Content-Encoding"]
        elif self.path.startswith("/session/v1/login-request"):
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            self.snowflake.logins.append(json.loads(plain)["data"])
            self.path += "&schemaName=PUBLIC"  # a Snowflake session starts there; a fakesnow session starts nowhere
        answer = self.snowflake.send(self.command, self.path, self.headers, body)
        content = answer.read()
        if fate == "after":
            self.snowflake.dead.add(token)
            return self._hang_up()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def merging() -> Iterator[None]:
    """Lets fakesnow merge inside a transaction. It notes comments and lengths of the table that its MERGE works with
    in another database, and DuckDB's transactions write to one database only."""

    def unnoted(original: Callable[..., str]) -> Callable[..., str]:
        return lambda catalog, schema, table, what: (
            "select 1" if table.upper() == "MERGE_CANDIDATES" else original(catalog, schema, table, what)
        )

    with (
        mock.patch.object(info_schema, "insert_table_comment_sql", unnoted(info_schema.insert_table_comment_sql)),
        mock.patch.object(info_schema, "insert_text_lengths_sql", unnoted(info_schema.insert_text_lengths_sql)),
    ):
        yield


@contextmanager
def telling_null() -> Iterator[None]:
    """Lets fakesnow answer a NULL timestamp with NULL, where it answers 1970-01-01."""
    original = arrow.timestamp_to_sf_struct

    def masked(column: Any) -> Any:
        column = column.combine_chunks() if isinstance(column, pyarrow.ChunkedArray) else column
        struct = original(column)
        return pyarrow.StructArray.from_arrays(
            [struct.field(i) for i in range(struct.type.num_fields)], fields=list(struct.type), mask=column.is_null()
        )

    with mock.patch.object(arrow, "timestamp_to_sf_struct", masked):
        yield


@contextmanager
def running() -> Iterator[Snowflake]:
    with merging(), telling_null(), fake_server() as server:
        snowflake = Snowflake(server["port"])
        handler = type("Handler", (_Handler,), {"snowflake": snowflake})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
            snowflake.port = proxy.server_address[1]
            thread = threading.Thread(target=proxy.serve_forever, daemon=True)
            thread.start()
            try:
                yield snowflake
            finally:
                proxy.shutdown()
                thread.join()
                shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)  # fakesnow leaves it

"""The pages just written, served to this machine until somebody stops it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from vend.errors import VendError

HOST = "127.0.0.1"
TYPES = {".html": "text/html; charset=utf-8", ".png": "image/png", ".csv": "text/csv; charset=utf-8"}


def serve(files: Mapping[str, Path], port: int, ready: Callable[[str], None]) -> None:
    """Serve these files and nothing else. files: by their path, / for the first.

    port: 0 for any free one. ready: called with the address. Returns after Ctrl-C. Raises VendError for a taken port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer(whole=False)

        def _answer(self, whole: bool = True) -> None:
            # another name for this machine is a page of somebody else's that looks in
            if self.headers.get("Host", "").partition(":")[0] not in (HOST, "localhost"):
                self.send_error(403, "Ask for 127.0.0.1")
                return
            file = files.get(self.path.partition("?")[0])
            if file is None or not file.exists():
                self.send_error(404, "There is no such page")
                return
            body = file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", TYPES[file.suffix])
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if whole:
                self.wfile.write(body)

        def version_string(self) -> str:
            return "vend"

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: who reads a page is nobody's business."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise VendError(f"Port {port} cannot be had ({error.strerror}). Name another with --port.") from None
    with server:
        server.daemon_threads = True
        ready(f"http://{HOST}:{server.server_address[1]}/")
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            return

"""Servers that alerts are sent to: real ones on this machine, which accept, refuse, keep silent or drip."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "vend", "p@ss/word-much-secret"


class Hook:
    """A webhook. answers: the status of each request in turn, the last one for all after. bodies: what was posted."""

    def __init__(self, answers: list[int]) -> None:
        self.answers, self.bodies, self.paths = answers, [], []  # type: ignore[var-annotated]
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.bodies.append(json.loads(body))
                hook.paths.append(self.path)
                status = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook/T0/secret-token"


@contextmanager
def webhook(*answers: int) -> Iterator[Hook]:
    hook = Hook(list(answers or (200,)))
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


@contextmanager
def half_open(drip: bytes = b"") -> Iterator[int]:
    """The port of a server that takes connections and says nothing, or `drip` once more whenever it is read."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            while not over.wait(0.05):
                try:
                    if drip:
                        connection.sendall(drip)
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            workers.append(threading.Thread(target=serve, args=(connection,)))
            workers[-1].start()

    workers: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for worker in workers:
                worker.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Post:
    """What a mail server took, and how it answers: the reply to each message in turn, None for accepted."""

    def __init__(self, replies: list[str | None]) -> None:
        self.replies, self.letters, self.encrypted = replies, [], []  # type: ignore[var-annotated]
        self.port = 0

    async def handle_RCPT(  # noqa: N802, aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user nobody"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802, aiosmtpd's name
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is None:
            self.letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
            self.encrypted.append(session.ssl is not None)
        return reply or "250 taken"


@contextmanager
def mail_server(
    *replies: str | None, login: bool = False, tls: ssl.SSLContext | None = None, whole: bool = False
) -> Iterator[Post]:
    """tls: with STARTTLS, or encrypted from the start where `whole`."""
    post = Post(list(replies or (None,)))

    def authenticator(server: SMTP, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)

    class Loopback(Controller):
        def _trigger_server(self) -> None:  # which would verify the certificate
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                if whole:
                    trusting = ssl.create_default_context()
                    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
                    connection = trusting.wrap_socket(connection)
                connection.recv(1024)
                connection.close()

    controller = Loopback(
        post,
        hostname="127.0.0.1",
        port=closed_port(),
        ssl_context=tls if whole else None,
        tls_context=None if whole else tls,
        authenticator=authenticator,
        auth_required=login,
        auth_require_tls=tls is not None and not whole,
    )
    controller.start()
    try:
        post.port = controller.port
        yield post
    finally:
        controller.stop()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate of its own for 127.0.0.1, and the file that makes a client trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "server.pem", folder / "server.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public

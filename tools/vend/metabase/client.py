"""Calls Metabase's REST API; every failure is a sentence, and no key, password or token is ever in one."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from vend import __version__
from vend.errors import UsageError, VendError
from vend.settings import Settings

# Metabase tries a new connection to the warehouse before it answers.
SECONDS = 60

LOGIN = "Set METABASE_API_KEY, a key of the group Administrators, or METABASE_USERNAME and METABASE_PASSWORD."

Json = Any


class RefusedError(VendError):
    """Metabase answered with an error. status: of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def address(settings: Settings) -> str:
    """METABASE_URL without a slash at its end. Raises UsageError where it is none."""
    url = settings.metabase.get("METABASE_URL", "").rstrip("/")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.username or parts.query or parts.fragment or re.search(r"\s", url):
        raise UsageError("METABASE_URL must be the address of Metabase: https://metabase.example.com")
    return url


class Client:
    """One Metabase. dry_run: what would be written is counted and not sent."""

    def __init__(self, settings: Settings, *, dry_run: bool = False, seconds: float = SECONDS) -> None:
        if "METABASE_URL" not in settings.metabase:
            raise UsageError(f"Set METABASE_URL, the address of Metabase: https://metabase.example.com. {LOGIN}")
        self._url = urlsplit(address(settings))
        self._seconds = seconds
        self._secrets = [value for name, value in settings.metabase.items() if name != "METABASE_URL"]
        self.dry_run = dry_run
        self._headers: dict[str, str] = {}
        self._headers = self._login(settings.metabase)

    def _login(self, given: Mapping[str, str]) -> dict[str, str]:
        if key := given.get("METABASE_API_KEY"):
            return {"x-api-key": key}
        if "METABASE_USERNAME" in given and "METABASE_PASSWORD" in given:
            who = {"username": given["METABASE_USERNAME"], "password": given["METABASE_PASSWORD"]}
            session = self._call("POST", "/api/session", who)
            token = session.get("id") if isinstance(session, dict) else None
            if not isinstance(token, str):
                raise VendError(f"Metabase at {self._url.netloc} gave no session. Is METABASE_URL a Metabase?")
            self._secrets.append(token)
            return {"X-Metabase-Session": token}
        raise UsageError(LOGIN)

    def conceal(self, secret: str) -> None:
        """What is never to be in a message."""
        self._secrets.append(secret)

    def get(self, path: str, **query: str | list[str]) -> Json:
        return self._call("GET", path + (f"?{urlencode(query, doseq=True)}" if query else ""), None)

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """The answer; an empty object in a dry run."""
        return {} if self.dry_run else self._call("POST", path, body)

    def put(self, path: str, body: Mapping[str, Any]) -> Json:
        """The answer; an empty object in a dry run."""
        return {} if self.dry_run else self._call("PUT", path, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Json:
        host, port = self._url.hostname or "", self._url.port
        connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, port, timeout=self._seconds, context=ssl.create_default_context())
            if self._url.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=self._seconds)
        )
        headers = {"User-Agent": f"vend/{__version__}", "Accept": "application/json", **self._headers}
        sent = None
        if body is not None:
            sent = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        what = f"{method} {path.partition('?')[0]}"
        try:
            connection.request(method, self._url.path + path, sent, headers)
            response = connection.getresponse()
            status, text = response.status, response.read().decode("utf-8", "replace")
        except TimeoutError:
            raise VendError(
                f"Metabase at {self._url.netloc} did not answer {what} within {self._seconds:g} s. Rerun later."
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise VendError(
                f"Metabase at {self._url.netloc} cannot be reached or broke off at {what} ({type(error).__name__}). "
                "Check METABASE_URL and that it runs, and rerun."
            ) from None
        finally:
            connection.close()
        if status not in (200, 202, 204):
            raise RefusedError(self._refusal(status, what, text), status)
        try:
            return json.loads(text) if text else {}
        except ValueError:
            raise VendError(
                f"What {self._url.netloc} answers to {what} is no JSON. Is METABASE_URL a Metabase, and no login page?"
            ) from None

    def _refusal(self, status: int, what: str, text: str) -> str:
        where = f"Metabase at {self._url.netloc}"
        if status == 401:
            return f"{where} does not know us. Check METABASE_API_KEY, or METABASE_USERNAME and METABASE_PASSWORD."
        if status == 403:
            return f"{where} does not allow {what}. The key or user must belong to the group Administrators."
        said = self._said(text)
        if status >= 500:
            return f"{where} failed at {what} ({status}{said}). Look into its log, and rerun: what is done stays done."
        if 300 <= status < 400:
            return f"{where} sends {what} elsewhere ({status}). Set METABASE_URL to the address it ends at."
        return f"{where} refuses {what} ({status}{said})."

    def _said(self, text: str) -> str:
        """What the answer says, without a secret."""
        try:
            found = json.loads(text)
        except ValueError:
            found = text if len(text) < 200 and "<" not in text else ""
        if isinstance(found, dict):
            errors = found.get("errors") or found.get("specific-errors")
            found = found.get("message") or found.get("cause") or errors or ""
        words = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
        for secret in self._secrets:
            words = words.replace(secret, "***")
        words = " ".join(words.split())[:300]
        return f": {words.rstrip('.')}" if words else ""

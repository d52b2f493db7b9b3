"""The signed address of an embedded dashboard, which shows the rows of the garage that its token names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from vend import reader
from vend.errors import UsageError
from vend.metabase import content as contents
from vend.metabase.client import Client, address
from vend.metabase.push import dashboard_id
from vend.settings import Settings

COLLECTION = "garage"


def url(settings: Settings, garage: str, *, user: str | None = None, minutes: int = 10) -> str:
    """For an iframe, until it expires. garage: id or name; user: who must be allowed to see it.

    Raises DeniedError where they may not.
    """
    secret = settings.metabase.get("METABASE_EMBED_SECRET")
    if not secret:
        raise UsageError("Set METABASE_EMBED_SECRET to the embedding secret key of Metabase's Admin settings.")
    with reader.cold(settings, user) as seen:
        garage_id = seen.garage(garage).id
    content = contents.load(settings)
    dashboard = dashboard_id(Client(settings), content, COLLECTION)
    token = signed(payload(dashboard, garage_id, int(time.time()) + 60 * minutes), secret)
    return f"{address(settings)}/embed/dashboard/{token}#bordered=false&titled=true"


def payload(dashboard: int, garage_id: str, expires: int) -> dict[str, Any]:
    return {"resource": {"dashboard": dashboard}, "params": {"garage": [garage_id]}, "exp": expires}


def signed(claims: Mapping[str, Any], secret: str) -> str:
    """A JSON Web Token (RFC 7519) by HMAC with SHA-256."""
    parts = [
        _encoded(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    signature = hmac.new(secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, _encoded(signature)])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

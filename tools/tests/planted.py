"""Secrets to plant, and the search for them.

Each is a word that occurs nowhere else, twice, with what has to be escaped around it; a part of it is a leak too.
"""

from __future__ import annotations

import base64
import re


def secret(word: str) -> str:
    """A password of the word, twice, with what shells, URLs, SQL, YAML and libpq escape between and around."""
    return f"%{word}a1 @:/?#&='\"\\$`{{}};é{word}b2"


POSTGRES = secret("Kestrel7Pgx")
LIBPQ = secret("Osprey3Lpq")
SNOWFLAKE = secret("Merlin9Sfp")
PASSPHRASE = secret("Harrier5Pph")
MAIL = secret("Goshawk2Mlx").replace("é", "e")  # smtplib logs in with ASCII alone
HOOK = "Buzzard8Hkx"
METABASE = {
    "METABASE_PASSWORD": secret("Falcon4Mbp"),
    "METABASE_API_KEY": "mb_Hobby6Mbk+/=",
    "METABASE_EMBED_SECRET": "Condor1Mbe" * 6,
}
WORDS = [
    re.search(r"[A-Z][a-z]+\d[A-Z][a-z]{2}", text)[0]  # type: ignore[index]
    for text in (POSTGRES, LIBPQ, SNOWFLAKE, PASSPHRASE, MAIL, HOOK, *METABASE.values())
]


def forms(word: str) -> list[bytes]:
    """The word as it is, in hexadecimal, in UTF-16 and in base64 at each place within a longer text."""
    found = [word.encode(), word.encode().hex().encode(), word.encode("utf-16-le")]
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + word.encode()).rstrip(b"=")
        found.append(text[-(-lead * 8 // 6) : -1])
    return found


FORMS = {form: word for word in WORDS for form in forms(word)}
ANY = re.compile(b"|".join(map(re.escape, FORMS)), re.IGNORECASE)


def leaks(content: bytes | str) -> list[str]:
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return sorted({raw[max(0, m.start() - 60) : m.end() + 20].decode("utf-8", "replace") for m in ANY.finditer(raw)})

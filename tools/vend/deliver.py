"""Messages about alerts: to a webhook and by mail. What a message says is public among those on call: no secret, no row
of data. A message counts as sent once the other side has accepted it."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from vend import __version__
from vend.alerts import slug
from vend.errors import UsageError
from vend.settings import Settings

WEBHOOK = "webhook"
FORMATS = ("json", "slack")
# Seconds for one answer of the other side, for all of one target with the second attempt, and between the two.
ANSWER = 5.0
WHOLE = 15.0
PAUSE = 1.0
# More alerts than so are counted and not told one by one.
SHOWN = 20


@dataclass(frozen=True)
class Event:
    """What a message tells. event: opened, repeated or closed. id: the same where it is sent again because nobody said
    that it was accepted. Times are ISO 8601, UTC."""

    id: str
    event: str
    alert: str
    subject: str
    severity: str
    value: float | None
    unit: str
    comparison: str
    threshold: float
    detail: str
    since: str
    until: str | None
    description: str
    runbook: str

    @property
    def line(self) -> str:
        """The event in a line."""
        if self.severity == "unknown":
            what = "could not be checked" if self.event != "closed" else "can be checked again"
            return f"{self.alert} {what}"
        value = "∞" if self.value is None else f"{_number(self.value)} {self.unit}".rstrip()
        text = f"{self.alert}: {self.subject}: {value}" + (f" ({self.detail})" if self.detail else "")
        return text if self.event != "closed" else f"{self.alert}: {self.subject} is as it should be"


class _Refused(Exception):  # noqa: N818, no fault of the program
    """again: whether another attempt may succeed."""

    def __init__(self, reason: str, again: bool) -> None:
        super().__init__(reason)
        self.again = again


Send = Callable[[str, list[Event]], None]


def channels(settings: Settings) -> tuple[Send | None, Send | None]:
    """What sends to the webhook and what sends mail, each None where it is not set. Raises UsageError, without
    repeating the values, where a setting is wrong."""
    given = settings.alerting
    webhook = mail = None
    if address := given.get("VEND_ALERT_WEBHOOK"):
        form = given.get("VEND_ALERT_WEBHOOK_FORMAT", "json")
        if form not in FORMATS:
            raise UsageError(f"VEND_ALERT_WEBHOOK_FORMAT is {form!r}; it must be one of: {', '.join(FORMATS)}.")
        webhook = partial(_post, _url(address, "VEND_ALERT_WEBHOOK", ("https", "http")), form)
    if address := given.get("VEND_SMTP_URL"):
        sender = given.get("VEND_ALERT_FROM", "")
        if not re.fullmatch(r"[\w.+-]+@[\w.-]+", sender):
            raise UsageError(
                "VEND_ALERT_FROM must be the mail address that alerts come from, for VEND_SMTP_URL is set."
            )
        mail = partial(_mail, _url(address, "VEND_SMTP_URL", ("smtp", "smtps")), sender)
    return webhook, mail


def deliver(settings: Settings, letters: Mapping[str, list[Event]]) -> dict[str, str | None]:
    """Send each target its events, all targets at once: None where it accepted them, else why not, in a sentence.

    Returns within WHOLE seconds, whatever the other sides do.
    """
    webhook, mail = channels(settings)
    results: dict[str, str | None] = {}

    def work(target: str, send: Send, events: list[Event]) -> None:
        try:
            _twice(partial(send, target, events))
            results[target] = None
        except _Refused as refusal:
            results[target] = f"{refusal}."
        except Exception as error:  # its text may hold an address or a password
            results[target] = f"it could not be sent ({type(error).__name__})."

    threads = []
    end = time.monotonic() + WHOLE
    for target, events in letters.items():
        send = webhook if target == WEBHOOK else mail
        assert send is not None
        # a daemon, for nothing ends a thread that waits for a server which says a letter every four seconds
        threads.append(threading.Thread(target=work, args=(target, send, events), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    done = results.copy()
    return {target: done.get(target, f"it did not answer within {WHOLE:g} s.") for target in letters}


def _twice(send: Callable[[], None]) -> None:
    try:
        send()
    except _Refused as refusal:
        if not refusal.again:
            raise
        time.sleep(PAUSE)
        send()


def _url(text: str, variable: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or re.search(r"\s", text):
        raise UsageError(f"{variable} is no address of the form {schemes[0]}://host…. What it holds is not shown here.")
    return parts


def _post(url: SplitResult, form: str, _: str, events: list[Event]) -> None:
    body = json.dumps(_slack(events) if form == "slack" else _object(events), ensure_ascii=False).encode()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": f"vend/{__version__}"}
    assert url.hostname
    connection: http.client.HTTPConnection = (
        http.client.HTTPSConnection(url.hostname, url.port, timeout=ANSWER, context=ssl.create_default_context())
        if url.scheme == "https"
        else http.client.HTTPConnection(url.hostname, url.port, timeout=ANSWER)
    )
    try:
        # Redirects are not followed: a message is for the address that was given.
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise _refused(error) from None
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise _Refused(f"it answered with HTTP status {status}", status >= 500 or status == 429)


def _mail(url: SplitResult, sender: str, recipient: str, events: list[Event]) -> None:
    try:
        server = _server(url)
        try:
            server.send_message(_letter(sender, recipient, events))
        finally:
            # It has the message or not by now; how it says goodbye does not matter.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()))[0]
        raise _Refused(f"the mail server refuses the recipient ({code})", 400 <= code < 500) from None
    except smtplib.SMTPResponseException as error:
        kind = "the login" if isinstance(error, smtplib.SMTPAuthenticationError) else "the message"
        raise _Refused(f"the mail server refuses {kind} ({error.smtp_code})", 400 <= error.smtp_code < 500) from None
    except (OSError, smtplib.SMTPException) as error:
        raise _refused(error) from None


def _server(url: SplitResult) -> smtplib.SMTP:
    """A connection to the mail server, logged in where the address has a user."""
    assert url.hostname
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(url.hostname, url.port or 465, timeout=ANSWER, context=context)
    else:
        server = smtplib.SMTP(url.hostname, url.port or 587, timeout=ANSWER)
    try:
        secure = url.scheme == "smtps"
        if not secure and parse_qs(url.query).get("starttls", ["0"])[-1] == "1":
            server.starttls(context=context)
            secure = True
        if url.username:
            if not secure and not _is_here(url.hostname):
                raise _Refused("its password would travel in the clear; add ?starttls=1 to VEND_SMTP_URL", False)
            server.login(unquote(url.username), unquote(url.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(error: Exception) -> _Refused:
    """Without the error's own words, which may repeat an address."""
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
        error = error.__context__  # smtplib calls a timeout a disconnection
    return _Refused(_reason(error), not isinstance(error, TimeoutError | ssl.SSLError))


def _reason(error: Exception) -> str:
    for kind, words in (
        (ssl.SSLCertVerificationError, "its certificate cannot be verified"),
        (ssl.SSLError, "no encrypted connection could be made"),
        (TimeoutError, f"it did not answer within {ANSWER:g} s"),
        (ConnectionRefusedError, "the connection was refused"),
        (socket.gaierror, "its host is not known"),
        (ConnectionError, "it broke the connection off"),
        (smtplib.SMTPServerDisconnected, "it broke the connection off"),
        (smtplib.SMTPNotSupportedError, "it offers no STARTTLS or no login"),
        (http.client.HTTPException, "what it answered is no HTTP"),
    ):
        if isinstance(error, kind):
            return words
    return f"it could not be reached ({type(error).__name__})"


def _object(events: list[Event]) -> dict[str, object]:
    return {
        "source": "vend_analytics",
        "sent_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "summary": subject(events),
        "events": [asdict(event) for event in events],
    }


def _slack(events: list[Event]) -> dict[str, object]:
    text = body(events)
    for letter, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, instead)
    return {"text": f"*{subject(events)}*\n{text}"[:3900]}


def _letter(sender: str, recipient: str, events: list[Event]) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = sender, recipient, subject(events)
    letter["Date"] = datetime.now(UTC)
    ids = hashlib.sha256("".join([recipient, *(event.id for event in events)]).encode()).hexdigest()[:32]
    letter["Message-ID"] = f"<{ids}@{sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(body(events))
    return letter


def subject(events: list[Event]) -> str:
    """One line for all the events: [vend] critical: Materialized View Stale and 2 more."""
    worst = next(
        (s for s in ("critical", "unknown", "warning") if s in {e.severity for e in events if e.until is None}), ""
    )
    names = list(dict.fromkeys(event.alert for event in events if event.until is None or not worst))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"[vend] {worst or 'mended'}: {names[0]}{more}"


def body(events: list[Event]) -> str:
    """The message as text: what, since when, what to do."""
    parts = []
    for event in events[:SHOWN]:
        state = {"opened": event.severity, "repeated": f"still {event.severity}", "closed": "mended"}[event.event]
        lines = [
            f"{state.upper()}  {event.line}",
            f"  since {event.since}" + (f", until {event.until}" if event.until else ""),
        ]
        if event.event != "closed":
            limit = f"  It is told of when {event.comparison} {_number(event.threshold)} {event.unit}".rstrip() + "."
            told = f"  `vend check {slug(event.alert)}` says why."
            lines += [
                told if event.severity == "unknown" else limit,
                f"  {event.description}",
                f"  To do: {event.runbook}",
            ]
        parts.append("\n".join(lines))
    if len(events) > SHOWN:
        parts.append(f"… and {len(events) - SHOWN} more; `vend check` shows all.")
    return "\n\n".join(parts) + "\n"


def _alerts(count: int) -> str:
    return f"{count} alert" if count == 1 else f"{count} alerts"


def _number(value: float) -> str:
    """1,234,567 and 0.25, never 1.23457e+06."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def described(results: Mapping[str, str | None], letters: Mapping[str, Sequence[object]]) -> list[str]:
    """A sentence for each target that did not accept its message."""
    return [
        f"{target.capitalize() if target == WEBHOOK else target}: {_alerts(len(letters[target]))} untold: {reason}"
        for target, reason in results.items()
        if reason is not None
    ]

"""Hands mails to a mail server, or, in development, writes them into a folder."""

import os
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

from marketplace.core.settings import Settings, SettingsError

_TIMEOUT_S = 20
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_FORM = "FLEXAGORA_SMTP_URL is written smtp+starttls://user:password@host:587, smtps:// or smtp://."


class Undeliverable(Exception):
    """The mail server will never take this mail."""


@dataclass(frozen=True)
class Letter:
    """A mail as it is sent."""

    id: str
    recipient: str
    subject: str
    text: str = field(repr=False)


Deliver = Callable[[Letter], None]
"""Delivers a mail. Raises Undeliverable, or OSError or SMTPException when it may go later."""


@dataclass(frozen=True)
class _Server:
    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)


def check_mail(settings: Settings) -> None:
    """Raise SettingsError unless mails can be sent as the settings say."""
    delivering(settings)


def delivering(settings: Settings) -> Deliver:
    """Return what delivers mails as the settings say. Raises SettingsError."""
    sender = _checked_sender(settings.mail_from)
    if not settings.smtp_url:
        folder = settings.data_dir / "mails"
        return lambda letter: _write(folder, letter, sender or "flexagora@localhost")
    if not sender:
        raise SettingsError("FLEXAGORA_SMTP_URL needs FLEXAGORA_MAIL_FROM, the sender of mails.")
    server = _server(settings.smtp_url)
    return lambda letter: _send(server, letter, sender)


def _server(url: str) -> _Server:
    """Return the server of a URL. Raises SettingsError, which does not repeat it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(_FORM) from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise SettingsError(_FORM)
    return _Server(
        parts.scheme,
        parts.hostname,
        port or _PORTS[parts.scheme],
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def _checked_sender(sender: str) -> str:
    address = parseaddr(sender)[1]
    if sender and (not sender.isprintable() or "@" not in address):
        raise SettingsError("FLEXAGORA_MAIL_FROM is an address, such as noreply@market.example.")
    return sender


def _message(letter: Letter, sender: str) -> EmailMessage:
    """Return the message. Raises Undeliverable for what no header may hold, such as line breaks."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = sender
        message["To"] = letter.recipient
        message["Subject"] = letter.subject
    except ValueError as error:
        raise Undeliverable("A header of the mail would hold what none may.") from error
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(letter.id, domain=parseaddr(sender)[1].rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


def _send(server: _Server, letter: Letter, sender: str) -> None:
    message = _message(letter, sender)
    try:
        with _connected(server) as connection:
            if server.scheme == "smtp+starttls":
                connection.starttls(context=ssl.create_default_context())
            if server.user is not None:
                connection.login(server.user, server.password or "")
            connection.send_message(message, to_addrs=[letter.recipient])
    except smtplib.SMTPRecipientsRefused as error:
        [(code, _)] = error.recipients.values()
        if code >= 500:
            raise Undeliverable(f"The mail server refuses the recipient ({code}).") from error
        raise
    except smtplib.SMTPNotSupportedError as error:
        raise Undeliverable("The mail server does not support what the mail needs.") from error


def _connected(server: _Server) -> smtplib.SMTP:
    if server.scheme == "smtps":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_S, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)


def _write(folder: Path, letter: Letter, sender: str) -> None:
    message = _message(letter, sender)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{letter.id}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message.as_bytes())
    draft.replace(folder / f"{letter.id}.eml")

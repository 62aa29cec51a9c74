"""Mails go to a real mail server on loopback, or into a folder."""

import logging
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography.fernet import Fernet
from sqlalchemy import select

from marketplace.accounts import mail, passwords, postman, smtp
from marketplace.accounts.domain import MailState
from marketplace.accounts.postman import Postman
from marketplace.accounts.smtp import Letter
from marketplace.accounts.tables import Mail
from marketplace.core.settings import Settings, SettingsError
from marketplace.core.unit_of_work import current_session
from mpp_sdk import clock
from mpp_sdk.secrets import SecretBox

from .conftest import Accounts

ANA = "ana@levante.example"
FROM = "Flexagora <noreply@market.example>"


class Inbox:
    """What a mail server does with mails, and what it got."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer_to_recipient = "250 OK"
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: object, envelope: Envelope, to: str, _options: object
    ) -> str:
        if self.answer_to_recipient.startswith("250"):
            envelope.rcpt_tos.append(to)
        return self.answer_to_recipient

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = message_from_bytes(content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.got.append(message)
            self.recipients.append(envelope.rcpt_tos)
        return self.answer


class _Certified(Controller):
    def __init__(self, inbox: Inbox, **given: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        super().__init__(inbox, hostname="127.0.0.1", port=port, **given)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[str]:
    """Return the URL of a mail server without encryption."""
    controller = _Certified(inbox)
    controller.start()
    yield f"smtp://127.0.0.1:{controller.port}"
    controller.stop()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return authority


def _context(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


def _authenticated(
    _server: object, _session: object, _envelope: object, _kind: str, data: LoginPassword
) -> AuthResult:
    right = (data.login, data.password) == (b"market", b"p@ss/word")
    return AuthResult(success=right, handled=False)


def _letter(**changes: str) -> Letter:
    given = {"id": "1", "recipient": ANA, "subject": "Grüße", "text": "Zeile\n.\nñ", **changes}
    return Letter(**given)


def _settings(tmp_path: Path, url: str = "", sender: str = FROM) -> Settings:
    return Settings(data_dir=tmp_path, smtp_url=url, mail_from=sender)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return what the marketplace has logged; the mail server of the tests logs here, too."""
    return "\n".join(
        caplog.handler.format(record)
        for record in caplog.records
        if record.name.startswith("marketplace")
    )


def test_a_mail_arrives_as_it_was_written(inbox: Inbox, server: str, tmp_path: Path) -> None:
    smtp.delivering(_settings(tmp_path, server))(_letter())
    [message] = inbox.got
    assert (message["From"], message["To"], message["Subject"]) == (FROM, ANA, "Grüße")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"]
    assert message["Date"]
    assert message.get_content().splitlines() == ["Zeile", ".", "ñ"]
    assert inbox.recipients == [[ANA]]


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_it_is_encrypted_for_a_server_that_is_known_and_asks_for_a_password(
    inbox: Inbox, tmp_path: Path, authority: trustme.CA, scheme: str
) -> None:
    secure: dict[str, Any] = {"authenticator": _authenticated, "auth_required": True}
    if scheme == "smtps":
        # aiosmtpd takes only STARTTLS for encryption when it comes to passwords
        secure |= {"ssl_context": _context(authority), "auth_require_tls": False}
    else:
        secure |= {"tls_context": _context(authority), "require_starttls": True}
    controller = _Certified(inbox, **secure)
    controller.start()
    try:
        for password, arrived in (("p%40ss%2Fword", 1), ("wrong", 1)):
            url = f"{scheme}://market:{password}@127.0.0.1:{controller.port}"
            deliver = smtp.delivering(_settings(tmp_path, url))
            if password == "wrong":
                with pytest.raises(smtplib.SMTPAuthenticationError):
                    deliver(_letter())
            else:
                deliver(_letter())
            assert len(inbox.got) == arrived
    finally:
        controller.stop()


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_a_server_with_another_s_certificate_gets_nothing(
    inbox: Inbox, tmp_path: Path, authority: trustme.CA, scheme: str
) -> None:
    context = _context(authority, "mail.example")
    name = "ssl_context" if scheme == "smtps" else "tls_context"
    controller = _Certified(inbox, **{name: context})
    try:
        try:
            controller.start()
        except ssl.SSLError:
            assert scheme == "smtps"  # aiosmtpd's own probe does not trust it either
        deliver = smtp.delivering(
            _settings(tmp_path, f"{scheme}://u:p@127.0.0.1:{controller.port}")
        )
        with pytest.raises(OSError, match=r"CERTIFICATE_VERIFY_FAILED|IP address mismatch"):
            deliver(_letter())
    finally:
        controller.stop()
    assert inbox.got == []


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hello\nBcc: x@evil.example"},
        {"subject": "Hello\r\n\r\nBody"},
        {"recipient": "ana@levante.example\nBcc: x@evil.example"},
    ],
)
def test_nothing_gets_into_another_header(
    inbox: Inbox, server: str, tmp_path: Path, changes: dict[str, str]
) -> None:
    for url in (server, ""):
        with pytest.raises(smtp.Undeliverable):
            smtp.delivering(_settings(tmp_path, url))(_letter(**changes))
    assert inbox.got == []


def test_without_a_server_mails_are_in_a_folder_for_its_owner(tmp_path: Path) -> None:
    smtp.delivering(_settings(tmp_path, sender=""))(_letter())
    [file] = (tmp_path / "mails").iterdir()
    assert file.name == "1.eml"
    assert file.stat().st_mode & 0o077 == 0
    assert message_from_bytes(file.read_bytes(), policy=policy.default)["To"] == ANA


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("smtp://mail.example", ""),
        ("smtp://mail.example", "nobody"),
        ("smtp://mail.example", "a@b.example\nBcc: x@y.example"),
        ("http://user:secret-word@mail.example", FROM),
        ("smtp://user:secret-word@mail.example:port", FROM),
        ("smtp://user:secret-word@/x", FROM),
        ("mail.example", FROM),
    ],
)
def test_settings_that_cannot_be_are_told_without_the_password(
    tmp_path: Path, url: str, sender: str
) -> None:
    with pytest.raises(SettingsError, match="FLEXAGORA_") as refused:
        smtp.check_mail(_settings(tmp_path, url, sender))
    assert "secret-word" not in str(refused.value)


def _asked(accounts: Accounts) -> str:
    """Have somebody ask for a link; return its token."""
    accounts.company()
    with accounts.at_work():
        passwords.request_reset(ANA)
    return accounts.token(ANA)


def _row(accounts: Accounts) -> Mail:
    with accounts.at_work(read_only=True):
        return current_session().scalars(select(Mail)).one()


def _send(accounts: Accounts) -> int:
    settings = accounts.environment.settings
    return postman.send_due(accounts.environment, smtp.delivering(settings))


def test_a_mail_is_sent_once_and_its_text_forgotten(
    accounts: Accounts, inbox: Inbox, server: str
) -> None:
    accounts.settings(smtp_url=server, mail_from=FROM)
    token = _asked(accounts)
    assert token not in (_row(accounts).encrypted_text or "")
    assert _send(accounts) == 1
    assert _send(accounts) == 0
    assert token in inbox.got[0].get_content()
    row = _row(accounts)
    assert (row.state, row.encrypted_text) == (MailState.SENT, None)


def test_a_server_that_is_down_costs_nobody_a_mail(
    accounts: Accounts, inbox: Inbox, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"smtp://127.0.0.1:{free.getsockname()[1]}"
    accounts.settings(smtp_url=nobody, mail_from=FROM)
    token = _asked(accounts)
    assert _send(accounts) == 0
    assert (_row(accounts).state, _row(accounts).error) == (
        MailState.QUEUED,
        "ConnectionRefusedError",
    )
    accounts.settings(smtp_url=server)
    assert _send(accounts) == 0  # not at once again
    accounts.later(timedelta(minutes=1))
    inbox.answer = f"451 later, {token}"
    assert _send(accounts) == 0
    assert _row(accounts).error == "the mail server answers 451"
    accounts.later(timedelta(minutes=2))
    inbox.answer = "250 OK"
    assert _send(accounts) == 1
    assert token not in logged(caplog)
    assert ANA not in logged(caplog)


def test_a_mail_is_tried_until_nobody_needs_it(
    accounts: Accounts, inbox: Inbox, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    accounts.settings(smtp_url=server, mail_from=FROM)
    _asked(accounts)
    inbox.answer = "451 later"
    tries = 0
    while _row(accounts).state is MailState.QUEUED:
        _send(accounts)
        tries += 1
        accounts.later(timedelta(minutes=2 ** (tries - 1)))
    assert tries == 6  # 0, 1, 3, 7, 15, 31 minutes; at 63 the link has ended
    row = _row(accounts)
    assert (row.state, row.encrypted_text) == (MailState.FAILED, None)
    [given_up] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert str(row.id) in given_up.getMessage()


def test_a_recipient_that_is_refused_is_not_tried_again(
    accounts: Accounts, inbox: Inbox, server: str
) -> None:
    accounts.settings(smtp_url=server, mail_from=FROM)
    _asked(accounts)
    inbox.answer_to_recipient = "450 busy"
    _send(accounts)
    assert _row(accounts).state is MailState.QUEUED
    accounts.later(timedelta(minutes=1))
    inbox.answer_to_recipient = "550 nobody of that name"
    _send(accounts)
    row = _row(accounts)
    assert (row.state, row.error) == (
        MailState.FAILED,
        "The mail server refuses the recipient (550).",
    )


def test_a_mail_that_no_key_reads_stops_no_other(
    accounts: Accounts, server: str, inbox: Inbox
) -> None:
    accounts.settings(smtp_url=server, mail_from=FROM)
    _asked(accounts)
    with accounts.at_work():
        row = current_session().scalars(select(Mail)).one()
        row.encrypted_text = SecretBox([Fernet.generate_key().decode()]).encrypt("x")
        mail.post("bo@levante.example", "Hello", "Text", clock.now() + timedelta(hours=1))
    assert _send(accounts) == 1
    assert inbox.recipients == [["bo@levante.example"]]


def test_two_processes_send_each_mail_once(accounts: Accounts, inbox: Inbox, server: str) -> None:
    accounts.settings(smtp_url=server, mail_from=FROM)
    with accounts.at_work():
        for number in range(20):
            until = clock.now() + timedelta(hours=1)
            mail.post(f"n{number}@levante.example", "Hello", "Text", until)
    threads = [threading.Thread(target=_send, args=(accounts,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(to for [to] in inbox.recipients) == sorted(
        f"n{number}@levante.example" for number in range(20)
    )


def test_the_postman_sends_as_soon_as_a_mail_is_put_down(
    accounts: Accounts, inbox: Inbox, server: str
) -> None:
    accounts.settings(smtp_url=server, mail_from=FROM, job_interval=timedelta(hours=1))
    man = Postman(accounts.environment)
    man.start()
    try:
        _company_asks(accounts)
        deadline = time.monotonic() + 60
        while not inbox.got and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        man.stop()
    assert len(inbox.got) == 1


def _company_asks(accounts: Accounts) -> None:
    accounts.company()
    with accounts.at_work():
        passwords.request_reset(ANA)

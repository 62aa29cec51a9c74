"""Sends the mails that were put down, again and again until they are gone or of no use."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPException, SMTPResponseException
from uuid import UUID

from marketplace.accounts import mail
from marketplace.accounts.domain import MailState
from marketplace.accounts.smtp import Deliver, Letter, Undeliverable, delivering
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import unit_of_work
from mpp_sdk.clock import now
from mpp_sdk.errors import Unavailable

_log = logging.getLogger(__name__)

_FIRST_DELAY = timedelta(minutes=1)  # longer than a mail server may take
_LONGEST_DELAY = timedelta(hours=1)
_TOO_OLD = "It could not be sent before its link ended."


class Postman:
    """Sends mails in a thread: as soon as one is put down here, and every so often, from anywhere.

    Raises SettingsError when mails cannot be sent as the settings say.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._deliver = delivering(environment.settings)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postman", daemon=True)

    def start(self) -> None:
        """Begin, with what was left."""
        mail.wake_with(self._environment, self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """End after the mail that is under way."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        interval = self._environment.settings.job_interval.total_seconds()
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                send_due(self._environment, self._deliver, self._stopping.is_set)
            except Exception:
                _log.exception("Mails could not be sent; they are tried again later")
            self._wake.wait(interval)


@dataclass(frozen=True)
class _Claimed:
    id: UUID
    letter: Letter | None
    is_last_try: bool


def send_due(
    environment: Environment, deliver: Deliver, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Send every mail whose time has come; return how many went out."""
    sent = 0
    with in_environment(environment):
        while not stopping() and (claimed := _claim(environment)) is not None:
            sent += _send(environment, deliver, claimed)
    return sent


def _claim(environment: Environment) -> _Claimed | None:
    """Return a mail to send now. Its next turn is put off, in case nothing comes of this one."""
    moment = now()
    with unit_of_work(environment.engine):
        row = mail.due(moment)
        if row is None:
            return None
        delay = min(_FIRST_DELAY * float(2 ** min(row.attempts, 10)), _LONGEST_DELAY)
        row.attempts += 1
        row.next_attempt_at = moment + delay
        text = row.encrypted_text
        letter = None
        if moment < row.expires_at and text is not None:
            try:
                plain = environment.settings.secret_box.decrypt(text)
            except Unavailable:
                _log.warning("Mail %s cannot be read with the configured keys", row.id)
            else:
                letter = Letter(str(row.id), row.recipient, row.subject, plain)
    return _Claimed(row.id, letter, row.next_attempt_at >= row.expires_at)


def _send(environment: Environment, deliver: Deliver, claimed: _Claimed) -> bool:
    if claimed.letter is None:
        _finish(environment, claimed.id, MailState.FAILED, _TOO_OLD)
        return False
    try:
        deliver(claimed.letter)
    except Undeliverable as error:
        _finish(environment, claimed.id, MailState.FAILED, str(error))
        return False
    except (OSError, SMTPException) as error:
        why = _reason(error)
        if claimed.is_last_try:
            _finish(environment, claimed.id, MailState.FAILED, why)
        else:
            _log.warning("Mail %s was not taken: %s; it is tried again", claimed.id, why)
            with unit_of_work(environment.engine):
                mail.note_error(claimed.id, why)
        return False
    _finish(environment, claimed.id, MailState.SENT, None)
    return True


def _finish(environment: Environment, mail_id: UUID, state: MailState, error: str | None) -> None:
    if state is MailState.FAILED:
        _log.error("Mail %s is given up: %s", mail_id, error)
    with unit_of_work(environment.engine):
        mail.finish(mail_id, state, error, now())


def _reason(error: Exception) -> str:
    """Return what went wrong, without what a server may have repeated of the mail."""
    if isinstance(error, SMTPResponseException):
        return f"the mail server answers {error.smtp_code}"
    return type(error).__name__

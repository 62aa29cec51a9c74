"""Mails are put down with what they tell of, and sent later: no mail server can hold that up."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select, update

from marketplace.accounts.domain import MailState
from marketplace.accounts.tables import Mail
from marketplace.core.environment import Environment, current_environment
from marketplace.core.unit_of_work import after_commit, current_session
from mpp_sdk.clock import now
from mpp_sdk.ids import new_id

LONGEST_SUBJECT = 500

_wakers: WeakKeyDictionary[Engine, Callable[[], None]] = WeakKeyDictionary()


def post(to: str, subject: str, text: str, until: datetime) -> None:
    """Have a mail sent once this unit of work is committed. After `until` nobody needs it."""
    environment = current_environment()
    moment = now()
    current_session().add(
        Mail(
            id=new_id(),
            state=MailState.QUEUED,
            recipient=to,
            subject=subject[:LONGEST_SUBJECT],
            encrypted_text=environment.settings.secret_box.encrypt(text),
            created_at=moment,
            expires_at=until,
            next_attempt_at=moment,
            attempts=0,
        )
    )
    after_commit(lambda: wake(environment))


def wake_with(environment: Environment, waker: Callable[[], None]) -> None:
    """Have this called when a mail was put down in the environment's database."""
    _wakers[environment.engine] = waker


def wake(environment: Environment) -> None:
    """Wake who sends mails; where nobody is there, another process finds it a while later."""
    waker = _wakers.get(environment.engine)
    if waker is not None:
        waker()


def due(moment: datetime) -> Mail | None:
    """Return the mail that has been due for longest, locked; not one that others hold locked."""
    statement = (
        select(Mail)
        .where(Mail.state == MailState.QUEUED, Mail.next_attempt_at <= moment)
        .order_by(Mail.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return current_session().scalars(statement).one_or_none()


def note_error(mail_id: UUID, error: str) -> None:
    """Write down why a mail was not taken."""
    current_session().execute(update(Mail).where(Mail.id == mail_id).values(error=error))


def finish(mail_id: UUID, state: MailState, error: str | None, moment: datetime) -> None:
    """Write down what became of a mail; its text is forgotten."""
    current_session().execute(
        update(Mail)
        .where(Mail.id == mail_id)
        .values(state=state, error=error, finished_at=moment, encrypted_text=None)
    )

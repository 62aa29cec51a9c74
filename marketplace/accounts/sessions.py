"""The browsers in which people are signed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.accounts import repository
from marketplace.accounts.domain import Origin
from marketplace.accounts.tables import WebSession
from marketplace.core.environment import current_environment, in_environment
from marketplace.core.unit_of_work import after_commit, current_session, unit_of_work
from mpp_sdk.clock import now
from mpp_sdk.errors import NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import hash_secret, new_secret

NOTED_EVERY = timedelta(minutes=5)
"""How exact `seen_at` is: a write for every page would cost more than the page."""

_PREFIX = "fxw"


@dataclass(frozen=True)
class Session:
    """A session that has just begun. The token, which is seen this once, goes into the cookie."""

    token: str
    expires_at: datetime


@dataclass(frozen=True)
class Browser:
    """A session as its person sees it."""

    session_id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    second_factor: bool
    address: str
    agent: str


def open_session(
    person_id: UUID, origin: Origin, second_factor_at: datetime | None = None
) -> Session:
    """Return a new session of somebody, under a token that nobody knew before."""
    moment = now()
    token = new_secret(_PREFIX)
    expires_at = moment + current_environment().settings.session_lifetime
    current_session().add(
        WebSession(
            id=new_id(),
            token_hash=hash_secret(token),
            person_id=person_id,
            created_at=moment,
            seen_at=moment,
            expires_at=expires_at,
            second_factor_at=second_factor_at,
            address=origin.short_address,
            agent=origin.short_agent,
        )
    )
    current_session().flush()
    repository.note_sign_in(person_id, moment)
    return Session(token, expires_at)


def list_sessions(person_id: UUID) -> Sequence[Browser]:
    """Return the sessions of somebody that go on, the newest first."""
    moment = now()
    return [
        Browser(
            session_id=row.id,
            created_at=row.created_at,
            seen_at=row.seen_at,
            expires_at=row.expires_at,
            second_factor=row.second_factor_at is not None,
            address=row.address,
            agent=row.agent,
        )
        for row in repository.sessions_of(person_id, moment, moment - idle_end())
    ]


def end_session(person_id: UUID, session_id: UUID) -> None:
    """End a session of somebody at once. Raises NotFound for one that is not theirs."""
    if not repository.end_session(person_id, session_id):
        raise NotFound.entity("session", session_id)


def end_other_sessions(person_id: UUID, session_id: UUID) -> int:
    """End every session of somebody but the present one; return how many."""
    return repository.end_sessions_of(person_id, but=session_id)


def idle_end() -> timedelta:
    """Return after how long without a call a session ends."""
    return current_environment().settings.session_idle


def note_seen(session_id: UUID, seen_at: datetime) -> None:
    """Have it written down that a session is in use, once this unit of work is over.

    It may be a read-only one; and what fails is noted with the next call.
    """
    moment = now()
    if moment - seen_at < NOTED_EVERY:
        return
    environment = current_environment()

    def note() -> None:
        with in_environment(environment), unit_of_work(environment.engine):
            repository.note_seen(session_id, moment)

    after_commit(note)

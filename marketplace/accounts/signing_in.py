"""Lets people in and out. Everything here is called inside a unit of work.

A failed attempt is counted, although nobody is let in: so it is no exception, which would undo the
count with the unit of work, but an outcome. Whoever gets Refused commits, and raises its error.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.accounts import (
    guessing,
    hashing,
    links,
    passwords,
    repository,
    second_factor,
    sessions,
)
from marketplace.accounts.domain import LinkKind, Origin, PersonRole, PersonState, email_key
from marketplace.accounts.guessing import Refused
from marketplace.accounts.sessions import Session
from marketplace.accounts.tables import Person
from marketplace.core import audit
from marketplace.core.actor import Actor, acting_as
from marketplace.core.unit_of_work import current_session, release
from marketplace.identity import service as identity
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.domain import AccessRole, MarketPlayerState
from mpp_sdk.clock import now
from mpp_sdk.errors import Forbidden

__all__ = [
    "Challenge",
    "Origin",
    "Refused",
    "Session",
    "SignedIn",
    "answer_challenge",
    "let_in",
    "sign_in",
    "sign_out",
    "signed_in",
]

_WRONG = "The e-mail address or the password is not right."
_LEFT = "Your company has left the market. Ask the marketplace's operator."
_ACCESS_ROLES = frozenset(role.value for role in AccessRole)


@dataclass(frozen=True)
class Challenge:
    """A password was right, and a code is asked for next. The token is good for that alone."""

    token: str
    expires_at: datetime


@dataclass(frozen=True)
class SignedIn:
    """What a page knows of whoever looks at it. An operator has no company."""

    person_id: UUID
    name: str
    email: str
    roles: frozenset[PersonRole]
    market_player_id: UUID | None
    company: str | None
    player_state: MarketPlayerState | None
    locale: str | None
    time_zone: str | None
    principal: MarketplacePrincipal
    session_id: UUID


def signed_in(token: str, *, in_use: bool = True) -> SignedIn | None:
    """Return who is signed in under a token; None when nobody is, or not any more.

    It costs one query. That the session is in use, unless it is a page that asks by itself, is
    written down after the unit of work.
    """
    row = repository.session_of_hash(links.hash_token(token))
    moment = now()
    if (
        row is None
        or row.state is not PersonState.ACTIVE
        or row.expires_at <= moment
        or row.seen_at + sessions.idle_end() <= moment
        or row.player_state is MarketPlayerState.DEREGISTERED
    ):
        return None
    if in_use:
        sessions.note_seen(row.session_id, row.seen_at)
    roles = frozenset(PersonRole(role) for role in row.held_roles.split())
    return SignedIn(
        person_id=row.person_id,
        name=row.name,
        email=row.email,
        roles=roles,
        market_player_id=row.market_player_id,
        company=row.company,
        player_state=row.player_state,
        locale=row.locale,
        time_zone=row.time_zone,
        principal=MarketplacePrincipal(
            subject=f"person:{row.person_id}",
            name=(f"{row.name} ({row.company})" if row.company else row.name)[:200],
            roles=roles & _ACCESS_ROLES,
            market_player_id=row.market_player_id,
            player_state=row.player_state,
            person_id=row.person_id,
            administers=PersonRole.ADMINISTRATOR in roles,
        ),
        session_id=row.session_id,
    )


def sign_in(email: str, password: str, origin: Origin) -> Session | Challenge | Refused:
    """Return a session for the right password, or a challenge where a second factor is on.

    It is the first thing that is done in a unit of work, for a password takes long to check. An
    unknown address is refused like a wrong password, in the same time, and counted like one. Raises
    Forbidden where there are no local accounts.
    """
    passwords.require_local_accounts()
    key = email_key(email)
    counted = f"password:{key}"
    refused = guessing.too_many(counted)
    if refused is not None:
        return refused
    found = repository.person_of_email(key)
    stored = None if found is None else found.password_hash
    release()
    right = hashing.is_password(password, stored)
    renewed = hashing.hash_password(password) if right and _outdated(stored) else None
    person = None if found is None else repository.person(found.id, lock=True)
    # It may have been changed, or its owner removed, while it was checked.
    right = right and person is not None and person.password_hash == stored
    refused = guessing.judge(counted, right=right, wrong=_WRONG, on_lock=_lock_noted(person))
    if refused is not None or person is None:
        return refused or Refused(Forbidden(_WRONG))
    if renewed is not None:
        person.password_hash = renewed
    return let_in(person, origin)


def let_in(person: Person, origin: Origin) -> Session | Challenge | Refused:
    """Return a session for somebody who has shown who they are, or a challenge before it."""
    if person.market_player_id is not None:
        state = identity.player_state(person.market_player_id)
        if state is MarketPlayerState.DEREGISTERED:
            return Refused(Forbidden(_LEFT))
    if person.has_second_factor:
        return Challenge(*links.issue(LinkKind.CHALLENGE, person.id))
    return _enter(person, origin)


def answer_challenge(token: str, code: str, origin: Origin) -> Session | Refused:
    """Return a session for the right code: of the second factor, or a recovery code.

    Raises NotFound and Gone when the password must be given again.
    """
    link = links.find(LinkKind.CHALLENGE, token)
    person = repository.person(link.person_id, lock=True)
    if person is None:
        return Refused(Forbidden("You have no access any more."))
    refused = second_factor.check(person, code)
    if refused is not None:
        return refused
    moment = now()
    link.used_at = moment
    return _enter(person, origin, moment)


def sign_out(token: str) -> None:
    """End the session of a token, if there is one."""
    repository.end_session_of_hash(links.hash_token(token))


def _enter(person: Person, origin: Origin, second_factor_at: datetime | None = None) -> Session:
    current_session().flush()
    session = sessions.open_session(person.id, origin, second_factor_at)
    with acting_as(Actor(f"person:{person.id}", person.name)):
        audit.record("Person", person.id, "sign-in", market_player_id=person.market_player_id)
    return session


def _outdated(stored: str | None) -> bool:
    return stored is not None and hashing.is_outdated(stored)


def _lock_noted(person: Person | None) -> guessing.OnLock:
    def note(failures: int) -> None:
        if person is not None:
            passwords.note_lock(person, failures)

    return note

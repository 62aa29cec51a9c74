"""Invitations: how people come to act for a company that is registered already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.accounts import hashing, letters, links, passwords, repository, sessions
from marketplace.accounts.domain import (
    Origin,
    PersonRole,
    checked_email,
    checked_locale,
    checked_name,
    checked_roles,
    checked_time_zone,
    email_key,
)
from marketplace.accounts.membership import add_person, check_free, listed
from marketplace.accounts.sessions import Session
from marketplace.accounts.tables import Invitation, Person
from marketplace.core import audit
from marketplace.core.actor import Actor, acting_as, current_actor
from marketplace.core.unit_of_work import current_session, release
from marketplace.identity import service as identity
from marketplace.identity.access import require_administration, require_operator
from marketplace.identity.domain import MARKET_PLAYER, MarketPlayerState
from mpp_sdk.clock import now
from mpp_sdk.errors import Conflict, Gone, InvalidInput, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import hash_secret

LIFETIME = timedelta(days=7)
_DAY = timedelta(days=1)
_MOST_A_DAY = 100
_ANEW = "Ask whoever invited you for another one."


@dataclass(frozen=True)
class Invited:
    """An invitation as others see it. company is None for an invitation to be an operator."""

    invitation_id: UUID
    email: str
    name: str
    roles: frozenset[PersonRole]
    company: str | None
    invited_by: str
    created_at: datetime
    expires_at: datetime


def invite(
    market_player_id: UUID | None,
    email: str,
    name: str,
    roles: frozenset[PersonRole],
    locale: str | None = None,
) -> Invited:
    """Have somebody invited by mail to act for a company, or, without one, as an operator.

    An earlier invitation of the same address ends. Only the mail has the link. An address that
    belongs to somebody of another company is not told apart: accepting is refused. Raises
    Forbidden unless the caller administers the company, InvalidInput and Conflict.
    """
    if market_player_id is None:
        require_operator()
    else:
        require_administration("market player", market_player_id, market_player_id)
    invitation, _ = issue(market_player_id, email, name, roles, locale)
    return _invited(invitation, _company(market_player_id))


def issue(
    market_player_id: UUID | None,
    email: str,
    name: str,
    roles: frozenset[PersonRole],
    locale: str | None = None,
) -> tuple[Invitation, str]:
    """Return a new invitation and its token, whoever invites; it is mailed, too."""
    email, name = checked_email(email), checked_name(name)
    checked_roles(roles, in_company=market_player_id is not None)
    checked_locale(locale)
    key, moment = email_key(email), now()
    if market_player_id is not None:
        identity.lock_player(market_player_id)
        MARKET_PLAYER.after(identity.player_state(market_player_id), "edit")
    holder = repository.person_of_email(key)
    if holder is not None and holder.market_player_id == market_player_id:
        raise InvalidInput.field("/email", "unique", f"{holder.name} has this address already.")
    others = repository.open_invitations_of(market_player_id, moment)
    for other in others:
        if other.email_key == key:
            other.used_at = moment
    if repository.invitations_issued(market_player_id, moment - _DAY) >= _MOST_A_DAY:
        raise Conflict(f"{_MOST_A_DAY} invitations went out within a day: go on tomorrow.")
    token = links.new_token()
    invitation = Invitation(
        id=new_id(),
        token_hash=hash_secret(token),
        market_player_id=market_player_id,
        email=email,
        email_key=key,
        name=name,
        held_roles=" ".join(sorted(roles)),
        invited_by=current_actor().name,
        created_at=moment,
        expires_at=moment + LIFETIME,
    )
    current_session().add(invitation)
    current_session().flush()
    audit.record(
        "Person",
        invitation.id,
        "invite",
        reason=f"{email}: {listed(roles)}",
        market_player_id=market_player_id,
    )
    letters.send_invitation(invitation, _company(market_player_id), token, locale)
    return invitation, token


def list_invitations(market_player_id: UUID | None) -> Sequence[Invited]:
    """Return the invitations of a company that can still be accepted, the newest first.

    Without a company: those of operators. Raises Forbidden unless the caller administers it.
    """
    if market_player_id is None:
        require_operator()
    else:
        require_administration("market player", market_player_id, market_player_id)
    company = _company(market_player_id)
    rows = repository.open_invitations_of(market_player_id, now())
    return [_invited(row, company) for row in rows]


def withdraw_invitation(invitation_id: UUID) -> None:
    """Take an invitation back. Raises NotFound, and Gone when it cannot be accepted any more."""
    invitation = repository.invitation(invitation_id)
    if invitation is None:
        raise NotFound.entity("invitation", invitation_id)
    require_administration("invitation", invitation_id, invitation.market_player_id)
    links.check_open(invitation.used_at, invitation.expires_at, "There is nothing to take back.")
    invitation.used_at = now()
    audit.record(
        "Person",
        invitation.id,
        "withdraw-invitation",
        reason=invitation.email,
        market_player_id=invitation.market_player_id,
    )


def read_invitation(token: str) -> Invited:
    """Return what an invitation's token offers. Raises NotFound and Gone."""
    invitation = _open(token)
    return _invited(invitation, _company(invitation.market_player_id))


def accept_invitation(
    token: str,
    name: str,
    password: str,
    locale: str | None,
    time_zone: str | None,
    origin: Origin,
) -> Session:
    """Make the invited person one of the company's people, signed in. The token works no more.

    It is the first thing that is done in a unit of work, for a password takes long to store. Raises
    NotFound and Gone for the token, InvalidInput, and Forbidden where there are no local accounts.
    """
    passwords.require_local_accounts()
    invitation = _open(token)
    name = checked_name(name)
    company = _company(invitation.market_player_id)
    passwords.check_rule(password, "/password", invitation.email, name, company)
    check_free(invitation.email)
    release()
    stored = hashing.hash_password(password)
    invitation = _open(token, lock=True)
    person = take_up(invitation, name)
    person.password_hash = stored
    person.locale = checked_locale(locale)
    person.time_zone = checked_time_zone(time_zone)
    current_session().flush()
    return sessions.open_session(person.id, origin)


def take_up(invitation: Invitation, name: str) -> Person:
    """Return the person that an invitation, which is locked, makes of somebody."""
    moment = now()
    invitation.used_at = moment
    person_id = new_id()
    with acting_as(Actor(f"person:{person_id}", name)):
        person = add_person(
            person_id,
            invitation.market_player_id,
            invitation.email,
            name,
            invitation.roles,
            "accept-invitation",
        )
    person.email_proven_at = moment
    return person


def _open(token: str, *, lock: bool = False) -> Invitation:
    invitation = repository.invitation_of_hash(links.hash_token(token), lock=lock)
    if invitation is None:
        raise NotFound(f"This invitation is not known. {_ANEW}")
    links.check_open(invitation.used_at, invitation.expires_at, _ANEW)
    owner = invitation.market_player_id
    if owner is not None and identity.player_state(owner) is MarketPlayerState.DEREGISTERED:
        raise Gone("The company that invited you has left the market.")
    return invitation


def _company(market_player_id: UUID | None) -> str | None:
    if market_player_id is None:
        return None
    return identity.companies([market_player_id])[market_player_id].name


def _invited(invitation: Invitation, company: str | None) -> Invited:
    return Invited(
        invitation_id=invitation.id,
        email=invitation.email,
        name=invitation.name,
        roles=invitation.roles,
        company=company,
        invited_by=invitation.invited_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )

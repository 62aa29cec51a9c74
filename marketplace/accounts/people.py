"""Use cases of people: who acts for a company, in which roles, and how they come and go."""

from dataclasses import dataclass
from uuid import UUID

from marketplace.accounts import hashing, passwords, repository, sessions
from marketplace.accounts.domain import (
    IN_COMPANIES,
    Origin,
    PersonRole,
    checked_email,
    checked_locale,
    checked_name,
    checked_roles,
    checked_time_zone,
)
from marketplace.accounts.invitations import (
    Invited,
    accept_invitation,
    invite,
    list_invitations,
    read_invitation,
    withdraw_invitation,
)
from marketplace.accounts.membership import add_person, check_free, end_access, listed
from marketplace.accounts.sessions import Session
from marketplace.accounts.tables import Person
from marketplace.core import audit
from marketplace.core.actor import Actor, acting_as
from marketplace.core.etag import check_if_match
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import current_session, release
from marketplace.identity import service as identity
from marketplace.identity.access import (
    current_principal,
    require_administration,
    require_operator,
    require_operator_or_party,
)
from marketplace.identity.service import Statement
from mpp_sdk.errors import Conflict, NotFound
from mpp_sdk.ids import new_id

__all__ = [
    "Invited",
    "SignedUp",
    "accept_invitation",
    "change_profile",
    "change_roles",
    "invite",
    "list_invitations",
    "list_people",
    "read_invitation",
    "read_person",
    "remove",
    "sign_up",
    "withdraw_invitation",
]

_KIND = "person"


@dataclass(frozen=True)
class SignedUp:
    """A company that has just registered, its first person, and the session of that person."""

    market_player_id: UUID
    person_id: UUID
    session: Session


def sign_up(
    statement: Statement,
    name: str,
    email: str,
    password: str,
    locale: str | None,
    time_zone: str | None,
    origin: Origin,
) -> SignedUp:
    """Register a company, PENDING, with its first person, who holds every role and is signed in.

    It is the first thing that is done in a unit of work, for a password takes long to store. Raises
    InvalidInput, Conflict as identity.service.register_company does, and Forbidden where there are
    no local accounts.
    """
    passwords.require_local_accounts()
    name, email = checked_name(name), checked_email(email)
    passwords.check_rule(password, "/password", email, name, statement.name)
    check_free(email)
    release()
    stored = hashing.hash_password(password)
    person_id = new_id()
    with acting_as(Actor(f"person:{person_id}", name)):
        player = identity.register_company(statement)
        person = add_person(person_id, player.id, email, name, IN_COMPANIES, "sign-up")
        person.password_hash = stored
        person.locale = checked_locale(locale)
        person.time_zone = checked_time_zone(time_zone)
        current_session().flush()
    return SignedUp(player.id, person_id, sessions.open_session(person_id, origin))


def list_people(
    market_player_id: UUID | None, limit: int = 50, cursor: str | None = None
) -> Page[Person]:
    """Return a page of a company's people, the newest first, or of the operators for None."""
    if market_player_id is None:
        require_operator()
    else:
        require_operator_or_party("market player", market_player_id, market_player_id)
    return repository.list_people(market_player_id, limit, cursor)


def read_person(person_id: UUID) -> Person:
    """Return a person of the caller's company, or any for operators. Raises NotFound."""
    person = _found(repository.person(person_id), person_id)
    require_operator_or_party(_KIND, person_id, person.market_player_id)
    return person


def change_roles(person_id: UUID, roles: frozenset[PersonRole], if_match: str | None) -> Person:
    """Return the person with other roles.

    Raises Forbidden unless the caller administers the company, Conflict when nobody would any more.
    """
    person = _administered(person_id)
    check_if_match(person, if_match)
    checked_roles(roles, in_company=person.market_player_id is not None)
    before = person.roles
    if roles == before:
        return person
    if PersonRole.ADMINISTRATOR in before - roles:
        _require_another_administrator(person)
    person.roles = roles
    audit.record(
        "Person",
        person.id,
        "change-roles",
        reason=f"{listed(before)} -> {listed(roles)}",
        market_player_id=person.market_player_id,
    )
    return person


def remove(person_id: UUID, if_match: str | None) -> None:
    """End somebody's access at once. What they did stays in the audit trail.

    Raises Forbidden unless the caller administers the company, Conflict for its last administrator
    and for an operator who would remove themselves: one always stays to let others in.
    """
    person = _administered(person_id)
    check_if_match(person, if_match, required=False)
    if person.market_player_id is None and person.id == current_principal().person_id:
        raise Conflict("Another operator removes you, so that one is always left.")
    if PersonRole.ADMINISTRATOR in person.roles:
        _require_another_administrator(person)
    end_access(person)


def change_profile(
    name: str, locale: str | None, time_zone: str | None, if_match: str | None
) -> Person:
    """Return the person that calls, as they want to be named and shown things."""
    person_id = current_principal().person_id
    person = _found(None if person_id is None else _locked(person_id), person_id)
    check_if_match(person, if_match)
    person.name = checked_name(name)
    person.locale = checked_locale(locale)
    person.time_zone = checked_time_zone(time_zone)
    return person


def _administered(person_id: UUID) -> Person:
    """Return a person, locked after the company, so that its administrators are counted alone."""
    seen = _found(repository.person(person_id), person_id)
    if seen.market_player_id is None:
        require_operator_or_party(_KIND, person_id)
    else:
        require_administration(_KIND, person_id, seen.market_player_id)
        identity.lock_player(seen.market_player_id)
    return _found(_locked(person_id), person_id)


def _require_another_administrator(person: Person) -> None:
    others = repository.people_of(person.market_player_id)
    if not any(o.id != person.id and PersonRole.ADMINISTRATOR in o.roles for o in others):
        raise Conflict("A company keeps at least one administrator: name another one first.")


def _locked(person_id: UUID) -> Person | None:
    return repository.person(person_id, lock=True)


def _found(person: Person | None, person_id: UUID | None) -> Person:
    if person is None:
        raise NotFound.entity(_KIND, person_id)
    return person

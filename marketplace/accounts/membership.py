"""How somebody becomes one of a company's people, or an operator, and stops being it."""

from uuid import UUID

from marketplace.accounts import repository
from marketplace.accounts.domain import PersonRole, PersonState, email_key
from marketplace.accounts.tables import Person
from marketplace.core import audit
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.errors import InvalidInput


def add_person(
    person_id: UUID,
    market_player_id: UUID | None,
    email: str,
    name: str,
    roles: frozenset[PersonRole],
    action: str,
) -> Person:
    """Return a new person. Raises InvalidInput when the address belongs to somebody."""
    check_free(email)
    person = Person(
        id=person_id,
        market_player_id=market_player_id,
        email=email,
        email_key=email_key(email),
        name=name,
        state=PersonState.ACTIVE,
        created_at=now(),
    )
    person.roles = roles
    current_session().add(person)
    audit.record(
        "Person",
        person.id,
        action,
        to_state=person.state,
        reason=listed(roles),
        market_player_id=market_player_id,
    )
    return person


def check_free(email: str) -> None:
    """Pass for an e-mail address that nobody signs in with. Raises InvalidInput."""
    if repository.person_of_email(email_key(email)) is not None:
        raise InvalidInput.field(
            "/email", "unique", "Somebody signs in with this address already. Sign in instead."
        )


def end_access(person: Person) -> None:
    """Remove a person, whoever it is, with everything that lets in."""
    repository.end_sessions_of(person.id)
    repository.forget_recovery_codes(person.id)
    person.state = PersonState.REMOVED
    person.password_hash = None
    person.encrypted_totp_secret = None
    person.totp_confirmed_at = None
    audit.record(
        "Person",
        person.id,
        "remove",
        from_state=PersonState.ACTIVE,
        to_state=PersonState.REMOVED,
        market_player_id=person.market_player_id,
    )


def listed(roles: frozenset[PersonRole]) -> str:
    """Return roles for people to read."""
    return ", ".join(sorted(roles))

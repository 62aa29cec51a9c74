"""What those at the command line do with people: they are not asked who they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from marketplace.accounts import invitations, letters, repository
from marketplace.accounts.domain import OF_OPERATORS, PersonRole, email_key
from marketplace.accounts.membership import end_access
from mpp_sdk.errors import NotFound


@dataclass(frozen=True)
class Link:
    """Where an invitation is accepted, once, until it ends."""

    link: str
    expires_at: datetime


@dataclass(frozen=True)
class Listed:
    """A person of any company; an operator has none."""

    email: str
    name: str
    company: str | None
    roles: frozenset[PersonRole]
    last_signed_in_at: datetime | None


def invite_operator(email: str, name: str) -> Link:
    """Return the link by which somebody becomes an operator; it is mailed, too.

    Raises InvalidInput, also when an operator has the address already.
    """
    invitation, token = invitations.issue(None, email, name, OF_OPERATORS)
    return Link(letters.invitation_link(token), invitation.expires_at)


def everybody(*, only_operators: bool = False) -> Sequence[Listed]:
    """Return everybody who may sign in, by company and name."""
    return [
        Listed(
            row.email,
            row.name,
            row.company,
            frozenset(PersonRole(role) for role in row.held_roles.split()),
            row.last_signed_in_at,
        )
        for row in repository.everybody(only_operators=only_operators)
    ]


def remove_by_email(email: str) -> str:
    """End the access of whoever has an address; return the name. Raises NotFound."""
    person = repository.person_of_email(email_key(email))
    if person is None:
        raise NotFound.entity("person with the address", email)
    end_access(person)
    return person.name

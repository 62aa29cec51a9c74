"""Lets people in whom an OpenID provider has shown who they are."""

from dataclasses import dataclass

from marketplace.accounts import repository
from marketplace.accounts.domain import LONGEST_NAME, Origin, email_key
from marketplace.accounts.invitations import take_up
from marketplace.accounts.sessions import Session
from marketplace.accounts.signing_in import Challenge, Refused, let_in
from marketplace.accounts.tables import Person
from marketplace.core import audit
from marketplace.core.actor import Actor, acting_as
from marketplace.core.unit_of_work import current_session
from marketplace.identity import service as identity
from marketplace.identity.domain import MarketPlayerState
from mpp_sdk.clock import now
from mpp_sdk.errors import Forbidden

_LONGEST_ISSUER = 500
_LONGEST_SUBJECT = 255


@dataclass(frozen=True)
class Identity:
    """What a provider's ID token, which was verified, says of somebody.

    email_verified is the provider's word that the address is the person's own.
    """

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None


def sign_in_federated(given: Identity, origin: Origin) -> Session | Challenge | Refused:
    """Return a session of the person who is linked to an identity.

    At the first time it is linked, by its verified address, to the person who has it, or to the one
    that it invites. A second factor that is on here is asked for nevertheless. Raises Forbidden,
    with what to do, for everybody else.
    """
    if len(given.issuer) > _LONGEST_ISSUER or len(given.subject) > _LONGEST_SUBJECT:
        raise Forbidden("The name under which your provider knows you is too long.")
    person = repository.person_of_identity(given.issuer, given.subject)
    if person is None:
        person = _first_time(given)
    return let_in(person, origin)


def _first_time(given: Identity) -> Person:
    if given.email is None or not given.email_verified:
        raise Forbidden(
            "Your organisation's account comes without a verified e-mail address, by which you "
            "would be known here. Ask those who run it."
        )
    key = email_key(given.email)
    person = repository.person_of_email(key)
    if person is None:
        person = _invited(given, key)
    elif person.oidc_subject is not None:
        raise Forbidden(
            "Another account of your organisation is linked to this address. Ask an administrator "
            "of your company to remove and invite you again."
        )
    elif person.email_proven_at is None:
        # Whoever signed up with this address may be somebody else, and would share what follows.
        raise Forbidden(
            "Nobody has shown yet that the account with this address is yours. Have a link sent to "
            "set its password, then sign in this way again."
        )
    person.oidc_issuer = given.issuer
    person.oidc_subject = given.subject
    person.email_proven_at = now()
    current_session().flush()
    with acting_as(Actor(f"person:{person.id}", person.name)):
        audit.record(
            "Person",
            person.id,
            "link-identity",
            reason=given.issuer,
            market_player_id=person.market_player_id,
        )
    return person


def _invited(given: Identity, key: str) -> Person:
    """Return the person that the newest invitation to an address makes. Raises Forbidden."""
    for invitation in repository.open_invitations_to(key, now()):
        owner = invitation.market_player_id
        if owner is None or identity.player_state(owner) is not MarketPlayerState.DEREGISTERED:
            return take_up(invitation, _one_line(given.name) or invitation.name)
    raise Forbidden(
        f"Nobody has invited {given.email}. Ask an administrator of your company to invite you."
    )


def _one_line(name: str | None) -> str:
    kept = "".join(letter for letter in name or "" if letter.isprintable())
    return kept.strip()[:LONGEST_NAME]

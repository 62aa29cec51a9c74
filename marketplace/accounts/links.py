"""What somebody may do once, within a time, by presenting a token."""

from datetime import datetime, timedelta
from uuid import UUID

from marketplace.accounts import repository
from marketplace.accounts.domain import LinkKind
from marketplace.accounts.tables import Link
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.errors import Gone, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import hash_secret, new_secret

LIFETIMES = {
    LinkKind.PASSWORD_RESET: timedelta(hours=1),
    LinkKind.CHALLENGE: timedelta(minutes=5),
}
_PREFIX = "fxl"
_ANEW = {
    LinkKind.PASSWORD_RESET: "Ask for another link to set your password.",
    LinkKind.CHALLENGE: "Sign in again with your password.",
}


def issue(kind: LinkKind, person_id: UUID) -> tuple[str, datetime]:
    """Return a new token, seen this once, and when it ends. Those before it end at once."""
    moment = now()
    repository.end_links_of(person_id, kind, moment)
    token = new_token()
    expires_at = moment + LIFETIMES[kind]
    current_session().add(
        Link(
            id=new_id(),
            kind=kind,
            token_hash=hash_secret(token),
            person_id=person_id,
            created_at=moment,
            expires_at=expires_at,
        )
    )
    current_session().flush()
    return token, expires_at


def find(kind: LinkKind, token: str, *, lock: bool = True) -> Link:
    """Return the link of a token, which can still be used; locked, where it is about to be.

    Raises NotFound for an unknown one, Gone for one that was used or is too old.
    """
    link = repository.link_of_hash(hash_token(token), kind, lock=lock)
    if link is None:
        raise NotFound(f"This link is not known. {_ANEW[kind]}")
    check_open(link.used_at, link.expires_at, _ANEW[kind])
    return link


def new_token() -> str:
    """Return a new token of a link."""
    return new_secret(_PREFIX)


def hash_token(token: str) -> str:
    """Return what is stored of a token that somebody presents, whatever it may be."""
    return hash_secret(token.encode("ascii", "replace").decode())


def check_open(used_at: datetime | None, expires_at: datetime, advice: str) -> None:
    """Raise Gone, with what to do, when a link was used or is too old."""
    if used_at is not None:
        raise Gone(f"This link was used already, or replaced by another. {advice}")
    if expires_at <= now():
        raise Gone(f"This link is too old. {advice}")

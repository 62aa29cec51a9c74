"""Passwords: what they must be, how they are changed, and what to do when one is forgotten."""

from datetime import timedelta
from uuid import UUID

from marketplace.accounts import guessing, hashing, letters, links, repository
from marketplace.accounts.common_passwords import COMMON
from marketplace.accounts.domain import LinkKind, email_key
from marketplace.accounts.guessing import Refused
from marketplace.accounts.tables import Person
from marketplace.core import audit
from marketplace.core.actor import Actor, acting_as
from marketplace.core.environment import current_environment
from marketplace.core.unit_of_work import release
from mpp_sdk.clock import now
from mpp_sdk.errors import Conflict, Forbidden, InvalidInput, NotFound

SHORTEST = 12
LONGEST = 1000
_LINKS_AN_HOUR = 5  # anybody may ask for them, and floods nobody's mailbox
_HOUR = timedelta(hours=1)
_OWN_LEAST = 4  # shorter names are part of too many good passwords


def check_rule(password: str, pointer: str, *own: str | None) -> None:
    """Pass for a password that is hard to guess (NIST SP 800-63B: its length, no common one).

    own is what anybody who knows the person tries first: the e-mail address, names. Raises
    InvalidInput for the field that pointer names.
    """
    if len(password) < SHORTEST:
        raise InvalidInput.field(
            pointer, "minLength", f"Choose a password of {SHORTEST} characters or more."
        )
    if len(password) > LONGEST:
        raise InvalidInput.field(
            pointer, "maxLength", f"Choose a password of {LONGEST} characters at most."
        )
    key = email_key(password)
    if key in COMMON or len(set(key)) < _OWN_LEAST:
        raise InvalidInput.field(
            pointer, "common", "This password is one of the first that others try. Choose another."
        )
    for name in own:
        if name and len(name) >= _OWN_LEAST and _repeats(key, email_key(name)):
            raise InvalidInput.field(
                pointer, "own", "Your password is your address or name. Choose another."
            )


def request_reset(email: str) -> None:
    """Have a link to set a new password sent to somebody, in place of those before.

    For an address that nobody has, or that got a few within the hour, nothing happens, and looks
    the same. Raises Forbidden where there are no local accounts.
    """
    require_local_accounts()
    person = repository.person_of_email(email_key(email))
    if person is None:
        return
    kind = LinkKind.PASSWORD_RESET
    if repository.links_issued(person.id, kind, now() - _HOUR) >= _LINKS_AN_HOUR:
        return
    token, expires_at = links.issue(kind, person.id)
    letters.send_reset(person, token, expires_at)
    with acting_as(Actor("anonymous", "Anonymous")):
        audit.record("Person", person.id, "ask-for-reset", market_player_id=person.market_player_id)


def read_reset(token: str) -> str:
    """Return the e-mail address whose password a link sets. Raises NotFound and Gone."""
    link = links.find(LinkKind.PASSWORD_RESET, token, lock=False)
    return _person_of(link.person_id, lock=False).email


def reset(token: str, password: str) -> None:
    """Set a new password by a link, which then works no more; every session of the person ends.

    It is the first thing that is done in a unit of work. Raises NotFound and Gone for the link,
    InvalidInput for the password, Forbidden where there are no local accounts.
    """
    require_local_accounts()
    link = links.find(LinkKind.PASSWORD_RESET, token)
    person = _person_of(link.person_id)
    check_rule(password, "/password", person.email, person.name)
    release()
    stored = hashing.hash_password(password)
    link = links.find(LinkKind.PASSWORD_RESET, token)
    person = _person_of(link.person_id)
    moment = now()
    link.used_at = moment
    person.password_hash = stored
    person.email_proven_at = moment
    guessing.forgive(f"password:{person.email_key}")
    repository.end_sessions_of(person.id)
    repository.end_links_of(person.id, LinkKind.CHALLENGE, moment)
    with acting_as(Actor(f"person:{person.id}", person.name)):
        audit.record(
            "Person", person.id, "reset-password", market_player_id=person.market_player_id
        )
    letters.send_password_changed(person)


def change(person_id: UUID, session_id: UUID, current: str, new: str) -> Refused | None:
    """Set a new password for whoever knows the present one; every other session ends.

    None when it is done. A wrong one is counted, which the unit of work has to commit: see
    `signing_in`. It is the first thing that is done in a unit of work. Raises InvalidInput for the
    new password, Conflict for somebody who has none.
    """
    require_local_accounts()
    person = _person_of(person_id)
    stored = person.password_hash
    if stored is None:
        raise Conflict("You have no password yet: ask for a link to set one.")
    check_rule(new, "/new", person.email, person.name)
    counted = f"password:{person.email_key}"
    refused = guessing.too_many(counted)
    if refused is not None:
        return refused
    release()
    right = hashing.is_password(current, stored)
    renewed = hashing.hash_password(new)
    person = _person_of(person_id)
    refused = guessing.judge(
        counted,
        right=right and person.password_hash == stored,
        wrong="The present password is not right.",
        on_lock=lambda failures: note_lock(person, failures),
    )
    if refused is not None:
        return refused
    person.password_hash = renewed
    repository.end_sessions_of(person.id, but=session_id)
    repository.end_links_of(person.id, LinkKind.PASSWORD_RESET, now())
    audit.record("Person", person.id, "change-password", market_player_id=person.market_player_id)
    letters.send_password_changed(person)
    return None


def note_lock(person: Person, failures: int) -> None:
    """Write down that nobody can sign in as somebody for a while."""
    audit.record(
        "Person",
        person.id,
        "lock",
        reason=f"{failures} wrong passwords in a row",
        market_player_id=person.market_player_id,
    )


def require_local_accounts() -> None:
    """Pass where people sign in with a password. Raises Forbidden elsewhere."""
    if not current_environment().settings.local_accounts:
        raise Forbidden("There are no passwords here: sign in with your organisation's account.")


def _person_of(person_id: UUID, *, lock: bool = True) -> Person:
    person = repository.person(person_id, lock=lock)
    if person is None:
        raise NotFound("You have no access any more.")
    return person


def _repeats(password: str, name: str) -> bool:
    """Return whether a password is a name, perhaps several times."""
    return not password.replace(name, "").strip(" .-_0123456789!?")

"""Every query about people and their sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, Row, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from marketplace.accounts.domain import Guesses, LinkKind, PersonState
from marketplace.accounts.tables import (
    GuessCount,
    Invitation,
    Link,
    Mail,
    Person,
    RecoveryCode,
    WebSession,
)
from marketplace.core.paging import Key, Page, paginate
from marketplace.core.unit_of_work import current_session
from marketplace.identity.joining import with_company

# People


def person(person_id: UUID, *, lock: bool = False) -> Person | None:
    """Return somebody who was not removed."""
    found = current_session().get(
        Person, person_id, with_for_update=lock or None, populate_existing=lock
    )
    return found if found is not None and found.state is PersonState.ACTIVE else None


def person_of_email(key: str) -> Person | None:
    """Return the person to whom an e-mail address belongs, whatever was typed for one."""
    if not key.isprintable():  # nor does every database take it
        return None
    statement = select(Person).where(Person.email_key == key, Person.state == PersonState.ACTIVE)
    return current_session().scalars(statement).one_or_none()


def person_of_identity(issuer: str, subject: str) -> Person | None:
    """Return the person who is linked to an identity of an OpenID provider."""
    statement = select(Person).where(
        Person.oidc_issuer == issuer,
        Person.oidc_subject == subject,
        Person.state == PersonState.ACTIVE,
    )
    return current_session().scalars(statement).one_or_none()


def people_of(market_player_id: UUID | None) -> Sequence[Person]:
    """Return the people of a company, or the operators, by the order in which they came."""
    statement = (
        select(Person)
        .where(Person.state == PersonState.ACTIVE, _belongs_to(Person, market_player_id))
        .order_by(Person.id)
    )
    return current_session().scalars(statement).all()


def list_people(market_player_id: UUID | None, limit: int, cursor: str | None) -> Page[Person]:
    """Return a page of the people of a company, or of the operators, the newest first."""
    statement = select(Person).where(
        Person.state == PersonState.ACTIVE, _belongs_to(Person, market_player_id)
    )
    newest_first = [Key(Person.id, descending=True)]
    return paginate(
        current_session(), statement, newest_first, limit, cursor, bound_to=market_player_id
    )


def everybody(*, only_operators: bool) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return everybody's address, name, roles, last sign-in and company."""
    columns = (Person.email, Person.name, Person.held_roles, Person.last_signed_in_at)
    statement = with_company(
        select(*columns).where(Person.state == PersonState.ACTIVE), Person.market_player_id
    )
    if only_operators:
        statement = statement.where(Person.market_player_id.is_(None))
    statement = statement.order_by("company", Person.name, Person.id)
    return current_session().execute(statement).all()


def note_sign_in(person_id: UUID, moment: datetime) -> None:
    """Write down when somebody signed in, which makes no new version of the person."""
    current_session().execute(
        update(Person).where(Person.id == person_id).values(last_signed_in_at=moment)
    )


def take_totp_step(person_id: UUID, step: int) -> bool:
    """Take a time step for somebody; return False when it or a later one was taken before."""
    statement = (
        update(Person)
        .where(Person.id == person_id, or_(Person.totp_step.is_(None), Person.totp_step < step))
        .values(totp_step=step)
    )
    return _changed(statement) == 1


def take_recovery_code(person_id: UUID, code_hash: str) -> bool:
    """Use a recovery code up; return False when there is no such one."""
    statement = delete(RecoveryCode).where(
        RecoveryCode.person_id == person_id, RecoveryCode.code_hash == code_hash
    )
    return _changed(statement) == 1


def recovery_codes_left(person_id: UUID) -> int:
    """Return how many recovery codes somebody has not used."""
    statement = select(func.count()).where(RecoveryCode.person_id == person_id)
    return current_session().scalar(statement) or 0


def forget_recovery_codes(person_id: UUID) -> None:
    """Delete the recovery codes of somebody."""
    _changed(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))


# Sessions


def session_of_hash(token_hash: str) -> Row[Any] | None:
    """Return a session with its person and the company's name and state, in one query."""
    statement = with_company(
        select(
            WebSession.id.label("session_id"),
            WebSession.seen_at,
            WebSession.expires_at,
            Person.id.label("person_id"),
            Person.name,
            Person.email,
            Person.held_roles,
            Person.state,
            Person.locale,
            Person.time_zone,
            Person.market_player_id,
        )
        .join_from(WebSession, Person, Person.id == WebSession.person_id)
        .where(WebSession.token_hash == token_hash),
        Person.market_player_id,
    )
    return current_session().execute(statement).one_or_none()


def sessions_of(person_id: UUID, moment: datetime, seen_after: datetime) -> Sequence[WebSession]:
    """Return the sessions of somebody that go on, the newest first."""
    statement = (
        select(WebSession)
        .where(
            WebSession.person_id == person_id,
            WebSession.expires_at > moment,
            WebSession.seen_at > seen_after,
        )
        .order_by(WebSession.id.desc())
    )
    return current_session().scalars(statement).all()


def note_seen(session_id: UUID, moment: datetime) -> None:
    """Write down when a session was last used."""
    current_session().execute(
        update(WebSession)
        .where(WebSession.id == session_id, WebSession.seen_at < moment)
        .values(seen_at=moment)
    )


def end_session_of_hash(token_hash: str) -> None:
    """Delete the session with a token's hash, if there is one."""
    _changed(delete(WebSession).where(WebSession.token_hash == token_hash))


def end_session(person_id: UUID, session_id: UUID) -> bool:
    """Delete a session of somebody; return False when there is no such one."""
    statement = delete(WebSession).where(
        WebSession.person_id == person_id, WebSession.id == session_id
    )
    return _changed(statement) == 1


def end_sessions_of(person_id: UUID, but: UUID | None = None) -> int:
    """Delete every session of somebody, except one; return how many."""
    statement = delete(WebSession).where(WebSession.person_id == person_id)
    if but is not None:
        statement = statement.where(WebSession.id != but)
    return _changed(statement)


# Links and invitations


def link_of_hash(token_hash: str, kind: LinkKind, *, lock: bool = True) -> Link | None:
    """Return a link by its token's hash."""
    statement = select(Link).where(Link.token_hash == token_hash, Link.kind == kind)
    if lock:
        statement = statement.with_for_update()
    return current_session().scalars(statement).one_or_none()


def links_issued(person_id: UUID, kind: LinkKind, after: datetime) -> int:
    """Return how many links of a kind somebody got after a moment."""
    statement = select(func.count()).where(
        Link.person_id == person_id, Link.kind == kind, Link.created_at > after
    )
    return current_session().scalar(statement) or 0


def end_links_of(person_id: UUID, kind: LinkKind, moment: datetime) -> None:
    """Have the links of a kind that somebody has got work no more."""
    _changed(
        update(Link)
        .where(Link.person_id == person_id, Link.kind == kind, Link.used_at.is_(None))
        .values(used_at=moment)
    )


def invitation_of_hash(token_hash: str, *, lock: bool = False) -> Invitation | None:
    """Return an invitation by its token's hash."""
    statement = select(Invitation).where(Invitation.token_hash == token_hash)
    if lock:
        statement = statement.with_for_update()
    return current_session().scalars(statement).one_or_none()


def invitation(invitation_id: UUID) -> Invitation | None:
    """Return an invitation, locked."""
    return current_session().get(Invitation, invitation_id, with_for_update=True)


def open_invitations_to(key: str, moment: datetime) -> Sequence[Invitation]:
    """Return the invitations to an address that can still be accepted, locked, the newest first."""
    statement = (
        select(Invitation)
        .where(
            Invitation.email_key == key,
            Invitation.used_at.is_(None),
            Invitation.expires_at > moment,
        )
        .order_by(Invitation.id.desc())
        .with_for_update()
    )
    return current_session().scalars(statement).all()


def invitations_issued(market_player_id: UUID | None, after: datetime) -> int:
    """Return how many a company, or those who run the marketplace, invited after a moment."""
    statement = select(func.count()).where(
        _belongs_to(Invitation, market_player_id), Invitation.created_at > after
    )
    return current_session().scalar(statement) or 0


def open_invitations_of(market_player_id: UUID | None, moment: datetime) -> Sequence[Invitation]:
    """Return the invitations of a company, or of operators, that can still be accepted."""
    statement = (
        select(Invitation)
        .where(
            _belongs_to(Invitation, market_player_id),
            Invitation.used_at.is_(None),
            Invitation.expires_at > moment,
        )
        .order_by(Invitation.id.desc())
    )
    return current_session().scalars(statement).all()


# Guesses


def guesses(key_hash: str) -> Guesses:
    """Return how it stands with the guesses at something."""
    row = (
        current_session()
        .execute(
            select(GuessCount.failures, GuessCount.locked_until).where(
                GuessCount.key_hash == key_hash
            )
        )
        .one_or_none()
    )
    return Guesses() if row is None else Guesses(row.failures, row.locked_until)


def locked_guesses(key_hash: str, moment: datetime) -> Guesses:
    """Return how it stands with the guesses at something, locked until the transaction ends."""
    return _upserted(key_hash, {"updated_at": moment}, moment)


def set_guesses(key_hash: str, standing: Guesses, moment: datetime) -> None:
    """Store how it stands with the guesses at something."""
    changes = {
        "failures": standing.failures,
        "locked_until": standing.locked_until,
        "updated_at": moment,
    }
    _upserted(key_hash, changes, moment)


def _upserted(key_hash: str, changes: dict[str, Any], moment: datetime) -> Guesses:
    session = current_session()
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = {"key_hash": key_hash, "failures": 0, "updated_at": moment, **changes}
    statement = (
        dialect.insert(GuessCount)
        .values(new)
        .on_conflict_do_update(index_elements=["key_hash"], set_=changes)
        .returning(GuessCount.failures, GuessCount.locked_until)
    )
    row = session.execute(statement).one()
    return Guesses(row.failures, row.locked_until)


# What is over


def forget_ended(moment: datetime, idle: timedelta, kept: timedelta) -> int:
    """Delete ended sessions, and what ended or was finished so long ago; return how many."""
    before = moment - kept
    ended = (
        delete(WebSession).where(
            or_(WebSession.expires_at <= moment, WebSession.seen_at <= moment - idle)
        ),
        delete(Link).where(Link.expires_at < before),
        delete(Invitation).where(Invitation.expires_at < before),
        delete(GuessCount).where(GuessCount.updated_at < before),
        delete(Mail).where(Mail.finished_at < before),
    )
    return sum(_changed(statement) for statement in ended)


def _changed(statement: Any) -> int:
    return cast(CursorResult[Any], current_session().execute(statement)).rowcount


def _belongs_to(table: type[Person] | type[Invitation], market_player_id: UUID | None) -> Any:
    if market_player_id is None:
        return table.market_player_id.is_(None)
    return table.market_player_id == market_player_id

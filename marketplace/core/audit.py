"""The audit trail: every transition with who, when and why, written with it or not at all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Index, Select, String, Text, or_, select, union
from sqlalchemy.orm import Mapped, Session, mapped_column

from marketplace.core.actor import Actor, current_actor
from marketplace.core.append_only import append_only
from marketplace.core.database import Base
from marketplace.core.journal import write_down
from marketplace.core.paging import Key, Page, paginate
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.ids import first_id_of, new_id
from mpp_sdk.outbox.bulk import insert_rows

_NAME_LENGTH = 60
_ENTITY_ID_LENGTH = 120


class AuditEntry(Base):
    """One thing that was done. provider_id, requester_id and market_player_id may read it."""

    __tablename__ = "audit_entry"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    actor_subject: Mapped[str] = mapped_column(String(200))
    actor_name: Mapped[str] = mapped_column(String(200))
    entity_kind: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    entity_id: Mapped[str] = mapped_column(String(_ENTITY_ID_LENGTH))
    action: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    from_state: Mapped[str | None] = mapped_column(String(_NAME_LENGTH))
    to_state: Mapped[str | None] = mapped_column(String(_NAME_LENGTH))
    reason: Mapped[str | None] = mapped_column(Text)
    subscription_id: Mapped[UUID | None]
    provider_id: Mapped[UUID | None]
    requester_id: Mapped[UUID | None]
    market_player_id: Mapped[UUID | None]
    correlation_id: Mapped[str | None] = mapped_column(String(200))

    # Entries are listed by id: a UUIDv7 grows with the time of recording, and is unique.
    __table_args__ = (
        Index(None, "entity_id", "id"),
        Index(None, "subscription_id", "id"),
        Index(None, "provider_id", "id"),
        Index(None, "requester_id", "id"),
        Index(None, "market_player_id", "id"),
        Index("ix_audit_entry_entity_kind_id", "entity_kind", "id"),
        Index("ix_audit_entry_actor_subject_id", "actor_subject", "id"),
        Index("ix_audit_entry_action_id", "action", "id"),
    )


append_only(Base.metadata.tables[AuditEntry.__tablename__])


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are asked for; what is None does not restrict.

    visible_to is the market player that asks; None is an operator, who sees every entry.
    The period is that of occurred_at; its end does not belong to it. recorded_from and
    recorded_until are the like of when it was written down, which is found by an index.
    """

    visible_to: UUID | None = None
    entity_kind: str | None = None
    entity_id: str | None = None
    subscription_id: UUID | None = None
    market_player_id: UUID | None = None
    action: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    actor_subject: str | None = None
    recorded_from: datetime | None = None
    recorded_until: datetime | None = None


def record(
    kind: str,
    entity_id: UUID | str,
    action: str,
    *,
    from_state: str | None = None,
    to_state: str | None = None,
    reason: str | None = None,
    occurred_at: datetime | None = None,
    subscription_id: UUID | None = None,
    provider_id: UUID | None = None,
    requester_id: UUID | None = None,
    market_player_id: UUID | None = None,
) -> None:
    """Write down in this unit of work what the current actor did. occurred_at defaults to now.

    entity_id is that of the thing; a point of delivery's is `subscriptionId/podId`.
    """
    actor = current_actor()
    recorded_at = now()
    write_down(
        current_session(),
        AuditEntry,
        {
            "id": new_id(),
            "occurred_at": occurred_at or recorded_at,
            "recorded_at": recorded_at,
            "actor_subject": actor.subject,
            "actor_name": actor.name,
            "entity_kind": kind,
            "entity_id": str(entity_id),
            "action": action,
            "from_state": from_state,
            "to_state": to_state,
            "reason": reason,
            "subscription_id": subscription_id,
            "provider_id": provider_id,
            "requester_id": requester_id,
            "market_player_id": market_player_id,
            "correlation_id": actor.correlation_id,
        },
    )


@dataclass(frozen=True)
class Done:
    """Something that an actor did to a thing, as `record` takes it."""

    actor: Actor
    kind: str
    entity_id: str
    action: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    subscription_id: UUID | None
    market_player_id: UUID | None


def record_all(connection: Connection, done: Sequence[Done]) -> None:
    """Write down what was done, all of it in one statement of a transaction."""
    recorded_at = now()
    rows = [
        {
            "id": new_id(),
            "occurred_at": recorded_at,
            "recorded_at": recorded_at,
            "actor_subject": one.actor.subject,
            "actor_name": one.actor.name,
            "entity_kind": one.kind,
            "entity_id": one.entity_id,
            "action": one.action,
            "from_state": one.from_state,
            "to_state": one.to_state,
            "reason": one.reason,
            "subscription_id": one.subscription_id,
            "market_player_id": one.market_player_id,
            "correlation_id": one.actor.correlation_id,
        }
        for one in done
    ]
    insert_rows(connection, Base.metadata.tables[AuditEntry.__tablename__], rows)


def entries(
    session: Session, wanted: AuditFilter, limit: int, cursor: str | None
) -> Page[AuditEntry]:
    """Return a page of the entries that a filter selects, the newest first."""
    newest_first = [Key(AuditEntry.id, descending=True)]
    return paginate(session, _selected(wanted), newest_first, limit, cursor, bound_to=wanted)


def newest(
    session: Session,
    wanted: AuditFilter,
    limit: int,
    *,
    before: UUID | None = None,
    without: Collection[str] = (),
) -> Sequence[AuditEntry]:
    """Return the newest entries that a filter selects: of ids before one, of kinds but some."""
    statement = _selected(wanted)
    if before is not None:
        statement = statement.where(AuditEntry.id < before)
    if without:
        statement = statement.where(AuditEntry.entity_kind.not_in(without))
    return session.scalars(statement.order_by(AuditEntry.id.desc()).limit(limit)).all()


def newest_about(
    session: Session, market_player_id: UUID, limit: int, *, without: Collection[str] = ()
) -> Sequence[AuditEntry]:
    """Return the newest entries that a market player may read, but those of some kinds.

    Each way to be concerned is looked up by its index: the time is the same for one that is in
    every entry and for one that is in none.
    """
    ways = (AuditEntry.provider_id, AuditEntry.requester_id, AuditEntry.market_player_id)
    parts = []
    for column in ways:
        part = select(AuditEntry.id).where(column == market_player_id)
        if without:
            part = part.where(AuditEntry.entity_kind.not_in(without))
        newest_first = part.order_by(AuditEntry.id.desc()).limit(limit).subquery()
        parts.append(select(newest_first.c.id))
    statement = select(AuditEntry).where(AuditEntry.id.in_(union(*parts)))
    return session.scalars(statement.order_by(AuditEntry.id.desc()).limit(limit)).all()


def _selected(wanted: AuditFilter) -> Select[AuditEntry]:
    statement = select(AuditEntry)
    if wanted.visible_to is not None:
        statement = statement.where(_concerns(wanted.visible_to))
    if wanted.market_player_id is not None:
        statement = statement.where(_concerns(wanted.market_player_id))
    equal = (
        (AuditEntry.entity_kind, wanted.entity_kind),
        (AuditEntry.entity_id, wanted.entity_id),
        (AuditEntry.subscription_id, wanted.subscription_id),
        (AuditEntry.action, wanted.action),
        (AuditEntry.actor_subject, wanted.actor_subject),
    )
    for column, value in equal:
        if value is not None:
            statement = statement.where(column == value)
    if wanted.start is not None:
        statement = statement.where(AuditEntry.occurred_at >= wanted.start)
    if wanted.end is not None:
        statement = statement.where(AuditEntry.occurred_at < wanted.end)
    if wanted.recorded_from is not None:
        statement = statement.where(AuditEntry.id >= first_id_of(wanted.recorded_from))
    if wanted.recorded_until is not None:
        statement = statement.where(AuditEntry.id < first_id_of(wanted.recorded_until))
    return statement


def _concerns(market_player_id: UUID) -> ColumnElement[bool]:
    return or_(
        AuditEntry.provider_id == market_player_id,
        AuditEntry.requester_id == market_player_id,
        AuditEntry.market_player_id == market_player_id,
    )

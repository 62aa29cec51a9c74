"""The tables in which a platform remembers what it agreed to and what it was told."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mpp_sdk.database import UtcDateTime
from mpp_sdk.outbox import OutboxTables, ReplayTables
from mpp_sdk.web.idempotency import IdempotencyTable


class Base(DeclarativeBase):
    """The base of the SDK's own tables; an integrator's have another one."""


OUTBOX_TABLES = OutboxTables.define(Base.metadata)
REPLAY_TABLES = ReplayTables.define(Base.metadata)
REPLIES = IdempotencyTable.define(Base.metadata)


class SubscriptionRow(Base):
    """A subscription in which this platform takes part."""

    __tablename__ = "mpp_subscription"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), index=True)
    state_since: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)  # as confirmed, without the key
    key_hash: Mapped[str] = mapped_column(String(64), index=True)
    encrypted_key: Mapped[str | None] = mapped_column(Text)  # the requester's only
    next_interim_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class PodRow(Base):
    """A point of delivery under a subscription in which this platform is the provider."""

    __tablename__ = "mpp_point_of_delivery"
    __table_args__ = (
        Index("ix_mpp_pod_consent", "consent", "consent_end"),
        Index("ix_mpp_pod_activation", "subscription_id", "activation"),
    )

    subscription_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("mpp_subscription.id"), primary_key=True
    )
    pod_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    consent: Mapped[str | None] = mapped_column(String(16))
    consent_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    consent_start: Mapped[datetime | None] = mapped_column(UtcDateTime)
    consent_end: Mapped[datetime | None] = mapped_column(UtcDateTime)
    activation: Mapped[str | None] = mapped_column(String(16))
    suspended_with_subscription: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EventRow(Base):
    """An event of the marketplace that was received, kept so that it is applied once."""

    __tablename__ = "mpp_event"
    __table_args__ = (Index("ix_mpp_event_subscription", "subscription_id", "occurred_at"),)

    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(Uuid)
    role: Mapped[str] = mapped_column(String(16))
    told_state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(16))


class RequestedPodRow(Base):
    """A point of delivery that this platform, as requester, is to ask the provider for.

    asked_at is NULL until the provider has taken it.
    """

    __tablename__ = "mpp_requested_pod"
    __table_args__ = (Index("ix_mpp_requested_pod_asked", "asked_at", "subscription_id"),)

    # No foreign key: the confirmation of the subscription may come later.
    subscription_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    pod_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class InboundKeyRow(Base):
    """A key that was issued to the marketplace."""

    __tablename__ = "mpp_inbound_key"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime)
    valid_until: Mapped[datetime] = mapped_column(UtcDateTime)
    overlap_ends_at: Mapped[datetime] = mapped_column(UtcDateTime)  # that of the key before
    first_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OutboundKeyRow(Base):
    """The key that this platform presents to the marketplace."""

    __tablename__ = "mpp_outbound_key"

    callee: Mapped[str] = mapped_column(String(255), primary_key=True)
    encrypted_key: Mapped[str] = mapped_column(Text)
    configured_hash: Mapped[str] = mapped_column(String(64))
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refresh_id: Mapped[str | None] = mapped_column(String(128))  # of a refresh under way

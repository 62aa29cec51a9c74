"""The tables of monitoring."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import ConsentState
from marketplace.core.append_only import append_only
from marketplace.core.database import Base
from marketplace.core.journal import changed_together
from marketplace.core.notices import Outcome
from marketplace.monitoring.domain import ServiceStatus

_DURATION_LENGTH = 40


class InterimStatus(Base):
    """An interim status as a provider's platform sent it."""

    __tablename__ = "interim_status"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[ServiceStatus]
    active_pods: Mapped[int | None]
    detail: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    outcome: Mapped[Outcome]

    __table_args__ = (
        Index(None, "subscription_id", "occurred_at", "event_id"),
        Index("ix_interim_status_received_at", "received_at"),
    )


append_only(Base.metadata.tables[InterimStatus.__tablename__])


class PointOfDelivery(Base):
    """The consent and the activation of a point of delivery side by side, to be listed.

    requested_at is when somebody of the requester added it here; NULL for one that is known only
    from what the provider's platform tells of it.
    """

    __tablename__ = "point_of_delivery"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    pod_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    consent: Mapped[ConsentState | None]
    consent_start: Mapped[datetime | None]
    consent_end: Mapped[datetime | None]
    activation: Mapped[ActivationState | None]
    requested_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_point_of_delivery_states", "subscription_id", "consent", "activation"),
    )


class FigureOverTime(Base):
    """What was counted of an hour or, of what is a state and not a flow, of a day.

    at is the beginning of the hour, or of the day in UTC.
    """

    __tablename__ = "figure_over_time"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


@changed_together
class Watch(Base):
    """When the next interim status of a subscription is due, and from when on it is overdue.

    Both are NULL while none is awaited, because the subscription is not ACTIVE.
    """

    __tablename__ = "interim_watch"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    provider_id: Mapped[UUID]
    requester_id: Mapped[UUID]
    interval: Mapped[str] = mapped_column(String(_DURATION_LENGTH))
    active_since: Mapped[datetime | None]
    last_status_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    overdue_from: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)  # the subscription is locked instead

    __table_args__ = (
        Index(None, "overdue_from", "subscription_id"),
        Index(None, "provider_id", "overdue_from"),
        Index(None, "requester_id", "overdue_from"),
    )

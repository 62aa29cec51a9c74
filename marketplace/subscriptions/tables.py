"""The tables of negotiations and subscriptions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.core.database import Base, Versioned
from marketplace.core.model_column import ModelColumn
from marketplace.delivery.domain import PlatformRole
from marketplace.subscriptions.domain import (
    Hold,
    OfferState,
    RequestState,
    Standing,
    SubscriptionState,
)
from mpp_sdk.contracts.marketplace.models import (
    CounterProposal,
    DataStandard,
    Price,
    ServiceCategory,
)
from mpp_sdk.ids import new_id

_UNDER_WAY = text("state IN ('REQUESTED', 'OFFERED')")
_NAME_LENGTH = 200
_DURATION_LENGTH = 40


class ServiceRequest(Versioned, Base):
    """A requester's request for a version of a service."""

    __tablename__ = "service_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    service_id: Mapped[UUID] = mapped_column(index=True)
    service_number: Mapped[int]
    service_name: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    provider_id: Mapped[UUID]
    requester_id: Mapped[UUID]
    state: Mapped[RequestState]
    message: Mapped[str | None] = mapped_column(Text)
    expected_pods: Mapped[int | None]
    counter_proposal: Mapped[CounterProposal | None] = mapped_column(ModelColumn(CounterProposal))
    reason: Mapped[str | None] = mapped_column(Text)
    supersedes: Mapped[UUID | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "provider_id", "id"),
        Index(None, "requester_id", "id"),
        Index(None, "state", "expires_at"),
        Index(
            "ix_service_request_open",
            "expires_at",
            "id",
            sqlite_where=_UNDER_WAY,
            postgresql_where=_UNDER_WAY,
        ),
    )


class Offer(Versioned, Base):
    """A revision of the provider's offer."""

    __tablename__ = "offer"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("service_request.id"))
    revision: Mapped[int]
    state: Mapped[OfferState]
    terms: Mapped[str] = mapped_column(Text)
    price: Mapped[Price] = mapped_column(ModelColumn(Price))
    validity_start: Mapped[datetime]
    validity_end: Mapped[datetime | None]
    interim_status_interval: Mapped[str] = mapped_column(String(_DURATION_LENGTH))
    valid_until: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("request_id", "revision"),
        # Whatever two calls do at the same time, one offer at most is open.
        Index(
            "uq_offer_open",
            "request_id",
            unique=True,
            sqlite_where=text("state = 'OPEN'"),
            postgresql_where=text("state = 'OPEN'"),
        ),
    )


class Subscription(Versioned, Base):
    """A subscription, with the terms as they were agreed.

    active_since is when it last became ACTIVE, state_since when it came into its present state.
    """

    __tablename__ = "subscription"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("service_request.id"), unique=True)
    service_id: Mapped[UUID] = mapped_column(index=True)
    service_number: Mapped[int]
    service_name: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    category: Mapped[ServiceCategory]
    data_standard: Mapped[DataStandard]
    consent_required: Mapped[bool]
    provider_id: Mapped[UUID]
    requester_id: Mapped[UUID]
    state: Mapped[SubscriptionState]
    holds: Mapped[list[str]] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(Text)
    provider_acknowledged_at: Mapped[datetime | None]
    requester_acknowledged_at: Mapped[datetime | None]
    terms: Mapped[str] = mapped_column(Text)
    price: Mapped[Price] = mapped_column(ModelColumn(Price))
    validity_start: Mapped[datetime]
    validity_end: Mapped[datetime | None]
    interim_status_interval: Mapped[str] = mapped_column(String(_DURATION_LENGTH))
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"), index=True)
    superseded_by: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"))
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    active_since: Mapped[datetime | None]
    state_since: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "provider_id", "id"),
        Index(None, "requester_id", "id"),
        Index(None, "state", "validity_end"),
        Index(None, "state_since", "id"),
    )

    @property
    def standing(self) -> Standing:
        """The state with what keeps it suspended."""
        return Standing(self.state, frozenset(Hold(hold) for hold in self.holds))

    @property
    def acknowledged_by(self) -> list[PlatformRole]:
        """The platforms that have the service offer details."""
        moments = (
            (PlatformRole.PROVIDER, self.provider_acknowledged_at),
            (PlatformRole.REQUESTER, self.requester_acknowledged_at),
        )
        return [role for role, moment in moments if moment is not None]

"""The tables of consents."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.consents.domain import ConsentState, Validity
from marketplace.core.append_only import append_only
from marketplace.core.database import Base
from marketplace.core.journal import changed_together
from marketplace.core.notices import Outcome
from mpp_sdk.ids import new_id

_POD_LENGTH = 60


@changed_together
class Consent(Base):
    """The present consent for a point of delivery under a subscription.

    occurred_at is when it came into its state, received_at when the marketplace was told. derived
    says that the marketplace concluded the state by itself, and the platform has not said so yet.
    """

    __tablename__ = "consent"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    pod_id: Mapped[str] = mapped_column(String(_POD_LENGTH))
    state: Mapped[ConsentState]
    derived: Mapped[bool]
    validity_start: Mapped[datetime | None]
    validity_end: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)  # the subscription is locked instead

    __table_args__ = (
        UniqueConstraint("subscription_id", "pod_id"),
        Index(None, "state", "validity_end"),
    )

    @property
    def validity(self) -> Validity:
        """The period in which it holds."""
        return Validity(self.validity_start, self.validity_end)


class ConsentNotice(Base):
    """A notification as it came, and what became of it."""

    __tablename__ = "consent_notice"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    pod_id: Mapped[str] = mapped_column(String(_POD_LENGTH))
    state: Mapped[ConsentState]
    validity_start: Mapped[datetime | None]
    validity_end: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    outcome: Mapped[Outcome]


append_only(Base.metadata.tables[ConsentNotice.__tablename__])

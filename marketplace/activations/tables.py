"""The tables of activations."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.activations.domain import ActivationState
from marketplace.core.append_only import append_only
from marketplace.core.database import Base
from marketplace.core.journal import changed_together
from marketplace.core.notices import Outcome
from mpp_sdk.ids import new_id

_POD_LENGTH = 60


@changed_together
class Activation(Base):
    """The present activation of a service for a point of delivery under a subscription.

    occurred_at is when it came into its state, received_at when the marketplace was told. derived
    says that the marketplace concluded the state by itself, and the platform has not said so yet;
    held, that it is SUSPENDED only because its subscription is.
    """

    __tablename__ = "activation"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    pod_id: Mapped[str] = mapped_column(String(_POD_LENGTH))
    state: Mapped[ActivationState]
    derived: Mapped[bool]
    held: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)  # the subscription is locked instead

    __table_args__ = (UniqueConstraint("subscription_id", "pod_id"),)


class ActivationNotice(Base):
    """A notification as it came, and what became of it."""

    __tablename__ = "activation_notice"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    pod_id: Mapped[str] = mapped_column(String(_POD_LENGTH))
    state: Mapped[ActivationState]
    reason: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    outcome: Mapped[Outcome]


append_only(Base.metadata.tables[ActivationNotice.__tablename__])

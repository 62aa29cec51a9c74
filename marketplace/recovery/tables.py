"""The tables of re-synchronisations with the platforms."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.core.database import Base
from marketplace.core.model_column import ModelColumn
from marketplace.recovery.domain import FindingKind, FindingOutcome, Step
from mpp_sdk.contracts.eu_mp.models import HeldServiceOffer
from mpp_sdk.ids import new_id

_CURSOR_LENGTH = 512


class Resynchronisation(Base):
    """A run over the platforms. since is from when on what happened may be missing here."""

    __tablename__ = "resynchronisation"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    since: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PlatformProgress(Base):
    """How far a run has come with one platform.

    since is this platform's own, which may be earlier: from its oldest event under way on. cursor
    leads to the next page of the present step, after_id is the last id that was compared.
    """

    __tablename__ = "resynchronisation_platform"

    resynchronisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("resynchronisation.id"), primary_key=True
    )
    market_player_id: Mapped[UUID] = mapped_column(primary_key=True)
    step: Mapped[Step]
    since: Mapped[datetime]
    cursor: Mapped[str | None] = mapped_column(String(_CURSOR_LENGTH))
    after_id: Mapped[UUID | None]
    events_held: Mapped[int] = mapped_column(default=0)
    events_delivered: Mapped[int] = mapped_column(default=0)
    events_queued_again: Mapped[int] = mapped_column(default=0)
    events_unknown: Mapped[int] = mapped_column(default=0)
    subscriptions_held: Mapped[int] = mapped_column(default=0)
    notifications_sent_again: Mapped[int] = mapped_column(default=0)
    detail: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime]


class HeldCopy(Base):
    """A subscription as a platform holds it, kept until both platforms' copies are compared."""

    __tablename__ = "resynchronisation_copy"

    resynchronisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("resynchronisation.id"), primary_key=True
    )
    subscription_id: Mapped[UUID] = mapped_column(primary_key=True)
    market_player_id: Mapped[UUID] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime]
    offer: Mapped[HeldServiceOffer] = mapped_column(ModelColumn(HeldServiceOffer))


class Finding(Base):
    """Something that a run mended, or could not. advice says what a person must do."""

    __tablename__ = "resynchronisation_finding"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    resynchronisation_id: Mapped[UUID] = mapped_column(ForeignKey("resynchronisation.id"))
    kind: Mapped[FindingKind]
    outcome: Mapped[FindingOutcome]
    market_player_id: Mapped[UUID | None]
    subscription_id: Mapped[UUID | None]
    event_id: Mapped[UUID | None]
    detail: Mapped[str] = mapped_column(Text)
    advice: Mapped[str | None] = mapped_column(Text)
    found_at: Mapped[datetime]

    __table_args__ = (Index(None, "resynchronisation_id", "id"),)

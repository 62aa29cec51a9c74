"""Restorations of the database from a backup, and the hold on deliveries that each brings."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Index, String, Text, exists, select, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.core import audit
from marketplace.core.database import Base
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.errors import Conflict
from mpp_sdk.ids import new_id

_KIND = "Restoration"


class Restoration(Base):
    """A restoration. What happened after backup_taken_at is not in the database.

    Deliveries are held until released_at is set.
    """

    __tablename__ = "restoration"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    backup_taken_at: Mapped[datetime]
    restored_at: Mapped[datetime]
    product_version: Mapped[str | None] = mapped_column(String(60))
    released_at: Mapped[datetime | None]
    release_reason: Mapped[str | None] = mapped_column(Text)

    # The one that holds deliveries is looked for before every claim.
    __table_args__ = (
        Index(
            "ix_restoration_holding",
            "id",
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
    )


def is_held() -> ColumnElement[bool]:
    """Return the condition that deliveries are held, for a query."""
    return exists().where(Restoration.released_at.is_(None))


def mark(backup_taken_at: datetime, version: str | None) -> Restoration:
    """Return the mark that the database is now that of a backup; deliveries are held from now."""
    row = Restoration(
        id=new_id(),
        backup_taken_at=backup_taken_at,
        restored_at=now(),
        product_version=version,
        released_at=None,
        release_reason=None,
    )
    current_session().add(row)
    audit.record(_KIND, row.id, "restore", to_state="HELD", occurred_at=row.restored_at)
    return row


def latest() -> Restoration | None:
    """Return the last restoration of this database, if there was one."""
    newest_first = select(Restoration).order_by(Restoration.id.desc()).limit(1)
    return current_session().scalars(newest_first).one_or_none()


def holding() -> list[Restoration]:
    """Return the restorations that hold deliveries, locked."""
    statement = select(Restoration).where(Restoration.released_at.is_(None)).with_for_update()
    return list(current_session().scalars(statement))


def release(reason: str) -> None:
    """Let deliveries go on. Raises Conflict when they are not held."""
    held = holding()
    if not held:
        raise Conflict("Deliveries are not held.")
    for row in held:
        row.released_at = now()
        row.release_reason = reason
        audit.record(_KIND, row.id, "release", from_state="HELD", to_state="GOING", reason=reason)

"""Every query of consents."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.consents.domain import ConsentState
from marketplace.consents.tables import Consent, ConsentNotice
from marketplace.core.paging import Key, Page, paginate


def consent(session: Session, subscription_id: UUID, pod_id: str) -> Consent | None:
    """Return the consent for a point of delivery, as it is now."""
    return session.scalar(
        select(Consent)
        .where(Consent.subscription_id == subscription_id, Consent.pod_id == pod_id)
        .execution_options(populate_existing=True)
    )


def was_noticed(session: Session, subscription_id: UUID, event_id: UUID) -> bool:
    """Return whether a notification has come before."""
    return session.get(ConsentNotice, (subscription_id, event_id)) is not None


def consents(
    session: Session,
    subscription_id: UUID,
    state: ConsentState | None,
    pod_id: str | None,
    limit: int,
    cursor: str | None,
) -> Page[Consent]:
    """Return a page of the consents of a subscription, in the order of their PoDs."""
    statement = select(Consent).where(Consent.subscription_id == subscription_id)
    if state is not None:
        statement = statement.where(Consent.state == state)
    if pod_id is not None:
        statement = statement.where(Consent.pod_id == pod_id)
    return paginate(
        session,
        statement,
        [Key(Consent.pod_id)],
        limit,
        cursor,
        bound_to=(subscription_id, state, pod_id),
    )


def due(session: Session, moment: datetime, limit: int) -> Sequence[tuple[UUID, str]]:
    """Return the granted consents whose period is over: their subscriptions and PoDs."""
    rows = session.execute(
        select(Consent.subscription_id, Consent.pod_id)
        .where(Consent.state == ConsentState.GRANTED, Consent.validity_end <= moment)
        .order_by(Consent.subscription_id, Consent.pod_id)
        .limit(limit)
    )
    return [(subscription_id, pod_id) for subscription_id, pod_id in rows]

"""Every query of consents."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.consents.domain import ConsentState
from marketplace.consents.tables import Consent, ConsentNotice
from marketplace.core.given import select_given
from marketplace.core.paging import Key, Page, paginate
from marketplace.core.read_ahead import read_ahead, recall
from marketplace.subscriptions.listeners import PodKey


def consent(session: Session, subscription_id: UUID, pod_id: str) -> Consent | None:
    """Return the consent for a point of delivery, as it is now."""
    return recall(
        session,
        Consent,
        (subscription_id, pod_id),
        lambda: session.scalar(
            select(Consent)
            .where(Consent.subscription_id == subscription_id, Consent.pod_id == pod_id)
            .execution_options(populate_existing=True)
        ),
    )


def read_ahead_consents(session: Session, pods: Collection[PodKey]) -> None:
    """Read the consents for points of delivery whose subscriptions are locked."""
    names = ("subscription_id", "pod_id")
    rows = select_given(session, (Consent,), Consent, names, pods).scalars().all()
    read_ahead(session, Consent, pods, {(row.subscription_id, row.pod_id): row for row in rows})


def was_noticed(session: Session, subscription_id: UUID, event_id: UUID) -> bool:
    """Return whether a notification has come before."""
    key = (subscription_id, event_id)
    found: object = recall(session, ConsentNotice, key, lambda: session.get(ConsentNotice, key))
    return found is not None


def read_ahead_notices(session: Session, keys: Collection[tuple[UUID, UUID]]) -> None:
    """Read which notifications have come before."""
    names = ("subscription_id", "event_id")
    columns = (ConsentNotice.subscription_id, ConsentNotice.event_id, ConsentNotice.outcome)
    rows = select_given(session, columns, ConsentNotice, names, keys)
    found = {(subscription_id, event_id): outcome for subscription_id, event_id, outcome in rows}
    read_ahead(session, ConsentNotice, keys, found)


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

"""Every query of monitoring."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, func, or_, select
from sqlalchemy.orm import Session

from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import ConsentState
from marketplace.core.given import select_given
from marketplace.core.paging import Key, Page, paginate
from marketplace.core.read_ahead import read_ahead, recall
from marketplace.monitoring.domain import ServiceStatus
from marketplace.monitoring.tables import InterimStatus, PointOfDelivery, Watch


def was_noticed(session: Session, subscription_id: UUID, event_id: UUID) -> bool:
    """Return whether a notification has come before."""
    key = (subscription_id, event_id)
    found: object = recall(session, InterimStatus, key, lambda: session.get(InterimStatus, key))
    return found is not None


def read_ahead_notices(session: Session, keys: Collection[tuple[UUID, UUID]]) -> None:
    """Read which notifications have come before."""
    names = ("subscription_id", "event_id")
    columns = (InterimStatus.subscription_id, InterimStatus.event_id, InterimStatus.outcome)
    rows = select_given(session, columns, InterimStatus, names, keys)
    found = {(subscription_id, event_id): outcome for subscription_id, event_id, outcome in rows}
    read_ahead(session, InterimStatus, keys, found)


def statuses(
    session: Session,
    subscription_id: UUID,
    status: ServiceStatus | None,
    limit: int,
    cursor: str | None,
) -> Page[InterimStatus]:
    """Return a page of the interim statuses of a subscription, the newest first."""
    statement = select(InterimStatus).where(InterimStatus.subscription_id == subscription_id)
    if status is not None:
        statement = statement.where(InterimStatus.status == status)
    newest_first = [
        Key(InterimStatus.occurred_at, descending=True),
        Key(InterimStatus.event_id, descending=True),
    ]
    return paginate(
        session, statement, newest_first, limit, cursor, bound_to=(subscription_id, status)
    )


def points_of_delivery(
    session: Session,
    subscription_id: UUID,
    consent: ConsentState | None,
    activation: ActivationState | None,
    limit: int,
    cursor: str | None,
) -> Page[PointOfDelivery]:
    """Return a page of the points of delivery under a subscription, in the order of their ids."""
    statement = select(PointOfDelivery).where(PointOfDelivery.subscription_id == subscription_id)
    if consent is not None:
        statement = statement.where(PointOfDelivery.consent == consent)
    if activation is not None:
        statement = statement.where(PointOfDelivery.activation == activation)
    return paginate(
        session,
        statement,
        [Key(PointOfDelivery.pod_id)],
        limit,
        cursor,
        bound_to=(subscription_id, consent, activation),
    )


def known_points_of_delivery(
    session: Session, subscription_id: UUID, pod_ids: Collection[str]
) -> set[str]:
    """Return which of the points of delivery are there under a subscription."""
    keys = {(subscription_id, pod_id) for pod_id in pod_ids}
    names = ("subscription_id", "pod_id")
    rows = select_given(session, (PointOfDelivery.pod_id,), PointOfDelivery, names, keys)
    return set(rows.scalars())


def statuses_before(
    session: Session,
    subscription_id: UUID,
    limit: int,
    moment: datetime | None,
    event_id: UUID | None,
) -> Sequence[InterimStatus]:
    """Return the newest interim statuses of a subscription, from before a moment and id on."""
    statement = select(InterimStatus).where(InterimStatus.subscription_id == subscription_id)
    if moment is not None:
        earlier = InterimStatus.occurred_at < moment
        if event_id is not None:
            same = and_(InterimStatus.occurred_at == moment, InterimStatus.event_id < event_id)
            earlier = or_(earlier, same)
        statement = statement.where(earlier)
    newest_first = (InterimStatus.occurred_at.desc(), InterimStatus.event_id.desc())
    return session.scalars(statement.order_by(*newest_first).limit(limit)).all()


def count_points_of_delivery(
    session: Session, subscription_id: UUID
) -> Mapping[tuple[ConsentState | None, ActivationState | None], int]:
    """Return how many points of delivery are in each pair of consent and activation."""
    pod = PointOfDelivery
    rows = session.execute(
        select(pod.consent, pod.activation, func.count())
        .where(pod.subscription_id == subscription_id)
        .group_by(pod.consent, pod.activation)
    )
    return {(consent, activation): count for consent, activation, count in rows}


def watch(session: Session, subscription_id: UUID) -> Watch | None:
    """Return when the next status of a subscription is due, as it is now."""
    return recall(
        session,
        Watch,
        subscription_id,
        lambda: session.scalar(
            select(Watch)
            .where(Watch.subscription_id == subscription_id)
            .execution_options(populate_existing=True)
        ),
    )


def read_ahead_watches(session: Session, subscription_ids: Collection[UUID]) -> None:
    """Read when the next statuses of subscriptions, which are locked, are due."""
    ids = set(subscription_ids)
    rows = select_given(session, (Watch,), Watch, ("subscription_id",), ids).scalars().all()
    read_ahead(session, Watch, subscription_ids, {row.subscription_id: row for row in rows})


def count_overdue(connection: Connection, moment: datetime) -> int:
    """Return of how many subscriptions the interim status is overdue."""
    statement = select(func.count()).select_from(Watch).where(Watch.overdue_from <= moment)
    return connection.execute(statement).scalar_one()


def overdue(
    session: Session,
    moment: datetime,
    viewer: UUID | None,
    provider_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[Watch]:
    """Return a page of what is overdue, the longest first; of a viewer's, or of all for None."""
    statement = select(Watch).where(Watch.overdue_from <= moment)
    if viewer is not None:
        statement = statement.where(or_(Watch.provider_id == viewer, Watch.requester_id == viewer))
    if provider_id is not None:
        statement = statement.where(Watch.provider_id == provider_id)
    longest_first = [Key(Watch.overdue_from), Key(Watch.subscription_id)]
    return paginate(
        session, statement, longest_first, limit, cursor, bound_to=(viewer, provider_id)
    )

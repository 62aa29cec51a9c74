"""Every query of activations."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.activations.domain import ActivationState
from marketplace.activations.tables import Activation, ActivationNotice
from marketplace.core.given import select_given
from marketplace.core.paging import Key, Page, paginate
from marketplace.core.read_ahead import read_ahead, recall
from marketplace.subscriptions.listeners import PodKey


def activation(session: Session, subscription_id: UUID, pod_id: str) -> Activation | None:
    """Return the activation for a point of delivery, as it is now."""
    return recall(
        session,
        Activation,
        (subscription_id, pod_id),
        lambda: session.scalar(
            select(Activation)
            .where(Activation.subscription_id == subscription_id, Activation.pod_id == pod_id)
            .execution_options(populate_existing=True)
        ),
    )


def read_ahead_activations(session: Session, pods: Collection[PodKey]) -> None:
    """Read the activations for points of delivery whose subscriptions are locked."""
    names = ("subscription_id", "pod_id")
    rows = select_given(session, (Activation,), Activation, names, pods).scalars().all()
    read_ahead(session, Activation, pods, {(row.subscription_id, row.pod_id): row for row in rows})


def running(session: Session, subscription_id: UUID) -> Sequence[Activation]:
    """Return the activations of a subscription that have not ended."""
    return session.scalars(
        select(Activation)
        .where(
            Activation.subscription_id == subscription_id,
            Activation.state != ActivationState.ENDED,
        )
        .order_by(Activation.pod_id)
        .execution_options(populate_existing=True)
    ).all()


def was_noticed(session: Session, subscription_id: UUID, event_id: UUID) -> bool:
    """Return whether a notification has come before."""
    key = (subscription_id, event_id)
    found: object = recall(
        session, ActivationNotice, key, lambda: session.get(ActivationNotice, key)
    )
    return found is not None


def read_ahead_notices(session: Session, keys: Collection[tuple[UUID, UUID]]) -> None:
    """Read which notifications have come before."""
    names = ("subscription_id", "event_id")
    columns = (
        ActivationNotice.subscription_id,
        ActivationNotice.event_id,
        ActivationNotice.outcome,
    )
    rows = select_given(session, columns, ActivationNotice, names, keys)
    found = {(subscription_id, event_id): outcome for subscription_id, event_id, outcome in rows}
    read_ahead(session, ActivationNotice, keys, found)


def activations(
    session: Session,
    subscription_id: UUID,
    state: ActivationState | None,
    pod_id: str | None,
    limit: int,
    cursor: str | None,
) -> Page[Activation]:
    """Return a page of the activations of a subscription, in the order of their PoDs."""
    statement = select(Activation).where(Activation.subscription_id == subscription_id)
    if state is not None:
        statement = statement.where(Activation.state == state)
    if pod_id is not None:
        statement = statement.where(Activation.pod_id == pod_id)
    return paginate(
        session,
        statement,
        [Key(Activation.pod_id)],
        limit,
        cursor,
        bound_to=(subscription_id, state, pod_id),
    )

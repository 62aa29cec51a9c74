"""Every query of activations."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.activations.domain import ActivationState
from marketplace.activations.tables import Activation, ActivationNotice
from marketplace.core.paging import Key, Page, paginate


def activation(session: Session, subscription_id: UUID, pod_id: str) -> Activation | None:
    """Return the activation for a point of delivery, as it is now."""
    return session.scalar(
        select(Activation)
        .where(Activation.subscription_id == subscription_id, Activation.pod_id == pod_id)
        .execution_options(populate_existing=True)
    )


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
    return session.get(ActivationNotice, (subscription_id, event_id)) is not None


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

"""The points of delivery under a subscription, seen from the provider's platform."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from mpp_sdk import clock
from mpp_sdk.contracts.notifications.models import ActivationState, ConsentState
from mpp_sdk.errors import Forbidden, NotFound
from mpp_sdk.state.domain import ENDED_SUBSCRIPTION, Circumstances, Validity
from mpp_sdk.state.subscriptions import find_subscription, to_subscription
from mpp_sdk.state.tables import PodRow, SubscriptionRow
from mpp_sdk.transactions import Transactions, get_locked

_BATCH = 500
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class SubscribedPod:
    """A point of delivery under a subscription: how far its consent and its activation have come.

    consent is None where the service needs none.
    """

    subscription_id: UUID
    pod_id: str
    consent: ConsentState | None
    consent_validity: Validity | None
    activation: ActivationState | None
    reason: str | None
    updated_at: datetime


class Notifier(Protocol):
    """Tells the marketplace of a change, in the transaction that makes it."""

    def consent_changed(self, session: Session, pod: SubscribedPod) -> None:
        """Tell of the consent that the point of delivery has now."""

    def activation_changed(self, session: Session, pod: SubscribedPod) -> None:
        """Tell of the activation that the point of delivery has now."""


class PointsOfDelivery:
    """Finds points of delivery and says whether their data may be given."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def get(self, subscription_id: UUID, pod_id: str) -> SubscribedPod:
        """Return a point of delivery. Raises NotFound when it was never asked for."""
        with self._transactions.reading() as session:
            return to_pod(find_pod(session, subscription_id, pod_id))

    def page(
        self,
        subscription_id: UUID,
        *,
        after: str | None = None,
        limit: int = 50,
        activation: ActivationState | None = None,
    ) -> Sequence[SubscribedPod]:
        """Return the next points of delivery of a subscription, in the order of their ids."""
        query = select(PodRow).where(PodRow.subscription_id == subscription_id)
        if after is not None:
            query = query.where(PodRow.pod_id > after)
        if activation is not None:
            query = query.where(PodRow.activation == activation)
        with self._transactions.reading() as session:
            rows = session.scalars(query.order_by(PodRow.pod_id).limit(limit))
            return [to_pod(row) for row in rows]

    def some(self, subscription_id: UUID, pod_ids: Sequence[str]) -> Sequence[SubscribedPod]:
        """Return the points of delivery with these ids, in the order of their ids."""
        found: list[SubscribedPod] = []
        with self._transactions.reading() as session:
            for start in range(0, len(pod_ids), _BATCH):
                query = select(PodRow).where(
                    PodRow.subscription_id == subscription_id,
                    PodRow.pod_id.in_(pod_ids[start : start + _BATCH]),
                )
                found.extend(to_pod(row) for row in session.scalars(query))
        return sorted(found, key=lambda pod: pod.pod_id)

    def subscriptions_of(self, pod_id: str) -> Sequence[UUID]:
        """Return the running subscriptions under which a point of delivery was asked for."""
        query = (
            select(PodRow.subscription_id)
            .join(SubscriptionRow, SubscriptionRow.id == PodRow.subscription_id)
            .where(PodRow.pod_id == pod_id, SubscriptionRow.state.not_in(ENDED_SUBSCRIPTION))
            .order_by(PodRow.subscription_id)
        )
        with self._transactions.reading() as session:
            return session.scalars(query).all()

    def check_readable(
        self, subscription_id: UUID, pod_id: str, start: datetime, end: datetime
    ) -> None:
        """Return when readings of the period from start to end may be given to the requester now.

        The subscription's validity says when the requester may ask, the consent's period also
        which readings it may have. Raises Forbidden with the reason.
        """
        with self._transactions.reading() as session:
            subscription = find_subscription(session, subscription_id)
            row = session.get(PodRow, (subscription_id, pod_id))
            if row is None:
                raise Forbidden("The point of delivery was not requested under this subscription.")
            obstacle = circumstances(subscription, row).obstacle(clock.now())
            if obstacle is not None:
                raise Forbidden(obstacle)
            if row.activation != ActivationState.ACTIVE:
                state = row.activation or "not requested"
                because = f" {row.reason}" if row.reason else ""
                raise Forbidden(f"The activation is {state}.{because}")
            validity = consent_validity(row)
            if validity is not None and not validity.covers(start, end):
                raise Forbidden(f"The customer's consent covers readings from {validity}.")


def find_pod(session: Session, subscription_id: UUID, pod_id: str, *, lock: bool = False) -> PodRow:
    """Return the row of a point of delivery, locked if asked for. Raises NotFound."""
    get = get_locked if lock else Session.get
    row = get(session, PodRow, (subscription_id, pod_id))
    if row is None:
        raise NotFound.entity("point of delivery", pod_id)
    return row


def touch(row: PodRow, reason: str | None) -> None:
    """Note that a row changes now, always later than its last change, whatever the clock says."""
    moment = clock.now()
    if row.updated_at is not None:
        moment = max(moment, row.updated_at + _TICK)
    row.updated_at = moment
    row.reason = reason


def consent_validity(row: PodRow) -> Validity | None:
    """Return the period of a consent; None when it has no bounds."""
    return None if row.consent_start is None else Validity(row.consent_start, row.consent_end)


def circumstances(subscription: SubscriptionRow, row: PodRow) -> Circumstances:
    """Return what decides whether the service may be active for a point of delivery."""
    agreed = to_subscription(subscription)
    return Circumstances(
        subscription=agreed.state,
        subscription_validity=agreed.validity,
        consent_required=agreed.service.consent_required,
        consent=None if row.consent is None else ConsentState(row.consent),
        consent_validity=consent_validity(row),
    )


def to_pod(row: PodRow) -> SubscribedPod:
    """Return what a row says."""
    return SubscribedPod(
        subscription_id=row.subscription_id,
        pod_id=row.pod_id,
        consent=None if row.consent is None else ConsentState(row.consent),
        consent_validity=consent_validity(row),
        activation=None if row.activation is None else ActivationState(row.activation),
        reason=row.reason,
        updated_at=row.updated_at,
    )

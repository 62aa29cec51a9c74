"""What the requester's platform is to ask providers for, because its people said so."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.state.domain import SubscriptionState
from mpp_sdk.state.subscriptions import Subscription, to_subscription
from mpp_sdk.state.tables import RequestedPodRow, SubscriptionRow
from mpp_sdk.transactions import Transactions

_BATCH = 500


class RequestedPods:
    """Remembers points of delivery until the provider has taken them."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(
        self, session: Session, subscription_id: UUID, pod_ids: Sequence[str], moment: datetime
    ) -> None:
        """Note points of delivery, of which some may be noted already."""
        known: set[str] = set()
        for start in range(0, len(pod_ids), _BATCH):
            known.update(
                session.scalars(
                    select(RequestedPodRow.pod_id).where(
                        RequestedPodRow.subscription_id == subscription_id,
                        RequestedPodRow.pod_id.in_(pod_ids[start : start + _BATCH]),
                    )
                )
            )
        session.add_all(
            RequestedPodRow(
                subscription_id=subscription_id,
                pod_id=pod_id,
                requested_at=moment,
                asked_at=None,
            )
            for pod_id in pod_ids
            if pod_id not in known
        )

    def awaiting(self, moment: datetime) -> Sequence[Subscription]:
        """Return the running subscriptions of which the provider has not taken everything."""
        waiting = (
            select(RequestedPodRow.subscription_id)
            .where(RequestedPodRow.asked_at.is_(None))
            .distinct()
        )
        active = (
            select(SubscriptionRow)
            .where(
                SubscriptionRow.id.in_(waiting),
                SubscriptionRow.role == PlatformRole.REQUESTER,
                SubscriptionRow.state == SubscriptionState.ACTIVE,
            )
            .order_by(SubscriptionRow.id)
        )
        with self._transactions.reading() as session:
            subscriptions = [to_subscription(row) for row in session.scalars(active)]
        return [one for one in subscriptions if one.validity.contains(moment)]

    def to_ask(self, subscription_id: UUID) -> Sequence[str]:
        """Return the next points of delivery to ask the provider for, at most 500."""
        query = (
            select(RequestedPodRow.pod_id)
            .where(
                RequestedPodRow.subscription_id == subscription_id,
                RequestedPodRow.asked_at.is_(None),
            )
            .order_by(RequestedPodRow.pod_id)
            .limit(_BATCH)
        )
        with self._transactions.reading() as session:
            return session.scalars(query).all()

    def mark_asked(self, subscription_id: UUID, pod_ids: Sequence[str]) -> None:
        """Note that the provider has taken points of delivery."""
        with self._transactions() as session:
            session.execute(
                update(RequestedPodRow)
                .where(
                    RequestedPodRow.subscription_id == subscription_id,
                    RequestedPodRow.pod_id.in_(pod_ids),
                )
                .values(asked_at=clock.now())
            )

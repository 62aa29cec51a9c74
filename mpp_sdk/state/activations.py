"""Activations: whether data flows for a point of delivery. Every change tells the marketplace."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from mpp_sdk import clock
from mpp_sdk.contracts.notifications.models import ActivationState
from mpp_sdk.state.domain import ACTIVATION
from mpp_sdk.state.pods import Notifier, SubscribedPod, circumstances, find_pod, to_pod, touch
from mpp_sdk.state.subscriptions import find_subscription
from mpp_sdk.state.tables import PodRow, SubscriptionRow
from mpp_sdk.transactions import Transactions


class Activations:
    """Changes activations. The change and its notification are one transaction."""

    def __init__(self, transactions: Transactions, notifier: Notifier) -> None:
        self._transactions = transactions
        self._notifier = notifier

    def activate(self, subscription_id: UUID, pod_id: str) -> SubscribedPod:
        """Let data flow for a point of delivery.

        Raises Conflict unless the subscription is ACTIVE and, where the service needs it, a consent
        is GRANTED in its period; IllegalTransition when it is not REQUESTED or SUSPENDED.
        """
        with self._transactions() as session:
            subscription = find_subscription(session, subscription_id, lock=True)
            row = find_pod(session, subscription_id, pod_id, lock=True)
            circumstances(subscription, row).check(clock.now())
            return self.move(session, row, "activate", None)

    def suspend(self, subscription_id: UUID, pod_id: str, reason: str) -> SubscribedPod:
        """Stop the data of an ACTIVE point of delivery for the time being.

        Raises IllegalTransition.
        """
        return self._change(subscription_id, pod_id, "suspend", reason)

    def end(self, subscription_id: UUID, pod_id: str, reason: str) -> SubscribedPod:
        """Stop the data of a point of delivery for good. Raises IllegalTransition."""
        return self._change(subscription_id, pod_id, "end", reason)

    def move(self, session: Session, row: PodRow, action: str, reason: str | None) -> SubscribedPod:
        """Take a locked row one step further, and tell. Raises IllegalTransition."""
        before = None if row.activation is None else ActivationState(row.activation)
        row.activation = ACTIVATION.after(before, action)
        row.suspended_with_subscription = False
        touch(row, reason)
        pod = to_pod(row)
        self._notifier.activation_changed(session, pod)
        return pod

    def end_if_running(self, session: Session, row: PodRow, reason: str) -> None:
        """End the activation of a locked row unless it never began or has ended."""
        if row.activation not in (None, ActivationState.ENDED):
            self.move(session, row, "end", reason)

    def suspend_all(self, session: Session, subscription: SubscriptionRow, reason: str) -> None:
        """Suspend every ACTIVE point of delivery of a subscription that is suspended."""
        for row in self._rows(session, subscription, ActivationState.ACTIVE):
            self.move(session, row, "suspend", reason)
            row.suspended_with_subscription = True

    def resume_all(self, session: Session, subscription: SubscriptionRow, reason: str) -> None:
        """Activate again what was suspended together with a subscription, where it still may be."""
        for row in self._rows(session, subscription, ActivationState.SUSPENDED):
            if not row.suspended_with_subscription:
                continue
            if circumstances(subscription, row).obstacle(clock.now()) is None:
                self.move(session, row, "activate", reason)

    def end_all(self, session: Session, subscription: SubscriptionRow, reason: str) -> None:
        """End the activation of every point of delivery of a subscription that is over."""
        for row in self._rows(session, subscription, *ActivationState):
            self.end_if_running(session, row, reason)

    def _change(
        self, subscription_id: UUID, pod_id: str, action: str, reason: str
    ) -> SubscribedPod:
        with self._transactions() as session:
            find_subscription(session, subscription_id, lock=True)
            row = find_pod(session, subscription_id, pod_id, lock=True)
            return self.move(session, row, action, reason)

    @staticmethod
    def _rows(
        session: Session, subscription: SubscriptionRow, *states: ActivationState
    ) -> list[PodRow]:
        query = (
            select(PodRow)
            .where(PodRow.subscription_id == subscription.id, PodRow.activation.in_(states))
            .order_by(PodRow.pod_id)
            .with_for_update()
        )
        return list(session.scalars(query))

"""Notifications to the marketplace, written in the transaction that makes the change."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from mpp_sdk import clock, correlation, tracing
from mpp_sdk.contracts.notifications.models import (
    ActivationNotification,
    ConsentNotification,
    InterimNotification,
    Period,
    ServiceStatus,
)
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import EventFilter, EventState, NewEvent, Outbox
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.transactions import Transactions, gather

LANE = "marketplace"
INTERIM = "service.interim"
_WAITING = (EventState.QUEUED, EventState.RETRYING)

_REASON_CHARACTERS = 1_000


class OutboxNotifier:
    """Puts notifications in the platform's outbox, in order within each subscription."""

    def __init__(
        self, transactions: Transactions, outbox: Outbox, wake: Callable[[], None]
    ) -> None:
        self._transactions = transactions
        self._outbox = outbox
        self._wake = wake

    def consent_changed(self, session: Session, pod: SubscribedPod) -> None:
        """Tell of the consent that the point of delivery has now. Raises ValueError without one."""
        if pod.consent is None:
            raise ValueError("There is no consent to tell of.")
        validity = pod.consent_validity
        notification = ConsentNotification(
            event_id=new_id(),
            occurred_at=pod.updated_at,
            subscription_id=pod.subscription_id,
            pod_id=pod.pod_id,
            state=pod.consent,
            validity=Period(start=validity.start, end=validity.end) if validity else None,
            reason=_shortened(pod.reason),
        )
        self._enqueue(session, "service.consent", "/service/consent", notification)

    def activation_changed(self, session: Session, pod: SubscribedPod) -> None:
        """Tell of the activation that the point of delivery has now. Raises ValueError without."""
        if pod.activation is None:
            raise ValueError("There is no activation to tell of.")
        notification = ActivationNotification(
            event_id=new_id(),
            occurred_at=pod.updated_at,
            subscription_id=pod.subscription_id,
            pod_id=pod.pod_id,
            state=pod.activation,
            reason=_shortened(pod.reason),
        )
        self._enqueue(session, "service.activation", "/service/activation", notification)

    def interim(
        self, session: Session, subscription_id: UUID, status: ServiceStatus, active_pods: int
    ) -> None:
        """Tell how the service is doing, unless an earlier status is still waiting to go out."""
        waiting = self._outbox.list_events(
            session.connection(),
            EventFilter(states=_WAITING, kind=INTERIM, ordering_key=str(subscription_id)),
            limit=1,
        )
        if waiting:
            return
        notification = InterimNotification(
            event_id=new_id(),
            occurred_at=clock.now(),
            subscription_id=subscription_id,
            status=status,
            active_pods=active_pods,
        )
        self._enqueue(session, INTERIM, "/service/interim", notification)

    def _enqueue(
        self,
        session: Session,
        kind: str,
        path: str,
        notification: ConsentNotification | ActivationNotification | InterimNotification,
    ) -> None:
        occurred_at: datetime = notification.occurred_at
        gather(
            session,
            self._write,
            NewEvent(
                event_id=notification.event_id,
                lane=LANE,
                ordering_key=str(notification.subscription_id),
                kind=kind,
                path=path,
                payload=notification.to_json().decode(),
                occurred_at=occurred_at,
                correlation_id=correlation.current().correlation_id,
                trace_parent=tracing.parent(),
            ),
        )

    def _write(self, session: Session, new: Sequence[NewEvent]) -> None:
        self._outbox.enqueue_all(session.connection(), new)
        self._transactions.after_commit(self._wake)


def _shortened(reason: str | None) -> str | None:
    return reason[:_REASON_CHARACTERS] if reason else None

"""Activations over HTTP: the provider's notifications, and what both companies see."""

from operator import attrgetter
from uuid import UUID

from marketplace.activations import domain, service
from marketplace.activations.service import ActivationChange
from marketplace.activations.tables import Activation as Row
from marketplace.core.together import ReadAhead, taken_together
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.contracts.marketplace.models import Activation, ActivationPage, ActivationState
from mpp_sdk.contracts.notifications.models import (
    Acknowledgement,
    AcknowledgementOutcome,
    ActivationNotification,
)


def _change(body: ActivationNotification) -> ActivationChange:
    return ActivationChange(
        event_id=body.event_id,
        occurred_at=body.occurred_at,
        subscription_id=body.subscription_id,
        pod_id=body.pod_id,
        state=domain.ActivationState(body.state.value),
        reason=body.reason,
    )


@taken_together(
    ReadAhead(
        item=_change,
        subject=attrgetter("subscription_id"),
        lock=subscriptions.read_ahead_agreements,
        read=service.read_ahead,
    )
)
def notify_activation(body: ActivationNotification) -> Acknowledgement:
    """Notify a change of a service's activation."""
    outcome = service.apply(_change(body))
    return Acknowledgement(event_id=body.event_id, outcome=AcknowledgementOutcome(outcome.value))


def list_activations(
    subscription_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    state: ActivationState | None = None,
    pod_id: str | None = None,
) -> ActivationPage:
    """List the activations of a subscription."""
    wanted = None if state is None else domain.ActivationState(state.value)
    page = service.list_activations(subscription_id, wanted, pod_id, limit, cursor)
    return ActivationPage(
        items=[_activation(row) for row in page.items], next_cursor=page.next_cursor
    )


def _activation(row: Row) -> Activation:
    return Activation(
        pod_id=row.pod_id,
        state=ActivationState(row.state.value),
        reason=row.reason,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
    )

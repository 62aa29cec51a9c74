"""Consents over HTTP: the provider's notifications, and what both companies see."""

from operator import attrgetter
from uuid import UUID

from marketplace.consents import domain, service
from marketplace.consents.service import ConsentChange
from marketplace.consents.tables import Consent as Row
from marketplace.core.together import ReadAhead, taken_together
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.contracts.marketplace.models import Consent, ConsentPage, ConsentState, Period
from mpp_sdk.contracts.notifications.models import (
    Acknowledgement,
    AcknowledgementOutcome,
    ConsentNotification,
)


def _change(body: ConsentNotification) -> ConsentChange:
    period = body.validity
    return ConsentChange(
        event_id=body.event_id,
        occurred_at=body.occurred_at,
        subscription_id=body.subscription_id,
        pod_id=body.pod_id,
        state=domain.ConsentState(body.state.value),
        validity=(
            domain.Validity() if period is None else domain.Validity(period.start, period.end)
        ),
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
def notify_consent(body: ConsentNotification) -> Acknowledgement:
    """Notify a change of a customer's consent."""
    outcome = service.apply(_change(body))
    return Acknowledgement(event_id=body.event_id, outcome=AcknowledgementOutcome(outcome.value))


def list_consents(
    subscription_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    state: ConsentState | None = None,
    pod_id: str | None = None,
) -> ConsentPage:
    """List the consents of a subscription."""
    wanted = None if state is None else domain.ConsentState(state.value)
    page = service.list_consents(subscription_id, wanted, pod_id, limit, cursor)
    return ConsentPage(items=[_consent(row) for row in page.items], next_cursor=page.next_cursor)


def _consent(row: Row) -> Consent:
    start = row.validity_start
    return Consent(
        pod_id=row.pod_id,
        state=ConsentState(row.state.value),
        validity=None if start is None else Period(start=start, end=row.validity_end),
        reason=row.reason,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
    )

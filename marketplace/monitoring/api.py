"""Monitoring over HTTP: interim statuses, what is overdue, PoDs side by side, the audit trail."""

from datetime import datetime
from operator import attrgetter
from uuid import UUID

from marketplace.activations.domain import ActivationState as StateOfActivation
from marketplace.consents.domain import ConsentState as StateOfConsent
from marketplace.core import audit
from marketplace.core.audit import AuditFilter
from marketplace.core.together import ReadAhead, taken_together
from marketplace.identity import access
from marketplace.identity.company import references
from marketplace.monitoring import domain, requesting, service, tables
from marketplace.monitoring.service import StatusReport
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.contracts.marketplace.models import (
    ActivationState,
    AuditedKind,
    AuditEntry,
    AuditPage,
    ConsentState,
    InterimStatus,
    InterimStatusPage,
    Overdue,
    OverduePage,
    Period,
    PointOfDelivery,
    PointOfDeliveryPage,
    PointsOfDeliveryAdded,
    PointsOfDeliveryOrder,
    ServiceStatus,
)
from mpp_sdk.contracts.notifications.models import (
    Acknowledgement,
    AcknowledgementOutcome,
    InterimNotification,
)
from mpp_sdk.errors import InvalidInput


def _report(body: InterimNotification) -> StatusReport:
    return StatusReport(
        event_id=body.event_id,
        occurred_at=body.occurred_at,
        subscription_id=body.subscription_id,
        status=domain.ServiceStatus(body.status.value),
        active_pods=body.active_pods,
        detail=body.detail,
    )


@taken_together(
    ReadAhead(
        item=_report,
        subject=attrgetter("subscription_id"),
        lock=subscriptions.read_ahead_agreements,
        read=service.read_ahead,
    )
)
def notify_interim(body: InterimNotification) -> Acknowledgement:
    """Notify the interim status of a service."""
    outcome = service.report(_report(body))
    return Acknowledgement(event_id=body.event_id, outcome=AcknowledgementOutcome(outcome.value))


def list_interim_statuses(
    subscription_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    status: ServiceStatus | None = None,
) -> InterimStatusPage:
    """List the interim statuses of a subscription."""
    wanted = None if status is None else domain.ServiceStatus(status.value)
    page = service.list_statuses(subscription_id, wanted, limit, cursor)
    return InterimStatusPage(
        items=[_status(row) for row in page.items], next_cursor=page.next_cursor
    )


def list_overdue(
    limit: int = 50, cursor: str | None = None, provider_id: UUID | None = None
) -> OverduePage:
    """List the subscriptions whose interim status is overdue."""
    page = service.list_overdue(provider_id, limit, cursor)
    companies = references(one.agreement.provider_id for one in page.items)
    return OverduePage(
        items=[
            Overdue(
                subscription_id=one.agreement.id,
                service_name=one.agreement.service_name,
                provider=companies[one.agreement.provider_id],
                interim_status_interval=one.interval,
                last_status_at=one.last_status_at,
                due_at=one.due_at,
            )
            for one in page.items
        ],
        next_cursor=page.next_cursor,
    )


def list_points_of_delivery(
    subscription_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    consent: ConsentState | None = None,
    activation: ActivationState | None = None,
) -> PointOfDeliveryPage:
    """List the points of delivery of a subscription."""
    page = service.list_points_of_delivery(
        subscription_id,
        None if consent is None else StateOfConsent(consent.value),
        None if activation is None else StateOfActivation(activation.value),
        limit,
        cursor,
    )
    return PointOfDeliveryPage(
        items=[_point_of_delivery(row) for row in page.items], next_cursor=page.next_cursor
    )


def request_points_of_delivery(
    subscription_id: UUID, body: PointsOfDeliveryOrder
) -> PointsOfDeliveryAdded:
    """Add points of delivery to a subscription."""
    result = requesting.request_points_of_delivery(subscription_id, body.pod_ids)
    return PointsOfDeliveryAdded(
        added_count=len(result.added),
        added=list(result.added),
        already_there_count=len(result.already_there),
        already_there=list(result.already_there),
        event_id=result.event_id,
    )


def list_audit_trail(
    limit: int = 50,
    cursor: str | None = None,
    entity_kind: AuditedKind | None = None,
    entity_id: str | None = None,
    subscription_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> AuditPage:
    """Read the audit trail."""
    if since is not None and until is not None and until <= since:
        raise InvalidInput.field(
            "until", "endAfterStart", "The end of the period is not after its start."
        )
    wanted = AuditFilter(
        visible_to=access.visible_to(),
        entity_kind=None if entity_kind is None else entity_kind.value,
        entity_id=entity_id,
        subscription_id=subscription_id,
        start=since,
        end=until,
    )
    page = service.list_audit_trail(wanted, limit, cursor)
    return AuditPage(items=[_entry(row) for row in page.items], next_cursor=page.next_cursor)


def _status(row: tables.InterimStatus) -> InterimStatus:
    return InterimStatus(
        event_id=row.event_id,
        status=ServiceStatus(row.status.value),
        active_pods=row.active_pods,
        detail=row.detail,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
    )


def _point_of_delivery(row: tables.PointOfDelivery) -> PointOfDelivery:
    start = row.consent_start
    return PointOfDelivery(
        pod_id=row.pod_id,
        consent=None if row.consent is None else ConsentState(row.consent.value),
        consent_validity=None if start is None else Period(start=start, end=row.consent_end),
        activation=None if row.activation is None else ActivationState(row.activation.value),
        requested_at=row.requested_at,
    )


def _entry(row: audit.AuditEntry) -> AuditEntry:
    return AuditEntry(
        audit_id=row.id,
        entity_kind=AuditedKind(row.entity_kind),
        entity_id=row.entity_id,
        action=row.action,
        from_state=row.from_state,
        to_state=row.to_state,
        actor=row.actor_name,
        reason=row.reason,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        subscription_id=row.subscription_id,
        correlation_id=row.correlation_id,
    )

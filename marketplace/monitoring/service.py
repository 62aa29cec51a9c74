"""What can be seen of subscriptions while they are carried out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.activations.domain import ActivationState
from marketplace.activations.listeners import ActivationChanged
from marketplace.catalogue.terms import interval
from marketplace.consents.domain import ConsentState
from marketplace.consents.listeners import ConsentChanged
from marketplace.core import audit
from marketplace.core.audit import AuditEntry, AuditFilter
from marketplace.core.journal import set_columns, write_down
from marketplace.core.notices import Outcome, check_occurred_at, is_outdated
from marketplace.core.paging import Page
from marketplace.core.read_ahead import note
from marketplace.core.unit_of_work import current_session
from marketplace.identity.access import require_market_player, visible_to
from marketplace.monitoring import repository
from marketplace.monitoring.domain import ServiceStatus, next_status
from marketplace.monitoring.tables import InterimStatus, PointOfDelivery, Watch
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.domain import ENDED, SubscriptionState
from marketplace.subscriptions.listeners import Agreement
from mpp_sdk.clock import now
from mpp_sdk.errors import Gone, IllegalTransition


@dataclass(frozen=True)
class StatusReport:
    """What a provider's platform tells of a service. occurred_at is by the platform's clock."""

    event_id: UUID
    occurred_at: datetime
    subscription_id: UUID
    status: ServiceStatus
    active_pods: int | None
    detail: str | None


@dataclass(frozen=True)
class Overdue:
    """A subscription whose interim status is overdue."""

    agreement: Agreement
    interval: str
    last_status_at: datetime | None
    due_at: datetime


def report(report: StatusReport) -> Outcome:
    """Return what became of an interim status.

    Raises Conflict for a moment in the future, IllegalTransition for a subscription that was
    never active, Gone when it has ended without.
    """
    agreement = subscriptions.agreement_for_notification(report.subscription_id)
    session = current_session()
    if repository.was_noticed(session, agreement.id, report.event_id):
        return Outcome.DUPLICATE
    moment = now()
    check_occurred_at(report.occurred_at, moment)
    watch = repository.watch(session, agreement.id)
    if watch is None and agreement.state in ENDED:
        raise Gone(f"The subscription is {agreement.state.value} and was never active.")
    if watch is None:
        raise IllegalTransition("Subscription", agreement.state, "report an interim status", [])
    outdated = is_outdated(report.occurred_at, watch.last_status_at)
    outcome = Outcome.SUPERSEDED if outdated else Outcome.APPLIED
    values = {
        "subscription_id": agreement.id,
        "event_id": report.event_id,
        "status": report.status,
        "active_pods": report.active_pods,
        "detail": report.detail,
        "occurred_at": report.occurred_at,
        "received_at": moment,
        "outcome": outcome,
    }
    write_down(session, InterimStatus, values)
    note(session, InterimStatus, (agreement.id, report.event_id), outcome)
    if outcome is Outcome.APPLIED:
        watch.last_status_at = report.occurred_at
        _expect(watch)
    return outcome


def read_ahead(reports: Collection[StatusReport]) -> None:
    """Read, all at once, what several interim statuses need to be noted one by one.

    Their subscriptions are locked.
    """
    session = current_session()
    ids = {report.subscription_id for report in reports}
    keys = {(report.subscription_id, report.event_id) for report in reports}
    repository.read_ahead_notices(session, keys)
    repository.read_ahead_watches(session, ids)


def list_statuses(
    subscription_id: UUID, status: ServiceStatus | None, limit: int, cursor: str | None
) -> Page[InterimStatus]:
    """Return a page of the interim statuses of a subscription of the caller, the newest first."""
    subscriptions.visible_agreement(subscription_id)
    return repository.statuses(current_session(), subscription_id, status, limit, cursor)


def list_overdue(provider_id: UUID | None, limit: int, cursor: str | None) -> Page[Overdue]:
    """Return a page of the overdue subscriptions that the caller may see, the longest first."""
    page = repository.overdue(current_session(), now(), visible_to(), provider_id, limit, cursor)
    agreements = subscriptions.agreements(watch.subscription_id for watch in page.items)
    return Page(
        [
            Overdue(
                agreements[watch.subscription_id],
                watch.interval,
                watch.last_status_at,
                watch.due_at,
            )
            for watch in page.items
            if watch.due_at is not None
        ],
        page.next_cursor,
    )


def list_points_of_delivery(
    subscription_id: UUID,
    consent: ConsentState | None,
    activation: ActivationState | None,
    limit: int,
    cursor: str | None,
) -> Page[PointOfDelivery]:
    """Return a page of the points of delivery under a subscription of the caller, by their ids."""
    subscriptions.visible_agreement(subscription_id)
    return repository.points_of_delivery(
        current_session(), subscription_id, consent, activation, limit, cursor
    )


def list_audit_trail(wanted: AuditFilter, limit: int, cursor: str | None) -> Page[AuditEntry]:
    """Return a page of the audit trail, the newest first; the filter's viewer is the caller."""
    return audit.entries(current_session(), wanted, limit, cursor)


def newest_of_company(limit: int, *, without: Collection[str] = ()) -> Sequence[AuditEntry]:
    """Return the newest entries of the audit trail about the caller's company, but some kinds."""
    company_id = require_market_player()
    return audit.newest_about(current_session(), company_id, limit, without=without)


def follow_subscription(agreement: Agreement, reason: str) -> None:
    """Await interim statuses while a subscription is ACTIVE."""
    session = current_session()
    watch = repository.watch(session, agreement.id)
    if watch is None:
        if agreement.state is not SubscriptionState.ACTIVE:
            return  # it ended before it began
        watch = Watch(
            subscription_id=agreement.id,
            provider_id=agreement.provider_id,
            requester_id=agreement.requester_id,
            interval=agreement.interim_status_interval,
        )
        session.add(watch)
    is_active = agreement.state is SubscriptionState.ACTIVE
    watch.active_since = agreement.active_since if is_active else None
    _expect(watch)
    session.flush()


def follow_consent(change: ConsentChanged) -> None:
    """Note the consent of a point of delivery."""
    validity = change.validity
    _note(
        change.agreement.id,
        change.pod_id,
        {
            "consent": change.state,
            "consent_start": validity.start,
            "consent_end": validity.end,
        },
    )


def follow_activation(change: ActivationChanged) -> None:
    """Note the activation of a point of delivery."""
    _note(change.agreement.id, change.pod_id, {"activation": change.state})


def _note(subscription_id: UUID, pod_id: str, values: Mapping[str, object]) -> None:
    key = {"subscription_id": subscription_id, "pod_id": pod_id}
    set_columns(current_session(), PointOfDelivery, key, values)


def _expect(watch: Watch) -> None:
    if watch.active_since is None:
        watch.due_at = watch.overdue_from = None
        return
    length = interval(watch.interval, "/interimStatusInterval")
    expected = next_status(watch.active_since, watch.last_status_at, length)
    watch.due_at, watch.overdue_from = expected.due_at, expected.overdue_from

"""What the marketplace is told of customers' consents, and what it makes of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.consents import listeners, repository
from marketplace.consents.domain import CONSENT, ConsentState, Validity, check_validity
from marketplace.consents.listeners import ConsentChanged
from marketplace.consents.tables import Consent, ConsentNotice
from marketplace.core import audit
from marketplace.core.journal import write_down
from marketplace.core.notices import Outcome, check_occurred_at, is_outdated
from marketplace.core.paging import Page
from marketplace.core.read_ahead import add, note
from marketplace.core.unit_of_work import current_session
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.listeners import Agreement, PodKey
from mpp_sdk.clock import now
from mpp_sdk.ids import new_id

_OVER = "The period of the consent is over."


@dataclass(frozen=True)
class ConsentChange:
    """What a provider's platform tells of a consent. occurred_at is by the platform's clock."""

    event_id: UUID
    occurred_at: datetime
    subscription_id: UUID
    pod_id: str
    state: ConsentState
    validity: Validity
    reason: str | None


def apply(change: ConsentChange) -> Outcome:
    """Return what became of a notification.

    Raises InvalidInput for a period that ends before it starts, Conflict for a moment in the
    future, IllegalTransition for what cannot come after the present state.
    """
    agreement = subscriptions.agreement_for_notification(change.subscription_id)
    session = current_session()
    if repository.was_noticed(session, agreement.id, change.event_id):
        return Outcome.DUPLICATE
    moment = now()
    check_occurred_at(change.occurred_at, moment)
    check_validity(change.validity)
    row = repository.consent(session, agreement.id, change.pod_id)
    outcome = Outcome.APPLIED
    if row is not None and is_outdated(change.occurred_at, row.occurred_at):
        outcome = Outcome.SUPERSEDED
    elif row is not None and not _confirms(row, change):
        CONSENT.after(row.state, change.state)
    values = {
        "subscription_id": agreement.id,
        "event_id": change.event_id,
        "pod_id": change.pod_id,
        "state": change.state,
        "validity_start": change.validity.start,
        "validity_end": change.validity.end,
        "reason": change.reason,
        "occurred_at": change.occurred_at,
        "received_at": moment,
        "outcome": outcome,
    }
    write_down(session, ConsentNotice, values)
    note(session, ConsentNotice, (agreement.id, change.event_id), outcome)
    if outcome is Outcome.APPLIED:
        _become(agreement, row, change, moment)
    return outcome


def read_ahead(changes: Collection[ConsentChange]) -> None:
    """Read, all at once, what several notifications need to be applied one by one.

    Their subscriptions are locked.
    """
    session = current_session()
    keys = {(change.subscription_id, change.event_id) for change in changes}
    repository.read_ahead_notices(session, keys)
    pods = {(change.subscription_id, change.pod_id) for change in changes}
    repository.read_ahead_consents(session, pods)
    listeners.await_changes(pods)


def read_ahead_consents(pods: Collection[PodKey]) -> None:
    """Read the consents for points of delivery whose subscriptions are locked."""
    if pods:
        repository.read_ahead_consents(current_session(), pods)


def list_consents(
    subscription_id: UUID,
    state: ConsentState | None,
    pod_id: str | None,
    limit: int,
    cursor: str | None,
) -> Page[Consent]:
    """Return a page of the consents of a subscription of the caller, by PoD."""
    subscriptions.visible_agreement(subscription_id)
    return repository.consents(current_session(), subscription_id, state, pod_id, limit, cursor)


def expire_due_consents() -> int:
    """Expire granted consents whose period is over, at most a batch; return how many were due."""
    session = current_session()
    moment = now()
    due = repository.due(session, moment, subscriptions.BATCH)
    for subscription_id, pod_id in due:
        agreement = subscriptions.locked_agreement(subscription_id)
        row = repository.consent(session, subscription_id, pod_id)
        if row is None or row.state is not ConsentState.GRANTED or row.validity_end is None:
            continue  # a notification was faster
        if row.validity_end <= moment:
            change = ConsentChange(
                event_id=new_id(),
                # A consent can be granted after the end of its own period, late as things come.
                occurred_at=max(row.validity_end, row.occurred_at),
                subscription_id=subscription_id,
                pod_id=pod_id,
                state=CONSENT.after(row.state, ConsentState.EXPIRED),
                validity=row.validity,
                reason=_OVER,
            )
            _become(agreement, row, change, moment, derived=True)
    return len(due)


def consent_of(subscription_id: UUID, pod_id: str) -> Consent | None:
    """Return the consent for a point of delivery, whoever asks."""
    return repository.consent(current_session(), subscription_id, pod_id)


def _confirms(row: Consent, change: ConsentChange) -> bool:
    """Return whether a platform says what the marketplace concluded by itself before."""
    return row.derived and row.state is change.state


def _become(
    agreement: Agreement,
    row: Consent | None,
    change: ConsentChange,
    moment: datetime,
    *,
    derived: bool = False,
) -> None:
    session = current_session()
    before = None if row is None else row.state
    if row is None:
        row = Consent(id=new_id(), subscription_id=agreement.id, pod_id=change.pod_id)
        add(session, (agreement.id, change.pod_id), row)
    keeps_period = (
        before is ConsentState.GRANTED
        and change.state is not ConsentState.REQUESTED
        and change.validity == Validity()
    )
    if not keeps_period:
        row.validity_start, row.validity_end = change.validity.start, change.validity.end
    row.state = change.state
    row.derived = derived
    row.reason = change.reason
    row.occurred_at = change.occurred_at
    row.received_at = moment
    if before is change.state:
        return
    audit.record(
        "Consent",
        f"{agreement.id}/{change.pod_id}",
        change.state.value.lower(),
        from_state=before,
        to_state=change.state,
        reason=change.reason,
        occurred_at=change.occurred_at,
        subscription_id=agreement.id,
        provider_id=agreement.provider_id,
        requester_id=agreement.requester_id,
    )
    listeners.tell(
        ConsentChanged(
            agreement=agreement,
            pod_id=change.pod_id,
            before=before,
            state=row.state,
            validity=row.validity,
            occurred_at=row.occurred_at,
            reason=row.reason,
        )
    )

"""What the marketplace is told of activations, and what it makes of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.activations import listeners, repository
from marketplace.activations.domain import (
    ACTIVATION,
    ActivationState,
    states_under,
    under_subscription,
    was_overtaken,
)
from marketplace.activations.listeners import ActivationChanged
from marketplace.activations.tables import Activation, ActivationNotice
from marketplace.consents import service as consents
from marketplace.consents.domain import ConsentState, allows_activation
from marketplace.consents.listeners import ConsentChanged
from marketplace.core import audit
from marketplace.core.journal import write_down
from marketplace.core.notices import Outcome, check_occurred_at, is_outdated
from marketplace.core.paging import Page
from marketplace.core.read_ahead import add, note
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.service import has_heard
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.domain import ENDED, SubscriptionState
from marketplace.subscriptions.listeners import Agreement, PodKey
from mpp_sdk.clock import now
from mpp_sdk.errors import Gone, IllegalTransition
from mpp_sdk.ids import new_id


@dataclass(frozen=True)
class ActivationChange:
    """What a provider's platform tells of an activation. occurred_at is by its clock."""

    event_id: UUID
    occurred_at: datetime
    subscription_id: UUID
    pod_id: str
    state: ActivationState
    reason: str | None


@dataclass(frozen=True)
class _Obstacle:
    """What an activation lacks to come into a state, and since when if it had it once."""

    lacks: str
    since: datetime | None


@dataclass(frozen=True)
class _Ruling:
    """What becomes of a notification. held: it waits until its subscription is resumed."""

    outcome: Outcome
    held: bool = False


_APPLIED, _SUPERSEDED = _Ruling(Outcome.APPLIED), _Ruling(Outcome.SUPERSEDED)
_HELD = _Ruling(Outcome.SUPERSEDED, held=True)
_HELD_BECAUSE = "The subscription was suspended, which the platform had not heard of."


def apply(change: ActivationChange) -> Outcome:
    """Return what became of a notification.

    Raises Conflict for a moment in the future, IllegalTransition for what cannot come after the
    present state, or not under the present state of the subscription and the consent, Gone for what
    cannot come any more because the subscription has ended.

    What became active while its platform had not heard of the suspension yet is held like what was
    active before: refused, it would hold up what comes after it, a withdrawn consent too.
    """
    agreement = subscriptions.agreement_for_notification(change.subscription_id)
    session = current_session()
    if repository.was_noticed(session, agreement.id, change.event_id):
        return Outcome.DUPLICATE
    moment = now()
    check_occurred_at(change.occurred_at, moment)
    row = repository.activation(session, agreement.id, change.pod_id)
    ruling = _ruling(agreement, row, change, moment)
    outcome = ruling.outcome
    values = {
        "subscription_id": agreement.id,
        "event_id": change.event_id,
        "pod_id": change.pod_id,
        "state": change.state,
        "reason": change.reason,
        "occurred_at": change.occurred_at,
        "received_at": moment,
        "outcome": outcome,
    }
    write_down(session, ActivationNotice, values)
    note(session, ActivationNotice, (agreement.id, change.event_id), outcome)
    if outcome is Outcome.APPLIED or ruling.held:
        _become(agreement, row, change, moment, held=ruling.held)
    return outcome


def read_ahead(changes: Collection[ActivationChange]) -> None:
    """Read, all at once, what several notifications need to be applied one by one.

    Their subscriptions are locked.
    """
    session = current_session()
    keys = {(change.subscription_id, change.event_id) for change in changes}
    repository.read_ahead_notices(session, keys)
    pods = {(change.subscription_id, change.pod_id) for change in changes}
    repository.read_ahead_activations(session, pods)
    consents.read_ahead_consents(
        {
            (change.subscription_id, change.pod_id)
            for change in changes
            if change.state is ActivationState.ACTIVE
        }
    )


def await_consents(pods: Collection[PodKey]) -> None:
    """Read ahead the activations that may follow their consents."""
    repository.read_ahead_activations(current_session(), pods)


def list_activations(
    subscription_id: UUID,
    state: ActivationState | None,
    pod_id: str | None,
    limit: int,
    cursor: str | None,
) -> Page[Activation]:
    """Return a page of the activations of a subscription of the caller, by PoD."""
    subscriptions.visible_agreement(subscription_id)
    return repository.activations(current_session(), subscription_id, state, pod_id, limit, cursor)


def follow_consent(change: ConsentChanged) -> None:
    """End the activation of a point of delivery whose consent is no longer granted."""
    if not change.has_ended:
        return
    row = repository.activation(current_session(), change.agreement.id, change.pod_id)
    if row is not None and row.state is not ActivationState.ENDED:
        reason = change.reason or f"The consent is {change.state.value}."
        _follow(change.agreement, row, ActivationState.ENDED, change.occurred_at, reason)


def follow_subscription(agreement: Agreement, reason: str) -> None:
    """Suspend, resume or end the activations of a subscription that changed.

    Resumed are those that were active when the subscription was suspended, if their consent still
    allows it.
    """
    moment = now()
    for row in repository.running(current_session(), agreement.id):
        state = under_subscription(row.state, agreement.state)
        if row.held and agreement.state is SubscriptionState.ACTIVE:
            allowed = _consent_obstacle(agreement, row.pod_id, moment) is None
            state = ActivationState.ACTIVE if allowed else row.state
        if state is not row.state:
            held = state is ActivationState.SUSPENDED
            _follow(agreement, row, state, agreement.state_since, reason, held=held)


def _ruling(
    agreement: Agreement, row: Activation | None, change: ActivationChange, moment: datetime
) -> _Ruling:
    if row is not None and is_outdated(change.occurred_at, row.occurred_at):
        return _SUPERSEDED
    if agreement.state in ENDED and change.state not in states_under(agreement.state):
        if agreement.active_since is not None and was_overtaken(
            change.occurred_at, agreement.state_since
        ):
            return _SUPERSEDED
        raise Gone(
            f"The subscription is {agreement.state.value}; no service becomes "
            f"{change.state.value} under it any more."
        )
    if row is not None and not _confirms(row, change):
        ACTIVATION.after(row.state, change.state)
    obstacle = _obstacle(agreement, change, moment)
    if obstacle is None:
        return _APPLIED
    if obstacle.since is not None and was_overtaken(change.occurred_at, obstacle.since):
        return _SUPERSEDED
    if _is_unheard_suspension(agreement, change, moment):
        return _HELD
    next_states = (
        [state.value for state in ActivationState]
        if row is None
        else list(ACTIVATION.allowed(row.state))
    )
    possible = states_under(agreement.state) - {change.state}
    allowed = [state for state in next_states if state in possible]
    raise IllegalTransition(
        f"Activation {obstacle.lacks}", "NONE" if row is None else row.state, change.state, allowed
    )


def _confirms(row: Activation, change: ActivationChange) -> bool:
    """Return whether a platform says what the marketplace concluded by itself before."""
    return row.derived and row.state is change.state


def _obstacle(agreement: Agreement, change: ActivationChange, moment: datetime) -> _Obstacle | None:
    if change.state not in states_under(agreement.state):
        was_active = agreement.active_since is not None
        return _Obstacle(
            f"under a subscription that is {agreement.state.value}",
            agreement.state_since if was_active else None,
        )
    if change.state is not ActivationState.ACTIVE:
        return None
    # A platform's clock may be a little ahead, and so may the start of the period it states.
    return _consent_obstacle(agreement, change.pod_id, max(moment, change.occurred_at))


def _is_unheard_suspension(
    agreement: Agreement, change: ActivationChange, moment: datetime
) -> bool:
    """Return whether nothing but a suspension that its platform has not heard of is in the way."""
    return (
        change.state is ActivationState.ACTIVE
        and agreement.state is SubscriptionState.SUSPENDED
        and _consent_obstacle(agreement, change.pod_id, max(moment, change.occurred_at)) is None
        and not has_heard(agreement.provider_id, agreement.id)
    )


def _consent_obstacle(agreement: Agreement, pod_id: str, moment: datetime) -> _Obstacle | None:
    if not agreement.consent_required:
        return None
    consent = consents.consent_of(agreement.id, pod_id)
    if consent is None:
        return _Obstacle("without a consent", None)
    if allows_activation(consent.state, consent.validity, moment):
        return None
    if consent.state is ConsentState.GRANTED:
        end = consent.validity_end
        is_over = end is not None and end <= moment
        return _Obstacle("outside the period of its consent", end if is_over else None)
    was_granted = consent.state in (ConsentState.WITHDRAWN, ConsentState.EXPIRED)
    return _Obstacle(
        f"with a consent that is {consent.state.value}",
        consent.occurred_at if was_granted else None,
    )


def _become(
    agreement: Agreement,
    row: Activation | None,
    change: ActivationChange,
    moment: datetime,
    *,
    held: bool,
) -> None:
    before = None if row is None else row.state
    if row is None:
        row = Activation(id=new_id(), subscription_id=agreement.id, pod_id=change.pod_id)
        add(current_session(), (agreement.id, change.pod_id), row)
    row.state = ActivationState.SUSPENDED if held else change.state
    row.derived = row.held = held
    row.reason = _HELD_BECAUSE if held else change.reason
    row.occurred_at = change.occurred_at
    row.received_at = moment
    if before is not row.state:
        _record(agreement, row, before)


def _follow(
    agreement: Agreement,
    row: Activation,
    state: ActivationState,
    occurred_at: datetime,
    reason: str,
    *,
    held: bool = False,
) -> None:
    before = row.state
    row.state = ACTIVATION.after(before, state)
    row.derived = True
    row.held = held
    row.reason = reason
    # What made it follow may have happened before the last thing that the platform told of it.
    row.occurred_at = max(occurred_at, row.occurred_at)
    row.received_at = now()
    _record(agreement, row, before)


def _record(agreement: Agreement, row: Activation, before: ActivationState | None) -> None:
    audit.record(
        "Activation",
        f"{agreement.id}/{row.pod_id}",
        row.state.value.lower(),
        from_state=before,
        to_state=row.state,
        reason=row.reason,
        occurred_at=row.occurred_at,
        subscription_id=agreement.id,
        provider_id=agreement.provider_id,
        requester_id=agreement.requester_id,
    )
    listeners.tell(ActivationChanged(agreement, row.pod_id, row.state))

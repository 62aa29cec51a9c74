"""Deliveries over HTTP."""

import json
from uuid import UUID

from marketplace.delivery import domain, service
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryAttemptPage,
    DeliveryPage,
    DeliveryState,
    EventKind,
    PlatformRole,
)
from mpp_sdk.outbox import Attempt, Event, EventState

_OUTCOMES = {
    EventState.DELIVERED: AttemptOutcome.DELIVERED,
    EventState.RETRYING: AttemptOutcome.RETRY,
    EventState.DEAD: AttemptOutcome.DEAD,
}
_STATES = {outcome: state for state, outcome in _OUTCOMES.items()}


def list_deliveries(
    limit: int = 50,
    cursor: str | None = None,
    state: DeliveryState | None = None,
    market_player_id: UUID | None = None,
    subscription_id: UUID | None = None,
    kind: EventKind | None = None,
) -> DeliveryPage:
    """Answer with the deliveries that the caller may see."""
    page = service.list_deliveries(
        limit=limit,
        cursor=cursor,
        state=None if state is None else EventState(state.value),
        market_player_id=market_player_id,
        subscription_id=subscription_id,
        kind=None if kind is None else domain.EventKind(kind.value),
    )
    return DeliveryPage(items=[_delivery(one) for one in page.items], next_cursor=page.next_cursor)


def read_delivery(event_id: UUID) -> Delivery:
    """Answer with a delivery and what is sent, without secrets."""
    event = service.read_delivery(event_id)
    return _delivery(event).model_copy(update={"payload": json.loads(event.payload)})


def list_attempts(
    event_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    outcome: AttemptOutcome | None = None,
) -> DeliveryAttemptPage:
    """Answer with the attempts of a delivery."""
    page = service.list_attempts(
        event_id,
        limit=limit,
        cursor=cursor,
        resulting_state=None if outcome is None else _STATES[outcome],
    )
    return DeliveryAttemptPage(
        items=[_attempt(one) for one in page.items], next_cursor=page.next_cursor
    )


def replay(event_id: UUID, body: ActionReason) -> Delivery:
    """Answer with a dead delivery, queued again."""
    return _delivery(service.replay(event_id, body.reason))


def _delivery(event: Event) -> Delivery:
    return Delivery(
        event_id=event.event_id,
        kind=EventKind(event.kind),
        market_player_id=UUID(event.lane),
        platform_role=PlatformRole(domain.role_of(event.path).value),
        subscription_id=UUID(event.ordering_key),
        state=DeliveryState(event.state.value),
        attempts=event.attempts,
        next_attempt_at=event.next_attempt_at,
        occurred_at=event.occurred_at,
        delivered_at=event.finished_at if event.state is EventState.DELIVERED else None,
        reason=event.dead_reason,
        correlation_id=event.correlation_id,
    )


def _attempt(attempt: Attempt) -> DeliveryAttempt:
    return DeliveryAttempt(
        number=attempt.number,
        started_at=attempt.started_at,
        duration_ms=attempt.duration_ms,
        outcome=_OUTCOMES[attempt.resulting_state],
        status=attempt.status,
        error=attempt.error,
        response=attempt.response_body,
    )

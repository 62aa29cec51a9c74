"""Use cases of deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from marketplace.core import audit
from marketplace.core.actor import current_actor
from marketplace.core.environment import Environment, current_environment
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import after_commit, current_session
from marketplace.delivery import listeners, queue, repository
from marketplace.delivery.domain import SECRET_KINDS, EventKind, PlatformRole, path_of
from marketplace.delivery.listeners import Notice
from marketplace.delivery.repository import DeadLetterReason, DeliveryFilter
from marketplace.identity.access import require_operator, require_operator_or_party, visible_to
from mpp_sdk import tracing
from mpp_sdk.outbox import Attempt, Event, EventState, NewEvent, Outbox


@dataclass(frozen=True)
class PlatformEvent:
    """Something that a market player's platform is to be told.

    payload is the JSON text of the body; secrets, when there are any, the JSON text of an object
    that is merged into it at the moment of sending and is stored encrypted. event_id is a UUIDv7,
    the same as in the payload.
    """

    event_id: UUID
    kind: EventKind
    market_player_id: UUID
    platform_role: PlatformRole
    subscription_id: UUID
    occurred_at: datetime
    payload: str
    secrets: str | None = field(default=None, repr=False)


def enqueue(event: PlatformEvent) -> None:
    """Have a platform told of an event, once this unit of work is committed.

    A platform gets the events of one subscription in the order in which they were enqueued. Raises
    ValueError for secrets in an event of a kind that has none.
    """
    if event.secrets is not None and event.kind not in SECRET_KINDS:
        raise ValueError(f"An event of the kind {event.kind} carries no secrets.")
    _outbox().enqueue(
        current_session().connection(),
        NewEvent(
            event_id=event.event_id,
            lane=str(event.market_player_id),
            ordering_key=str(event.subscription_id),
            kind=event.kind,
            path=path_of(event.kind, event.platform_role),
            payload=event.payload,
            secrets=event.secrets,
            occurred_at=event.occurred_at,
            correlation_id=current_actor().correlation_id,
            trace_parent=tracing.parent(),
        ),
    )
    _wake_after_commit()


def has_heard(market_player_id: UUID, subscription_id: UUID) -> bool:
    """Return whether a platform has acknowledged all that it was to be told of a subscription."""
    return repository.has_heard(market_player_id, subscription_id)


def list_deliveries(
    *,
    limit: int,
    cursor: str | None = None,
    state: EventState | None = None,
    market_player_id: UUID | None = None,
    subscription_id: UUID | None = None,
    kind: EventKind | None = None,
    reason_contains: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[Event]:
    """Return a page of the deliveries that the caller may see, the newest first.

    since and until are when they were written, the end not included.
    """
    wanted = DeliveryFilter(
        visible_to(), state, market_player_id, subscription_id, kind, reason_contains, since, until
    )
    return repository.list_deliveries(wanted, limit, cursor)


def newest_of_subscription(
    subscription_id: UUID, limit: int, before: UUID | None = None
) -> Sequence[Event]:
    """Return the newest deliveries about a subscription that the caller may see."""
    return repository.newest_of_subscription(visible_to(), subscription_id, limit, before)


def unfinished_of_subscription(
    subscription_id: UUID, parties: Sequence[UUID], limit: int
) -> Sequence[Event]:
    """Return what the parties' platforms have not acknowledged, or never will, the oldest first.

    It is of the deliveries that the caller may see.
    """
    return repository.unfinished_of_subscription(visible_to(), subscription_id, parties, limit)


def read_delivery(event_id: UUID) -> Event:
    """Return a delivery that the caller may see. Raises NotFound."""
    event = _outbox().read_event(current_session().connection(), event_id)
    require_operator_or_party("delivery", event_id, UUID(event.lane))
    return event


def list_attempts(
    event_id: UUID,
    *,
    limit: int,
    cursor: str | None = None,
    resulting_state: EventState | None = None,
) -> Page[Attempt]:
    """Return a page of the attempts of a delivery, the newest first. Raises NotFound.

    resulting_state restricts them to those that left the event in this state.
    """
    read_delivery(event_id)
    return repository.list_attempts(event_id, resulting_state, limit, cursor)


def replay(event_id: UUID, reason: str) -> Event:
    """Return a dead delivery, queued again under its own id. For operators.

    Raises Forbidden, NotFound, and IllegalTransition when it is not dead.
    """
    require_operator()
    event = _outbox().replay(current_session().connection(), event_id)
    audit.record(
        "Delivery",
        event_id,
        "replay",
        from_state=EventState.DEAD,
        to_state=event.state,
        reason=reason,
        subscription_id=UUID(event.ordering_key),
        market_player_id=UUID(event.lane),
    )
    _wake_after_commit()
    return event


def discard(event_id: UUID, reason: str) -> Event:
    """Return a delivery that is given up, so that what waits behind it goes on. For operators.

    Raises Forbidden, NotFound, and IllegalTransition when it is finished.
    """
    require_operator()
    before = read_delivery(event_id)
    event = _outbox().discard(current_session().connection(), event_id, reason)
    audit.record(
        "Delivery",
        event_id,
        "discard",
        from_state=before.state,
        to_state=event.state,
        reason=reason,
        subscription_id=UUID(event.ordering_key),
        market_player_id=UUID(event.lane),
    )
    listeners.tell(Notice.of(event))
    _wake_after_commit()
    return event


def list_dead_letter_reasons(market_player_id: UUID | None) -> list[DeadLetterReason]:
    """Return why deliveries that the caller may see are dead, the most frequent reason first."""
    return repository.dead_letter_reasons(visible_to(), market_player_id)


def _outbox() -> Outbox:
    return queue.outbox_of(current_environment())


def _wake_after_commit() -> None:
    environment: Environment = current_environment()
    after_commit(lambda: queue.wake(environment))

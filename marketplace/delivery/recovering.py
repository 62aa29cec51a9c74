"""What a re-synchronisation does with deliveries, each time with an entry in the audit trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from marketplace.core import audit
from marketplace.core.environment import current_environment
from marketplace.core.unit_of_work import after_commit, current_session
from marketplace.delivery import listeners, queue
from marketplace.delivery.domain import EventKind
from marketplace.delivery.listeners import Notice
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.clock import now
from mpp_sdk.outbox import Event, EventState
from mpp_sdk.outbox.resending import mark_delivered, queue_again

_HELD = "The platform holds it already."
_NOT_HELD = "The platform holds it no more."


def oldest_under_way(market_player_id: UUID) -> datetime | None:
    """Return when the oldest event that a platform has not acknowledged occurred."""
    event = OUTBOX.event.c
    found: datetime | None = current_session().scalar(
        select(func.min(event.occurred_at)).where(
            event.lane == str(market_player_id), event.finished_at.is_(None)
        )
    )
    return found


def was_under_way(market_player_id: UUID, subscription_id: UUID, moment: datetime) -> bool:
    """Return whether a platform was still to be told something of a subscription at a moment."""
    event = OUTBOX.event.c
    found = current_session().scalar(
        select(event.position)
        .where(
            event.lane == str(market_player_id),
            event.ordering_key == str(subscription_id),
            event.finished_at.is_(None) | (event.finished_at >= moment),
        )
        .limit(1)
    )
    return found is not None


def states_of(market_player_id: UUID, event_ids: Sequence[UUID]) -> Mapping[UUID, EventState]:
    """Return the states of those of the events that were made for a platform."""
    event = OUTBOX.event.c
    rows = current_session().execute(
        select(event.event_id, event.state).where(
            event.lane == str(market_player_id), event.event_id.in_(event_ids)
        )
    )
    return {row.event_id: EventState(row.state) for row in rows}


def take_as_delivered(event_id: UUID) -> None:
    """Finish an event that the platform holds, so that it is not sent again.

    Others act upon it as if the platform had acknowledged it now.
    """
    session = current_session()
    outbox = queue.outbox_of(current_environment())
    before = outbox.read_event(session.connection(), event_id)
    mark_delivered(session.connection(), OUTBOX, before, now())
    _record(before, EventState.DELIVERED, _HELD)
    listeners.tell(Notice.of(outbox.read_event(session.connection(), event_id)))
    _wake_after_commit()


def delivered_between(
    market_player_id: UUID,
    *,
    after: UUID | None,
    up_to: UUID | None,
    occurred_from: datetime,
    finished_before: datetime,
) -> list[UUID]:
    """Return the events that a platform has acknowledged, of a range of ids.

    Confirmations are left out: the key that they carry is forgotten once they are delivered.
    """
    event = OUTBOX.event.c
    query = select(event.event_id).where(
        event.lane == str(market_player_id),
        event.state == EventState.DELIVERED,
        event.kind != EventKind.SERVICE_OFFER_CONFIRMED,
        event.occurred_at >= occurred_from,
        event.finished_at < finished_before,
    )
    if after is not None:
        query = query.where(event.event_id > after)
    if up_to is not None:
        query = query.where(event.event_id <= up_to)
    return list(current_session().scalars(query.order_by(event.event_id)))


def send_again(event_ids: Sequence[UUID]) -> int:
    """Queue delivered events again, each under its own id; return how many."""
    session = current_session()
    outbox = queue.outbox_of(current_environment())
    queued = queue_again(session.connection(), OUTBOX, event_ids)
    for event_id in queued:
        event = outbox.read_event(session.connection(), event_id)
        _record(event, EventState.QUEUED, _NOT_HELD, before=EventState.DELIVERED)
    _wake_after_commit()
    return len(queued)


def _record(
    event: Event, after: EventState, reason: str, *, before: EventState | None = None
) -> None:
    audit.record(
        "Delivery",
        event.event_id,
        "resynchronise",
        from_state=before or event.state,
        to_state=after,
        reason=reason,
        subscription_id=UUID(event.ordering_key),
        market_player_id=UUID(event.lane),
    )


def _wake_after_commit() -> None:
    environment = current_environment()
    after_commit(lambda: queue.wake(environment))

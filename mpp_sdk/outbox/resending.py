"""What a restore of an older backup, on either side, makes necessary in an outbox.

An event that the receiver holds is marked as delivered without being sent; one that was delivered
and that the receiver holds no more is queued again, under its own id.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from mpp_sdk.outbox.claiming import arrive
from mpp_sdk.outbox.model import Event
from mpp_sdk.outbox.policy import EventState
from mpp_sdk.outbox.tables import OutboxTables

QUEUED_AGAIN: dict[str, Any] = {
    "state": EventState.QUEUED,
    "failures": 0,
    "first_attempt_at": None,
    "next_attempt_at": None,
    "not_before": None,
    "finished_at": None,
    "dead_reason": None,
}
"""What a finished event has when it is queued again; attempts go on counting."""


def delivered_events(
    connection: Connection,
    tables: OutboxTables,
    lane: str,
    *,
    finished_from: datetime,
    after: UUID | None,
    limit: int,
) -> list[UUID]:
    """Return the ids of a lane's events delivered at or after a moment, the lowest ones first."""
    event = tables.event
    query = (
        select(event.c.event_id)
        .where(
            event.c.state == EventState.DELIVERED,
            event.c.lane == lane,
            event.c.finished_at >= finished_from,
        )
        .order_by(event.c.event_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(event.c.event_id > after)
    return list(connection.execute(query).scalars())


def queue_again(
    connection: Connection, tables: OutboxTables, event_ids: Collection[UUID]
) -> list[UUID]:
    """Queue delivered events again, each in its old place among those of its key; return which.

    What an event's secrets were is forgotten once it is delivered: one that needs them must not be
    queued again. Whoever asked for this is expected to see to it.
    """
    if not event_ids:
        return []
    event = tables.event
    rows = connection.execute(
        update(event)
        .where(event.c.event_id.in_(event_ids), event.c.state == EventState.DELIVERED)
        .values(QUEUED_AGAIN)
        .returning(event.c.event_id, event.c.lane, event.c.ordering_key)
    ).all()
    arrive(tables, connection, [(row.lane, row.ordering_key) for row in rows])
    return [row.event_id for row in rows]


def mark_delivered(
    connection: Connection, tables: OutboxTables, event: Event, moment: datetime
) -> None:
    """Finish an event that the receiver is known to hold; those behind it go on."""
    lane, row = tables.lane, tables.event
    # In the order in which a recording locks: the lane before its events.
    connection.execute(select(lane.c.name).where(lane.c.name == event.lane).with_for_update())
    connection.execute(
        update(row)
        .where(row.c.position == event.position)
        .values(
            state=EventState.DELIVERED,
            next_attempt_at=None,
            not_before=None,
            finished_at=moment,
            dead_reason=None,
            encrypted_secrets=None,
        )
    )
    arrive(tables, connection, [(event.lane, event.ordering_key)])

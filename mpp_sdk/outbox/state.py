"""How it stands with an outbox. What it costs to find out does not grow with what is delivered."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from mpp_sdk.outbox.policy import BreakerState, EventState, LaneMode
from mpp_sdk.outbox.tables import OutboxTables

NOT_DELIVERED = (EventState.QUEUED, EventState.RETRYING, EventState.DEAD)


@dataclass(frozen=True)
class QueueState:
    """How many events are in each state but DELIVERED, and when the oldest of them was written.

    due_since is since when what is to be sent has waited for somebody to take it, None when nothing
    is. What waits for a platform that is down, or for its turn after a failure, is not due.
    """

    events: dict[EventState, int]
    oldest: dict[EventState, datetime]
    lanes_by_breaker: dict[BreakerState, int]
    lanes_by_mode: dict[LaneMode, int]
    due_since: datetime | None


def queue_state(tables: OutboxTables, connection: Connection) -> QueueState:
    """Return how it stands now."""
    lane, event = tables.lane.c, tables.event.c
    return QueueState(
        {
            # each by itself: asked for all at once, SQLite reads the index of every state
            state: connection.execute(
                select(func.count()).select_from(tables.event).where(event.state == state)
            ).scalar_one()
            for state in NOT_DELIVERED
        },
        _oldest(tables, connection),
        dict.fromkeys(BreakerState, 0)
        | {
            BreakerState(state): count
            for state, count in connection.execute(
                select(lane.breaker_state, func.count()).group_by(lane.breaker_state)
            )
        },
        dict.fromkeys(LaneMode, 0)
        | {
            LaneMode(mode): count
            for mode, count in connection.execute(
                select(lane.mode, func.count()).group_by(lane.mode)
            )
        },
        _due_since(tables, connection),
    )


def _oldest(tables: OutboxTables, connection: Connection) -> dict[EventState, datetime]:
    event = tables.event.c
    found = {
        state: connection.execute(
            # the ids are in the order of time, and in an index by state
            select(event.created_at).where(event.state == state).order_by(event.event_id).limit(1)
        ).scalar_one_or_none()
        for state in NOT_DELIVERED
    }
    return {state: moment for state, moment in found.items() if moment is not None}


def _due_since(tables: OutboxTables, connection: Connection) -> datetime | None:
    lane, event, arrival = tables.lane.c, tables.event.c, tables.arrival.c
    due: datetime | None = connection.execute(select(func.min(lane.due_at))).scalar_one()
    first = connection.execute(
        select(arrival.lane, arrival.ordering_key).order_by(arrival.id).limit(1)
    ).one_or_none()
    if first is None:
        return due
    # An arrival has no time of its own; the newest event of its key is certain to be as new.
    arrived: datetime | None = connection.execute(
        select(event.created_at)
        .where(
            event.lane == first.lane,
            event.ordering_key == first.ordering_key,
            event.finished_at.is_(None),
        )
        .order_by(event.position.desc())
        .limit(1)
    ).scalar_one_or_none()
    return min((moment for moment in (due, arrived) if moment is not None), default=None)

"""Which deliveries and lanes need an operator's hand. Every query goes by an index of the few."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Bundle

from marketplace.core.unit_of_work import current_session
from marketplace.delivery.repository import DeadLetterReason, dead_letter_reasons
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.ids import first_id_of
from mpp_sdk.outbox import BreakerState, Event, EventState, Lane, LaneMode, is_dead
from mpp_sdk.outbox.lanes import lane_of

MOST_COUNTED = 1000
"""Up to how many late deliveries are counted."""

_EVENT = OUTBOX.event.c
_WAITING = (EventState.QUEUED, EventState.RETRYING)


@dataclass(frozen=True)
class Late:
    """How many deliveries are late, at most MOST_COUNTED, and the oldest of them."""

    count: int
    first: Sequence[Event]
    more: bool


def held_lanes(first: int) -> tuple[int, Sequence[Lane]]:
    """Return how many lanes are parked by the breaker or paused, and the first of them."""
    lane = OUTBOX.lane.c
    held = or_(lane.breaker_state != BreakerState.CLOSED, lane.mode != LaneMode.RUNNING)
    session = current_session()
    count = session.scalar(select(func.count()).select_from(OUTBOX.lane).where(held))
    rows = session.execute(select(OUTBOX.lane).where(held).order_by(lane.name).limit(first))
    return count or 0, [lane_of(row) for row in rows.mappings()]


def dead(first: int) -> tuple[int, Sequence[Event]]:
    """Return how many deliveries are dead, and the newest of them."""
    condition = is_dead(OUTBOX.event)
    count = current_session().scalar(
        select(func.count()).select_from(OUTBOX.event).where(condition)
    )
    newest = _events().where(condition).order_by(_EVENT.position.desc()).limit(first)
    return count or 0, _read(newest)


def dead_reasons(first: int) -> Sequence[DeadLetterReason]:
    """Return why deliveries are dead, the most frequent reasons first."""
    return dead_letter_reasons(None, None)[:first]


def late(since: datetime, first: int) -> Late:
    """Return what was to be delivered before a moment and was not, the oldest first."""
    until = first_id_of(since)
    ids = [
        key
        for state in _WAITING  # each by the index of its state
        for key in current_session().scalars(
            select(_EVENT.event_id)
            .where(_EVENT.state == state, _EVENT.event_id < until)
            .order_by(_EVENT.event_id)
            .limit(MOST_COUNTED + 1)
        )
    ]
    oldest = _events().where(_EVENT.event_id.in_(sorted(ids)[:first])).order_by(_EVENT.event_id)
    return Late(min(len(ids), MOST_COUNTED), _read(oldest), len(ids) > MOST_COUNTED)


def _events() -> Select[Any]:
    return select(Bundle("event", *(_EVENT[name] for name in Event.__dataclass_fields__)))


def _read(statement: Select[Any]) -> Sequence[Event]:
    rows = current_session().scalars(statement)
    return [Event(**{**row._mapping, "state": EventState(row.state)}) for row in rows]

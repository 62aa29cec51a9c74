"""Between the rows of the tables and what they stand for; and which event of a key is the first."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Table,
    bindparam,
    case,
    func,
    select,
    true,
    update,
)

from mpp_sdk.outbox.bulk import among, arrays, is_postgresql, values_of
from mpp_sdk.outbox.model import Event
from mpp_sdk.outbox.policy import Breaker, BreakerState, EventState
from mpp_sdk.outbox.tables import OutboxTables

EVENT_FIELDS = tuple(Event.__dataclass_fields__)
_STATE = EVENT_FIELDS.index("state")
_BEFORE_STATE, _AFTER_STATE = slice(0, _STATE), slice(_STATE + 1, len(EVENT_FIELDS))


def event_columns(of: FromClause) -> list[ColumnElement[Any]]:
    """Return the columns that `event_of` reads, in its order."""
    return [of.c[name] for name in EVENT_FIELDS]


def event_of(row: Sequence[Any]) -> Event:
    """Return the event of a row that begins with `event_columns`."""
    values = [*row[_BEFORE_STATE], EventState(row[_STATE]), *row[_AFTER_STATE]]
    return Event(*values)


def breaker_of(row: RowMapping) -> Breaker:
    """Return the breaker of a lane's row."""
    return Breaker(BreakerState(row["breaker_state"]), row["consecutive_failures"], row["probe_at"])


def breaker_values(breaker: Breaker) -> dict[str, Any]:
    """Return the columns of a lane's row that hold a breaker."""
    return {
        "breaker_state": breaker.state.value,
        "consecutive_failures": breaker.consecutive_failures,
        "probe_at": breaker.probe_at,
    }


def first_position(event: Table, lane: ColumnElement[Any], key: ColumnElement[Any]) -> Any:
    """Return a select of the position of the first unfinished event of a lane's key."""
    others = event.alias()
    return (
        select(others.c.position)
        .where(
            others.c.lane == lane,
            others.c.ordering_key == key,
            others.c.finished_at.is_(None),
        )
        .order_by(others.c.position)
        .limit(1)
    )


def promote(
    tables: OutboxTables, connection: Connection, keys: Iterable[tuple[str, str]], now: datetime
) -> None:
    """Make the first unfinished event of each lane and key sendable, unless it is already."""
    event = tables.event
    given = [{"lane": lane, "ordering_key": key} for lane, key in keys]
    if not given:
        return
    sendable_from = case((event.c.not_before > now, event.c.not_before), else_=now)
    waiting = update(event).where(event.c.next_attempt_at.is_(None))
    if is_postgresql(connection):
        names = ("lane", "ordering_key")
        asked = values_of(event, names)
        first = first_position(event, asked.c.lane, asked.c.ordering_key).lateral("first")
        firsts = select(first.c.position).select_from(asked.join(first, true()))
        connection.execute(
            waiting.where(event.c.position.in_(firsts)).values(next_attempt_at=sendable_from),
            arrays(names, given),
        )
        return
    of_lane: ColumnElement[Any] = bindparam("of_lane", type_=event.c.lane.type)
    of_key: ColumnElement[Any] = bindparam("of_key", type_=event.c.ordering_key.type)
    only = first_position(event, of_lane, of_key).scalar_subquery()
    connection.execute(
        waiting.where(event.c.position == only).values(next_attempt_at=sendable_from),
        [{"of_lane": one["lane"], "of_key": one["ordering_key"]} for one in given],
    )


def next_due(
    tables: OutboxTables, connection: Connection, names: Sequence[str]
) -> dict[str, datetime | None]:
    """Return for each lane when its next event may be sent, as far as the lane delivers it."""
    lane, event = tables.lane, tables.event
    earliest = (
        select(func.min(event.c.next_attempt_at))
        .where(
            event.c.lane == lane.c.name,
            event.c.next_attempt_at.is_not(None),
            lane.c.drain_until.is_(None) | (event.c.position <= lane.c.drain_until),
        )
        .correlate(lane)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(lane.c.name, earliest.label("next")).where(among(connection, lane.c.name, names))
    )
    return {row.name: row.next for row in rows}

"""What an operator may say about a lane: that it pauses, drains, goes on, or how fast it may be.

A lane that carries nothing yet can be paused and limited all the same. Each call changes the lane
in the caller's transaction; whoever is sending on it learns of it when it records next.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mpp_sdk.outbox.model import Lane
from mpp_sdk.outbox.policy import BreakerState, LaneMode
from mpp_sdk.outbox.tables import OutboxTables


def lane_of(row: RowMapping) -> Lane:
    """Return the lane that a row of its table stands for."""
    values = {column: row[column] for column in Lane.__dataclass_fields__}
    return Lane(
        **{
            **values,
            "breaker_state": BreakerState(row["breaker_state"]),
            "mode": LaneMode(row["mode"]),
        }
    )


def pause(tables: OutboxTables, connection: Connection, name: str) -> Lane:
    """Return the lane, PAUSED: nothing more is sent, everything is kept."""
    _lock(tables, connection, name)
    return _set(tables, connection, name, mode=LaneMode.PAUSED, drain_until=None, due_at=None)


def drain(tables: OutboxTables, connection: Connection, name: str, now: datetime) -> Lane:
    """Return the lane, DRAINING until what it holds now is finished; PAUSED if that is nothing."""
    _lock(tables, connection, name)
    event = tables.event.c
    last = connection.execute(
        select(func.max(event.position)).where(event.lane == name, event.finished_at.is_(None))
    ).scalar_one()
    if last is None:
        return _set(tables, connection, name, mode=LaneMode.PAUSED, drain_until=None, due_at=None)
    return _set(
        tables,
        connection,
        name,
        mode=LaneMode.DRAINING,
        drain_until=last,
        due_at=func.coalesce(tables.lane.c.due_at, now),
    )


def resume(tables: OutboxTables, connection: Connection, name: str, now: datetime) -> Lane:
    """Return the lane, RUNNING: what has waited is looked at at once."""
    _lock(tables, connection, name)
    return _set(
        tables,
        connection,
        name,
        mode=LaneMode.RUNNING,
        drain_until=None,
        due_at=func.coalesce(tables.lane.c.due_at, tables.lane.c.lease_expires_at, now),
    )


def limit(
    tables: OutboxTables,
    connection: Connection,
    name: str,
    max_concurrency: int | None,
    max_per_second: float | None,
) -> Lane:
    """Return the lane with other limits; None stands for those of the outbox.

    Raises ValueError for a limit that would let nothing through.
    """
    if max_concurrency is not None and max_concurrency < 1:
        raise ValueError("At least one call must be allowed at a time.")
    if max_per_second is not None and not 0 < max_per_second < float("inf"):
        raise ValueError("The rate must be a positive number.")
    _lock(tables, connection, name)
    return _set(
        tables,
        connection,
        name,
        max_concurrency=max_concurrency,
        max_per_second=max_per_second,
        paced_until=None,
    )


def _lock(tables: OutboxTables, connection: Connection, name: str) -> None:
    """Make sure that the lane has a row, and lock it."""
    values = {
        "name": name,
        "breaker_state": BreakerState.CLOSED,
        "consecutive_failures": 0,
        "mode": LaneMode.RUNNING,
    }
    same = {"name": name}
    # The same statement twice: each dialect has its own construct for it.
    if connection.dialect.name == "sqlite":
        on_sqlite = sqlite.insert(tables.lane).values(values)
        connection.execute(on_sqlite.on_conflict_do_update(index_elements=["name"], set_=same))
    else:
        on_postgresql = postgresql.insert(tables.lane).values(values)
        connection.execute(on_postgresql.on_conflict_do_update(index_elements=["name"], set_=same))


def _set(tables: OutboxTables, connection: Connection, name: str, **values: Any) -> Lane:
    row = connection.execute(
        update(tables.lane)
        .where(tables.lane.c.name == name)
        .values(values)
        .returning(*tables.lane.c)
    )
    return lane_of(row.mappings().one())

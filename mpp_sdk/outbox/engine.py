"""The outbox: events written in the caller's transaction, and delivered at least once or dead.

How nothing is lost: an event is a row from the caller's commit on, and stays unfinished until an
attempt's outcome commits. Who delivers holds a lease on the lane; when it dies, the lease expires
and the lane is claimed again. Each outcome commits together with its attempt, and only while the
lease is held.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from mpp_sdk import clock
from mpp_sdk.database import reading
from mpp_sdk.errors import IllegalTransition, NotFound
from mpp_sdk.outbox import lanes
from mpp_sdk.outbox.claiming import Claiming, arrive
from mpp_sdk.outbox.model import (
    Attempt,
    Claim,
    Event,
    EventFilter,
    Lane,
    Lease,
    LeaseLost,
    NewEvent,
    Recorded,
    Sent,
    Settlement,
    merge,
)
from mpp_sdk.outbox.policy import BreakerPolicy, EventState, RetryPolicy
from mpp_sdk.outbox.recording import ListenerFailed, OutcomeListener, Recording
from mpp_sdk.outbox.resending import QUEUED_AGAIN
from mpp_sdk.outbox.rows import event_columns, event_of
from mpp_sdk.outbox.tables import OutboxTables
from mpp_sdk.secrets import SecretBox

# What may be done about an event by hand; a delivered one is replayed with all since a moment.
_ALLOWED = {
    EventState.QUEUED: ("discard",),
    EventState.RETRYING: ("discard",),
    EventState.DELIVERED: ("replay all since a moment",),
    EventState.DEAD: ("replay",),
}
_WRITTEN = tuple(one.name for one in fields(NewEvent) if one.name != "secrets")


class Outbox:
    """A durable outbox in one database, SQLite or PostgreSQL.

    lease_duration must be longer than a send can take. events_per_claim bounds one lane's turn.
    on_outcomes is called in the transaction that records attempts; what it raises undoes the
    recording of its event. While the condition held is true in the database, nothing is claimed.
    """

    def __init__(
        self,
        engine: Engine,
        tables: OutboxTables,
        secret_box: SecretBox,
        *,
        retry: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
        lease_duration: timedelta = timedelta(seconds=60),
        events_per_claim: int = 20,
        on_outcomes: OutcomeListener | None = None,
        held: ColumnElement[bool] | None = None,
    ) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._tables = tables
        self._secret_box = secret_box
        self._retry = retry or RetryPolicy()
        self._breaker = breaker or BreakerPolicy()
        self._claiming = Claiming(tables, self._breaker, lease_duration, events_per_claim, held)
        self._recording = Recording(tables, self._retry, self._breaker, lease_duration, on_outcomes)

    # ------------------------------------------------------------------ writing

    def enqueue(self, connection: Connection, new: NewEvent) -> None:
        """Write an event in the caller's transaction; it is delivered once that commits.

        Raises ValueError when secrets are given and they or the payload are no JSON object.
        """
        self.enqueue_all(connection, [new])

    def enqueue_all(self, connection: Connection, new: Sequence[NewEvent]) -> None:
        """Write events, at least one, in their order. Raises as `enqueue`."""
        connection.execute(insert(self._tables.event), [self._values(one) for one in new])
        arrive(self._tables, connection, [(one.lane, one.ordering_key) for one in new])

    def _values(self, new: NewEvent) -> dict[str, Any]:
        encrypted = None
        if new.secrets is not None:
            if not all(isinstance(json.loads(part), dict) for part in (new.payload, new.secrets)):
                raise ValueError("Secrets are merged into an object, and are one.")
            encrypted = self._secret_box.encrypt(new.secrets)
        values = {column: getattr(new, column) for column in _WRITTEN}
        return values | {
            "encrypted_secrets": encrypted,
            "created_at": clock.now(),
            "state": EventState.QUEUED,
            "attempts": 0,
            "failures": 0,
        }

    def replay(self, connection: Connection, event_id: UUID) -> Event:
        """Return a dead event, queued again, in its old place among those of its key.

        Raises NotFound, and IllegalTransition when the event is not dead.
        """
        event = self._tables.event
        row = connection.execute(
            update(event)
            .where(event.c.event_id == event_id, event.c.state == EventState.DEAD)
            .values(QUEUED_AGAIN)
            .returning(*event_columns(event))
        ).one_or_none()
        if row is None:
            state = self.read_event(connection, event_id).state
            raise IllegalTransition("The delivery", state, "replay", _ALLOWED[state])
        arrive(self._tables, connection, [(row.lane, row.ordering_key)])
        return event_of(row)

    def discard(self, connection: Connection, event_id: UUID, reason: str) -> Event:
        """Return an unfinished event, given up by hand: what waits behind it goes on.

        A platform that is being sent it at this moment may still take it; then it is DELIVERED.
        Raises NotFound, and IllegalTransition when the event is finished.
        """
        event = self._tables.event
        row = connection.execute(
            update(event)
            .where(event.c.event_id == event_id, event.c.finished_at.is_(None))
            .values(
                state=EventState.DEAD,
                next_attempt_at=None,
                not_before=None,
                finished_at=clock.now(),
                dead_reason=f"Given up by hand: {reason}",
            )
            .returning(*event_columns(event))
        ).one_or_none()
        if row is None:
            state = self.read_event(connection, event_id).state
            raise IllegalTransition("The delivery", state, "discard", _ALLOWED[state])
        arrive(self._tables, connection, [(row.lane, row.ordering_key)])
        return event_of(row)

    # ------------------------------------------------------------------ what operators say

    def pause(self, connection: Connection, lane: str) -> Lane:
        """Return a lane, PAUSED: nothing more is sent, everything is kept."""
        return lanes.pause(self._tables, connection, lane)

    def drain(self, connection: Connection, lane: str, now: datetime | None = None) -> Lane:
        """Return a lane, DRAINING: what it holds now is finished, then it is PAUSED.

        It is PAUSED at once when it holds nothing.
        """
        return lanes.drain(self._tables, connection, lane, now or clock.now())

    def resume(self, connection: Connection, lane: str, now: datetime | None = None) -> Lane:
        """Return a lane, RUNNING again."""
        return lanes.resume(self._tables, connection, lane, now or clock.now())

    def limit(
        self,
        connection: Connection,
        lane: str,
        *,
        max_concurrency: int | None,
        max_per_second: float | None,
    ) -> Lane:
        """Return a lane with other limits: calls at a time, calls a second. None: as by default.

        Raises ValueError for a limit that would let nothing through.
        """
        return lanes.limit(self._tables, connection, lane, max_concurrency, max_per_second)

    # ------------------------------------------------------------------ delivering

    def claim(
        self,
        owner: str,
        limit: int,
        now: datetime | None = None,
        *,
        parked: bool = True,
        expected: bool = False,
    ) -> list[Claim]:
        """Return up to so many due lanes, leased to the owner, each with the events of a turn.

        Those that have waited longest come first. Without `parked`, those that are to be probed
        are left. Whether there is anything is looked at before any lock is taken, unless it is
        expected: then that would only take time.
        """
        now = now or clock.now()
        if not expected and not self._anything_due(now):
            return []
        while True:
            with self._engine.begin() as connection:
                more = self._claiming.take_in_arrivals(connection, now)
                claims = self._claiming.lease_due_lanes(
                    connection, owner, limit, now, parked=parked
                )
            # However much has arrived for lanes that are parked, others wait behind none of it.
            if claims or not more:
                return claims

    def _anything_due(self, now: datetime) -> bool:
        with self._reading.connect() as connection:
            return bool(connection.execute(self._claiming.anything_due(now)).scalar_one())

    def settle(
        self, settlements: Sequence[Settlement], now: datetime | None = None
    ) -> list[Recorded | LeaseLost]:
        """Record attempts of many lanes, each once, in one transaction; return what came of each.

        A lane's lease is prolonged, or given back. When a listener raises, its event alone is not
        recorded, and is sent again later.
        """
        now = now or clock.now()
        try:
            with self._engine.begin() as connection:
                return self._recording.settle(connection, settlements, now, one_by_one=False)
        except ListenerFailed:
            with self._engine.begin() as connection:
                return self._recording.settle(connection, settlements, now, one_by_one=True)

    def record(self, lease: Lease, sent: Sequence[Sent], now: datetime | None = None) -> Recorded:
        """Record attempts, and prolong the lease.

        Raises LeaseLost when somebody else has it, and what a listener raised.
        """
        return self._settle_one(Settlement(lease, sent), now)

    def release(self, lease: Lease, sent: Sequence[Sent], now: datetime | None = None) -> None:
        """Record attempts, and give the lane back. Raises as `record`."""
        self._settle_one(Settlement(lease, sent, release=True), now)

    def _settle_one(self, settlement: Settlement, now: datetime | None) -> Recorded:
        (result,) = self.settle([settlement], now)
        if isinstance(result, LeaseLost):
            raise result
        for error in result.failed.values():
            raise error
        return result

    @property
    def breaker(self) -> BreakerPolicy:
        """When a lane is parked."""
        return self._breaker

    @property
    def retry(self) -> RetryPolicy:
        """When an event is tried again."""
        return self._retry

    @property
    def one_writer(self) -> bool:
        """Whether the database takes one writing transaction at a time."""
        return self._engine.dialect.name == "sqlite"

    def body(self, event: Event) -> bytes:
        """Return the bytes to be signed and sent: the payload, the secrets merged into it.

        Raises Unavailable when the secrets cannot be decrypted.
        """
        if event.encrypted_secrets is None:
            return event.payload.encode()
        return merge(event.payload, self._secret_box.decrypt(event.encrypted_secrets)).encode()

    # ------------------------------------------------------------------ reading

    def read_event(self, connection: Connection, event_id: UUID) -> Event:
        """Return an event. Raises NotFound."""
        event = self._tables.event
        row = connection.execute(
            select(*event_columns(event)).where(event.c.event_id == event_id)
        ).one_or_none()
        if row is None:
            raise NotFound.entity("delivery", event_id)
        return event_of(row)

    def list_events(
        self,
        connection: Connection,
        which: EventFilter,
        *,
        limit: int,
        before: UUID | None = None,
    ) -> list[Event]:
        """Return up to so many events, the newest first, those before an id when one is given."""
        event = self._tables.event
        query = select(*event_columns(event)).order_by(event.c.event_id.desc()).limit(limit)
        if which.lanes is not None:
            query = query.where(event.c.lane.in_(which.lanes))
        if which.states is not None:
            query = query.where(event.c.state.in_(which.states))
        for column in ("kind", "ordering_key", "correlation_id"):
            wanted = getattr(which, column)
            if wanted is not None:
                query = query.where(event.c[column] == wanted)
        if before is not None:
            query = query.where(event.c.event_id < before)
        return [event_of(row) for row in connection.execute(query)]

    def list_attempts(
        self, connection: Connection, event_id: UUID, *, limit: int, after: int = 0
    ) -> list[Attempt]:
        """Return up to so many attempts of an event, the first one first, those after a number."""
        attempt = self._tables.attempt
        rows = connection.execute(
            select(attempt)
            .where(attempt.c.event_id == event_id, attempt.c.number > after)
            .order_by(attempt.c.number)
            .limit(limit)
        ).mappings()
        return [
            Attempt(**{**row, "resulting_state": EventState(row["resulting_state"])})
            for row in rows
        ]

    def read_lane(self, connection: Connection, name: str) -> Lane | None:
        """Return a lane, or None when it has never carried an event."""
        lane = self._tables.lane
        row = connection.execute(select(lane).where(lane.c.name == name)).mappings().one_or_none()
        return None if row is None else lanes.lane_of(row)

"""The outbox: events written in the caller's transaction, and delivered at least once or dead.

How nothing is lost: an event is a row from the caller's commit on, and stays unfinished until an
attempt's outcome commits. Who delivers holds a lease on the lane; when it dies, the lease expires
and the lane is claimed again. Each outcome commits together with its attempt, and only while the
lease is held.
"""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    Connection,
    Engine,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from mpp_sdk import clock
from mpp_sdk.database import reading
from mpp_sdk.errors import IllegalTransition, NotFound
from mpp_sdk.outbox.model import (
    Attempt,
    Claim,
    Event,
    EventFilter,
    Lane,
    Lease,
    NewEvent,
    Recorded,
    Sent,
    merge,
)
from mpp_sdk.outbox.policy import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    EventState,
    NoResponse,
    Response,
    RetryPolicy,
    Tried,
    Verdict,
)
from mpp_sdk.outbox.tables import OutboxTables
from mpp_sdk.secrets import SecretBox

OutcomeListener = Callable[[Connection, Event], None]
"""Called in the transaction that records an attempt, with the event as it stands after it."""

_WRITTEN = tuple(one.name for one in fields(NewEvent) if one.name != "secrets")
_ARRIVALS_AT_ONCE = 1_000
_RESPONSE_CHARACTERS_KEPT = 2_000


class LeaseLost(Exception):
    """Somebody else has taken the lane over; what was not recorded will be sent again."""


class Outbox:
    """A durable outbox in one database, SQLite or PostgreSQL.

    lease_duration must be longer than a send can take. events_per_claim bounds one lane's turn.
    on_outcome is called in the transaction that records an attempt; what it raises undoes it.
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
        on_outcome: OutcomeListener | None = None,
    ) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._tables = tables
        self._secret_box = secret_box
        self._retry = retry or RetryPolicy()
        self._breaker = breaker or BreakerPolicy()
        self._lease_duration = lease_duration
        self._events_per_claim = events_per_claim
        self._on_outcome = on_outcome
        # Deciding how far attempts are spread needs no unpredictable numbers.
        self._random = random.Random()  # noqa: S311

    # ------------------------------------------------------------------ writing

    def enqueue(self, connection: Connection, new: NewEvent) -> None:
        """Write an event in the caller's transaction; it is delivered once that commits.

        Raises ValueError when secrets are given and they or the payload are no JSON object.
        """
        self.enqueue_all(connection, [new])

    def enqueue_all(self, connection: Connection, new: Sequence[NewEvent]) -> None:
        """Write events, at least one, in their order. Raises as `enqueue`."""
        connection.execute(insert(self._tables.event), [self._values(one) for one in new])
        arrived = dict.fromkeys((one.lane, one.ordering_key) for one in new)
        self._arrive(connection, arrived)

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
        row = (
            connection.execute(
                update(event)
                .where(event.c.event_id == event_id, event.c.state == EventState.DEAD)
                .values(
                    state=EventState.QUEUED,
                    failures=0,
                    first_attempt_at=None,
                    next_attempt_at=None,
                    not_before=None,
                    finished_at=None,
                    dead_reason=None,
                )
                .returning(event)
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            state = self.read_event(connection, event_id).state
            raise IllegalTransition("The delivery", state, "replay", ())
        self._arrive(connection, [(row["lane"], row["ordering_key"])])
        return _event(row)

    def _arrive(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
        connection.execute(
            insert(self._tables.arrival),
            [{"lane": lane, "ordering_key": ordering_key} for lane, ordering_key in keys],
        )

    # ------------------------------------------------------------------ delivering

    def claim(self, owner: str, limit: int, now: datetime | None = None) -> list[Claim]:
        """Return up to so many due lanes, leased to the owner, each with the events of a turn."""
        now = now or clock.now()
        with self._reading.connect() as connection:
            if not connection.execute(self._anything_due(now)).scalar_one():
                return []
        with self._engine.begin() as connection:
            self._take_in_arrivals(connection, now)
            return self._lease_due_lanes(connection, owner, limit, now)

    def record(self, lease: Lease, sent: Sequence[Sent], now: datetime | None = None) -> Recorded:
        """Record attempts, and prolong the lease. Raises LeaseLost when somebody else has it."""
        return self._record(lease, sent, now or clock.now(), release=False)

    def release(self, lease: Lease, sent: Sequence[Sent], now: datetime | None = None) -> None:
        """Record attempts, and give the lane back. Raises LeaseLost when somebody else has it."""
        self._record(lease, sent, now or clock.now(), release=True)

    def body(self, event: Event) -> bytes:
        """Return the bytes to be signed and sent: the payload, the secrets merged into it.

        Raises Unavailable when the secrets cannot be decrypted.
        """
        if event.encrypted_secrets is None:
            return event.payload.encode()
        return merge(event.payload, self._secret_box.decrypt(event.encrypted_secrets)).encode()

    def _anything_due(self, now: datetime) -> Select[tuple[bool]]:
        lane = self._tables.lane
        return select(
            or_(
                exists().select_from(self._tables.arrival),
                exists().where(lane.c.due_at <= now),
            )
        )

    def _take_in_arrivals(self, connection: Connection, now: datetime) -> None:
        """Make the lanes of new events due, and the first of each key sendable."""
        arrival = self._tables.arrival
        some = (
            select(arrival.c.id)
            .order_by(arrival.c.id)
            .limit(_ARRIVALS_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        rows = connection.execute(
            delete(arrival)
            .where(arrival.c.id.in_(some))
            .returning(arrival.c.lane, arrival.c.ordering_key)
        ).all()
        keys = sorted({(row.lane, row.ordering_key) for row in rows})
        if not keys:
            return
        # In sorted order, so that two claims never wait for each other. The lane's row is locked
        # before its events are looked at: a recording that finishes an event does the same.
        for name in sorted({lane for lane, _ in keys}):
            self._make_due(connection, name, now)
        self._promote(connection, keys, now)

    def _make_due(self, connection: Connection, name: str, now: datetime) -> None:
        lane = self._tables.lane
        values = {
            "name": name,
            "due_at": now,
            "breaker_state": BreakerState.CLOSED,
            "consecutive_failures": 0,
        }
        # A leased lane is looked at again when it is released, a parked one when it is probed.
        untouched = or_(
            lane.c.lease_token.is_not(None),
            and_(lane.c.breaker_state != BreakerState.CLOSED, lane.c.due_at.is_not(None)),
            lane.c.due_at <= now,
        )
        due_at = case(
            (untouched, lane.c.due_at),
            (lane.c.probe_at > now, lane.c.probe_at),
            else_=now,
        )
        # The same statement twice: each dialect has its own construct for it.
        if connection.dialect.name == "sqlite":
            on_sqlite = sqlite.insert(lane).values(values)
            connection.execute(
                on_sqlite.on_conflict_do_update(index_elements=["name"], set_={"due_at": due_at})
            )
        else:
            on_postgresql = postgresql.insert(lane).values(values)
            connection.execute(
                on_postgresql.on_conflict_do_update(
                    index_elements=["name"], set_={"due_at": due_at}
                )
            )

    def _promote(
        self, connection: Connection, keys: Iterable[tuple[str, str]], now: datetime
    ) -> None:
        """Make the first unfinished event of each lane and key sendable, unless it is already."""
        event = self._tables.event
        others = event.alias()
        first = (
            select(others.c.position)
            .where(
                others.c.lane == bindparam("of_lane"),
                others.c.ordering_key == bindparam("of_key"),
                others.c.finished_at.is_(None),
            )
            .order_by(others.c.position)
            .limit(1)
            .scalar_subquery()
        )
        connection.execute(
            update(event)
            .where(event.c.position == first, event.c.next_attempt_at.is_(None))
            .values(
                next_attempt_at=case((event.c.not_before > now, event.c.not_before), else_=now)
            ),
            [{"of_lane": lane, "of_key": key} for lane, key in keys],
        )

    def _lease_due_lanes(
        self, connection: Connection, owner: str, limit: int, now: datetime
    ) -> list[Claim]:
        lane = self._tables.lane
        rows = (
            connection.execute(
                select(lane)
                .where(lane.c.due_at <= now)
                .order_by(lane.c.due_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            .mappings()
            .all()
        )
        claims = []
        for row in rows:
            breaker = _breaker(row)
            events = self._next_events(connection, row["name"], breaker, now)
            if not events:
                self._let_go(connection, row["name"], breaker.without_answer(now, self._breaker))
                continue
            lease = Lease(row["name"], uuid4(), owner, now + self._lease_duration)
            connection.execute(
                update(lane)
                .where(lane.c.name == lease.lane)
                .values(
                    due_at=lease.expires_at,
                    lease_token=lease.token,
                    lease_owner=owner,
                    lease_expires_at=lease.expires_at,
                    breaker_state=breaker.probing().state,
                )
            )
            claims.append(Claim(lease, tuple(events)))
        return claims

    def _next_events(
        self, connection: Connection, lane: str, breaker: Breaker, now: datetime
    ) -> list[Event]:
        """Return the events of a lane's next turn: one that probes, when the lane is parked."""
        event = self._tables.event
        others = event.alias()
        if breaker.state is BreakerState.CLOSED:
            due, limit = event.c.next_attempt_at <= now, self._events_per_claim
        else:  # a probe may come before the event's own turn, but not before a Retry-After
            due = and_(
                event.c.next_attempt_at.is_not(None),
                or_(event.c.not_before.is_(None), event.c.not_before <= now),
            )
            limit = 1
        first = (
            select(others.c.position)
            .where(
                others.c.lane == event.c.lane,
                others.c.ordering_key == event.c.ordering_key,
                others.c.finished_at.is_(None),
            )
            .order_by(others.c.position)
            .limit(1)
            .scalar_subquery()
        )
        query = (
            select(event, first.label("first"))
            .where(event.c.lane == lane, due)
            .order_by(event.c.next_attempt_at, event.c.position)
            .limit(limit)
        )
        heads: list[Event] = []
        while not heads:
            rows = connection.execute(query).mappings().all()
            if not rows:
                return []
            # One that an earlier event, replayed, has come in front of waits for it.
            overtaken = [row["position"] for row in rows if row["position"] != row["first"]]
            if overtaken:
                connection.execute(
                    update(event)
                    .where(event.c.position.in_(overtaken))
                    .values(next_attempt_at=None)
                )
            heads = [_event(row) for row in rows if row["position"] == row["first"]]
        return self._with_followers(connection, heads, limit, now)

    def _with_followers(
        self, connection: Connection, heads: Sequence[Event], limit: int, now: datetime
    ) -> list[Event]:
        """Return the events with those that come right after them in their keys, up to a limit."""
        event = self._tables.event
        each = limit // len(heads) - 1
        if each < 1:
            return list(heads)
        taken = []
        for head in heads:
            rows = connection.execute(
                select(event)
                .where(
                    event.c.lane == head.lane,
                    event.c.ordering_key == head.ordering_key,
                    event.c.finished_at.is_(None),
                    event.c.position > head.position,
                )
                .order_by(event.c.position)
                .limit(each)
            ).mappings()
            followers = map(_event, rows)
            taken += [head, *takewhile(lambda one: (one.not_before or now) <= now, followers)]
        return taken

    def _record(
        self, lease: Lease, sent: Sequence[Sent], now: datetime, *, release: bool
    ) -> Recorded:
        lane = self._tables.lane
        with self._engine.begin() as connection:
            row = (
                connection.execute(
                    select(lane)
                    .where(lane.c.name == lease.lane, lane.c.lease_token == lease.token)
                    .with_for_update()
                )
                .mappings()
                .one_or_none()
            )
            if row is None:
                raise LeaseLost(f"The lease on the lane {lease.lane} was lost.")
            before = breaker = _breaker(row)
            states = {}
            for one in sent:
                verdict = self._judge(one, now)
                self._write_outcome(connection, one, verdict, now)
                states[one.event.event_id] = verdict.state
                breaker = breaker.after(alive=verdict.platform_alive, now=now, policy=self._breaker)
            if breaker.state is BreakerState.CLOSED and before.state is not BreakerState.CLOSED:
                self._hasten(connection, lease.lane, now)
            if release:
                if not sent:
                    breaker = breaker.without_answer(now, self._breaker)
                self._let_go(connection, lease.lane, breaker, no_earlier_than=now)
                return Recorded(lease, breaker, states)
            prolonged = replace(lease, expires_at=now + self._lease_duration)
            connection.execute(
                update(lane)
                .where(lane.c.name == lease.lane)
                .values(
                    due_at=prolonged.expires_at,
                    lease_expires_at=prolonged.expires_at,
                    **_breaker_values(breaker),
                )
            )
            return Recorded(prolonged, breaker, states)

    def _judge(self, sent: Sent, now: datetime) -> Verdict:
        tried = Tried(sent.event.failures, sent.event.first_attempt_at)
        return self._retry.judge(sent.answer, tried, now, self._random.random())

    def _write_outcome(
        self, connection: Connection, sent: Sent, verdict: Verdict, now: datetime
    ) -> None:
        event, attempt = self._tables.event, self._tables.attempt
        before = sent.event
        finished = verdict.state in (EventState.DELIVERED, EventState.DEAD)
        values: dict[str, Any] = {
            "state": verdict.state,
            "attempts": before.attempts + 1,
            "failures": before.failures + (verdict.state is not EventState.DELIVERED),
            "first_attempt_at": before.first_attempt_at or sent.started_at,
            "next_attempt_at": verdict.next_attempt_at,
            "not_before": verdict.not_before,
            "finished_at": now if finished else None,
            "dead_reason": verdict.dead_reason,
        }
        if verdict.state is EventState.DELIVERED:
            values["encrypted_secrets"] = None  # only a dead event may be sent again
        row = (
            connection.execute(
                update(event)
                .where(event.c.position == before.position)
                .values(values)
                .returning(event)
            )
            .mappings()
            .one()
        )
        after = _event(row)
        match sent.answer:
            case Response(status=status, body=body):
                said = {"status": status, "response_body": _kept(body)}
            case NoResponse(reason=reason):
                said = {"error": reason}
        connection.execute(
            insert(attempt).values(
                event_id=after.event_id,
                number=after.attempts,
                started_at=sent.started_at,
                duration_ms=sent.duration_ms,
                resulting_state=after.state,
                **said,
            )
        )
        if finished:
            self._promote(connection, [(after.lane, after.ordering_key)], now)
        if self._on_outcome is not None:
            self._on_outcome(connection, after)

    def _hasten(self, connection: Connection, lane: str, now: datetime) -> None:
        """Let what waited for a parked lane go at once, but not before a Retry-After."""
        event = self._tables.event
        connection.execute(
            update(event)
            .where(event.c.lane == lane, event.c.next_attempt_at > now)
            .values(next_attempt_at=case((event.c.not_before > now, event.c.not_before), else_=now))
        )

    def _let_go(
        self,
        connection: Connection,
        name: str,
        breaker: Breaker,
        no_earlier_than: datetime | None = None,
    ) -> None:
        """End a lane's turn, and say when its next one is due: behind those that waited longer."""
        lane, event = self._tables.lane, self._tables.event
        next_at = connection.execute(
            select(func.min(event.c.next_attempt_at)).where(
                event.c.lane == name, event.c.next_attempt_at.is_not(None)
            )
        ).scalar_one()
        due_at = next_at
        if next_at is not None:
            if breaker.state is not BreakerState.CLOSED:
                due_at = breaker.probe_at
            elif no_earlier_than is not None:
                due_at = max(next_at, no_earlier_than)
        connection.execute(
            update(lane)
            .where(lane.c.name == name)
            .values(
                due_at=due_at,
                lease_token=None,
                lease_owner=None,
                lease_expires_at=None,
                **_breaker_values(breaker),
            )
        )

    # ------------------------------------------------------------------ forgetting

    def forget_delivered(self, connection: Connection, before: datetime, limit: int = 1_000) -> int:
        """Delete some events delivered before a moment, with their attempts; return how many."""
        event, attempt = self._tables.event, self._tables.attempt
        ids = (
            connection.execute(
                select(event.c.event_id)
                .where(event.c.state == EventState.DELIVERED, event.c.finished_at < before)
                .order_by(event.c.event_id)
                .limit(limit)
            )
            .scalars()
            .all()
        )
        connection.execute(delete(attempt).where(attempt.c.event_id.in_(ids)))
        connection.execute(delete(event).where(event.c.event_id.in_(ids)))
        return len(ids)

    # ------------------------------------------------------------------ reading

    def read_event(self, connection: Connection, event_id: UUID) -> Event:
        """Return an event. Raises NotFound."""
        event = self._tables.event
        row = (
            connection.execute(select(event).where(event.c.event_id == event_id))
            .mappings()
            .one_or_none()
        )
        if row is None:
            raise NotFound.entity("delivery", event_id)
        return _event(row)

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
        query = select(event).order_by(event.c.event_id.desc()).limit(limit)
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
        return [_event(row) for row in connection.execute(query).mappings()]

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
        if row is None:
            return None
        values = {column: row[column] for column in Lane.__dataclass_fields__}
        return Lane(**{**values, "breaker_state": BreakerState(row["breaker_state"])})


def _event(row: RowMapping) -> Event:
    values = {column: row[column] for column in Event.__dataclass_fields__}
    return Event(**{**values, "state": EventState(row["state"])})


def _breaker(row: RowMapping) -> Breaker:
    return Breaker(BreakerState(row["breaker_state"]), row["consecutive_failures"], row["probe_at"])


def _breaker_values(breaker: Breaker) -> dict[str, Any]:
    return {
        "breaker_state": breaker.state,
        "consecutive_failures": breaker.consecutive_failures,
        "probe_at": breaker.probe_at,
    }


def _kept(body: str) -> str:
    """Return the beginning of a body as every database can store it."""
    return body[:_RESPONSE_CHARACTERS_KEPT].replace("\0", "\N{REPLACEMENT CHARACTER}")

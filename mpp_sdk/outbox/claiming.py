"""Claiming: from events that have arrived to lanes that are leased, in a few statements for many.

Rows are locked in one order everywhere, lanes by name and events only under their lane, so that two
processes never wait for each other in a circle.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    insert,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from mpp_sdk.outbox.bulk import among, arrays, is_postgresql, update_rows, values_of
from mpp_sdk.outbox.model import Claim, Event, Lease
from mpp_sdk.outbox.policy import BreakerPolicy, BreakerState, LaneMode
from mpp_sdk.outbox.rows import (
    breaker_of,
    breaker_values,
    event_columns,
    event_of,
    first_position,
    next_due,
    promote,
)
from mpp_sdk.outbox.tables import OutboxTables

_ARRIVALS_AT_ONCE = 1_000


class Claiming:
    """Leases due lanes, each with the events of one turn."""

    def __init__(
        self,
        tables: OutboxTables,
        breaker: BreakerPolicy,
        lease_duration: timedelta,
        events_per_claim: int,
        held: ColumnElement[bool] | None,
    ) -> None:
        self._tables = tables
        self._breaker = breaker
        self._lease_duration = lease_duration
        self._events_per_claim = events_per_claim
        self._held = false() if held is None else held

    def anything_due(self, now: datetime) -> Select[tuple[bool]]:
        """Return a query whether there is anything to take in or to claim."""
        lane = self._tables.lane
        due = or_(
            exists().select_from(self._tables.arrival),
            exists().where(lane.c.due_at <= now),
        )
        return select(and_(not_(self._held), due))

    # ------------------------------------------------------------------ arrivals

    def take_in_arrivals(self, connection: Connection, now: datetime) -> bool:
        """Make the lanes of new events due, and the first of each key sendable.

        Return whether more may have arrived than is taken in at once.
        """
        arrival = self._tables.arrival
        some = (
            select(arrival.c.id)
            .where(not_(self._held))
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
            return False
        # The lane's row is locked before its events are looked at: a recording that finishes an
        # event does the same.
        self._make_due(connection, sorted({lane for lane, _ in keys}), now)
        promote(self._tables, connection, keys, now)
        return len(rows) == _ARRIVALS_AT_ONCE

    def _make_due(self, connection: Connection, names: Sequence[str], now: datetime) -> None:
        lane = self._tables.lane
        values = [
            {
                "name": name,
                "due_at": now,
                "breaker_state": BreakerState.CLOSED.value,
                "consecutive_failures": 0,
                "mode": LaneMode.RUNNING.value,
            }
            for name in names
        ]
        # A leased lane is looked at again when it is released, a parked one when it is probed.
        untouched = or_(
            lane.c.lease_token.is_not(None),
            and_(lane.c.breaker_state != BreakerState.CLOSED, lane.c.due_at.is_not(None)),
            lane.c.due_at <= now,
        )
        due_at = case(
            (lane.c.mode == LaneMode.PAUSED, None),
            (untouched, lane.c.due_at),
            (lane.c.probe_at > now, lane.c.probe_at),
            (lane.c.paced_until > now, lane.c.paced_until),
            else_=now,
        )
        # The same statement twice: each dialect has its own construct for it.
        if is_postgresql(connection):
            columns = tuple(values[0])
            given = select(*values_of(lane, columns).c)
            on_postgresql = postgresql.insert(lane).from_select(columns, given)
            connection.execute(
                on_postgresql.on_conflict_do_update(
                    index_elements=["name"], set_={"due_at": due_at}
                ),
                arrays(columns, values),
            )
        else:
            on_sqlite = sqlite.insert(lane)
            connection.execute(
                on_sqlite.on_conflict_do_update(index_elements=["name"], set_={"due_at": due_at}),
                values,
            )

    # ------------------------------------------------------------------ lanes

    def lease_due_lanes(
        self, connection: Connection, owner: str, limit: int, now: datetime, *, parked: bool
    ) -> list[Claim]:
        """Return up to so many due lanes, leased; parked ones among them only if wanted."""
        lane = self._tables.lane
        due = [not_(self._held), lane.c.due_at <= now, lane.c.mode != LaneMode.PAUSED]
        if not parked:
            due.append(lane.c.breaker_state == BreakerState.CLOSED)
        rows = (
            connection.execute(
                select(lane)
                .where(*due)
                .order_by(lane.c.due_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            .mappings()
            .all()
        )
        if not rows:
            return []
        turns = self._turns(connection, rows, now)
        expires_at = now + self._lease_duration
        claims = []
        for row in rows:
            events = turns.get(row["name"])
            if events:
                lease = Lease(row["name"], uuid4(), owner, expires_at)
                claims.append(
                    Claim(
                        lease,
                        tuple(events),
                        breaker_of(row),
                        row["max_concurrency"],
                        row["max_per_second"],
                        row["paced_until"],
                    )
                )
        self._take(connection, claims)
        self._let_go(connection, [row for row in rows if not turns.get(row["name"])], now)
        return claims

    def _take(self, connection: Connection, claims: Sequence[Claim]) -> None:
        update_rows(
            connection,
            self._tables.lane,
            "name",
            [
                {
                    "name": claim.lease.lane,
                    "due_at": claim.lease.expires_at,
                    "lease_token": claim.lease.token,
                    "lease_owner": claim.lease.owner,
                    "lease_expires_at": claim.lease.expires_at,
                    "breaker_state": claim.breaker.probing().state.value,
                }
                for claim in claims
            ],
        )

    def _let_go(self, connection: Connection, rows: Sequence[RowMapping], now: datetime) -> None:
        """Say when lanes are due that have nothing to send now."""
        if not rows:
            return
        due = next_due(self._tables, connection, [row["name"] for row in rows])
        values = []
        for row in rows:
            breaker = breaker_of(row).without_answer(now, self._breaker)
            due_at = due[row["name"]]
            if due_at is not None and breaker.state is not BreakerState.CLOSED:
                due_at = breaker.probe_at
            values.append(
                {
                    "name": row["name"],
                    "due_at": due_at,
                    "lease_token": None,
                    "lease_owner": None,
                    "lease_expires_at": None,
                    **breaker_values(breaker),
                }
            )
        update_rows(connection, self._tables.lane, "name", values)

    # ------------------------------------------------------------------ events

    def _turns(
        self, connection: Connection, rows: Sequence[RowMapping], now: datetime
    ) -> dict[str, list[Event]]:
        """Return the events of each lane's turn: one that probes, when the lane is parked."""
        healthy = [row for row in rows if row["breaker_state"] == BreakerState.CLOSED]
        parked = [row for row in rows if row["breaker_state"] != BreakerState.CLOSED]
        limits = {row["name"]: self._limit(row) for row in healthy}
        turns = self._heads(connection, list(limits), now, self._events_per_claim, probing=False)
        for name, heads in turns.items():
            del heads[limits[name] :]
        self._add_followers(connection, turns, limits, rows, now)
        probes = [row["name"] for row in parked]
        return turns | self._heads(connection, probes, now, 1, probing=True)

    def _limit(self, row: RowMapping) -> int:
        """Return how many events a lane's turn may have."""
        limit = self._events_per_claim
        if row["consecutive_failures"]:
            limit = min(limit, max(1, self._breaker.threshold - row["consecutive_failures"]))
        if row["max_per_second"] is not None:
            limit = min(limit, max(1, int(row["max_per_second"])))
        return limit

    def _heads(
        self, connection: Connection, names: Sequence[str], now: datetime, limit: int, probing: bool
    ) -> dict[str, list[Event]]:
        """Return for each lane some events that may be sent now, each the first of its key."""
        heads: dict[str, list[Event]] = {}
        event = self._tables.event
        while names:
            query = self._due_events(connection, names, now, limit, probing)
            found: dict[str, list[Event]] = defaultdict(list)
            overtaken: list[Event] = []
            for row in connection.execute(query):
                one = event_of(row)
                (found[one.lane] if row[-1] == one.position else overtaken).append(one)
            heads |= found
            if not overtaken:
                break
            # One that an earlier event, replayed, has come in front of waits for it.
            connection.execute(
                update(event)
                .where(among(connection, event.c.position, [one.position for one in overtaken]))
                .values(next_attempt_at=None)
            )
            names = sorted({one.lane for one in overtaken} - set(heads))
        for of_lane in heads.values():
            of_lane.sort(key=lambda one: (one.next_attempt_at, one.position))
        return heads

    def _due_events(
        self, connection: Connection, names: Sequence[str], now: datetime, limit: int, probing: bool
    ) -> Select[Any]:
        lane, event = self._tables.lane, self._tables.event
        some = event if is_postgresql(connection) else event.alias()

        def due(of: FromClause) -> ColumnElement[bool]:
            within = or_(lane.c.drain_until.is_(None), of.c.position <= lane.c.drain_until)
            if not probing:
                return and_(of.c.next_attempt_at <= now, within)
            # A probe may come before the event's own turn, but not before a Retry-After.
            allowed = or_(of.c.not_before.is_(None), of.c.not_before <= now)
            return and_(of.c.next_attempt_at.is_not(None), allowed, within)

        picked = (
            select(*event_columns(some) if some is event else [some.c.position])
            .where(some.c.lane == lane.c.name, due(some))
            .order_by(some.c.next_attempt_at, some.c.position)
            .limit(limit)
            .correlate(lane)
        )
        found: FromClause
        # Each dialect has a way of its own to take some rows for each of others.
        if is_postgresql(connection):
            found = picked.lateral("head")
            source = lane.join(found, true())
        else:
            found = event
            source = lane.join(event, event.c.position.in_(picked))
        first = first_position(event, found.c.lane, found.c.ordering_key)
        return (
            select(*event_columns(found), first.correlate(found).scalar_subquery())
            .select_from(source)
            .where(among(connection, lane.c.name, names))
        )

    def _add_followers(
        self,
        connection: Connection,
        turns: Mapping[str, list[Event]],
        limits: Mapping[str, int],
        rows: Iterable[RowMapping],
        now: datetime,
    ) -> None:
        """Put behind each event those that come right after it in its key, up to the limit."""
        ends = {row["name"]: row["drain_until"] for row in rows}
        by_count: dict[int, list[Event]] = defaultdict(list)
        for name, heads in turns.items():
            each = limits[name] // len(heads) - 1
            if each > 0:
                by_count[each] += heads  # few different counts make few statements
        followers: dict[tuple[str, str], list[Event]] = defaultdict(list)
        for count, heads in by_count.items():
            for row in connection.execute(*self._following(connection, heads, count)):
                one = event_of(row)
                followers[one.lane, one.ordering_key].append(one)
        for name, heads in turns.items():
            taken = []
            for head in heads:
                after = followers.get((head.lane, head.ordering_key), [])
                after.sort(key=lambda one: one.position)
                allowed = takewhile(
                    lambda one: (one.not_before or now) <= now,
                    [one for one in after if ends[name] is None or one.position <= ends[name]],
                )
                taken += [head, *allowed]
            heads[:] = taken

    def _following(
        self, connection: Connection, heads: Sequence[Event], count: int
    ) -> tuple[Select[Any], dict[str, Any]]:
        event = self._tables.event
        if is_postgresql(connection):
            names = ("lane", "ordering_key", "position")
            head: FromClause = values_of(event, names)
            picked = self._after(event, head, count).lateral("follower")
            query = select(*event_columns(picked)).select_from(head.join(picked, true()))
            given = [
                {"lane": one.lane, "ordering_key": one.ordering_key, "position": one.position}
                for one in heads
            ]
            return query, arrays(names, given)
        head, some = event.alias("head"), event.alias()
        positions = self._after(some, head, count).with_only_columns(some.c.position)
        query = (
            select(*event_columns(event))
            .select_from(head.join(event, event.c.position.in_(positions)))
            .where(head.c.position.in_(bindparam("of", expanding=True)))
        )
        return query, {"of": [one.position for one in heads]}

    def _after(self, event: FromClause, head: FromClause, count: int) -> Select[Any]:
        return (
            select(*event_columns(event))
            .where(
                event.c.lane == head.c.lane,
                event.c.ordering_key == head.c.ordering_key,
                event.c.finished_at.is_(None),
                event.c.position > head.c.position,
            )
            .order_by(event.c.position)
            .limit(count)
            .correlate(head)
        )


def arrive(tables: OutboxTables, connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
    """Note that there are events of these lanes and keys; the next claim looks at them."""
    rows = [{"lane": lane, "ordering_key": key} for lane, key in dict.fromkeys(keys)]
    if rows:
        connection.execute(insert(tables.arrival), rows)

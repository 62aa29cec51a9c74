"""Recording: what came of the attempts of many lanes, in one transaction and a few statements."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, case, collate, exists, or_, select, update

from mpp_sdk.outbox.bulk import among, insert_rows, is_postgresql, update_rows
from mpp_sdk.outbox.model import Event, Lease, LeaseLost, Recorded, Sent, Settlement
from mpp_sdk.outbox.policy import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    EventState,
    LaneMode,
    NoResponse,
    Response,
    RetryPolicy,
    Tried,
    Unsent,
    Verdict,
)
from mpp_sdk.outbox.rows import breaker_of, breaker_values, next_due, promote
from mpp_sdk.outbox.tables import OutboxTables

OutcomeListener = Callable[[Connection, Sequence[Event]], None]
"""Called in the transaction that records attempts, with the events as they stand after them."""

_RESPONSE_CHARACTERS_KEPT = 2_000
_FINISHED = (EventState.DELIVERED, EventState.DEAD)

Outcome = tuple[Sent, Verdict]


class ListenerFailed(Exception):
    """A listener raised, as its cause; nothing of the transaction may stay."""


class Recording:
    """Writes outcomes, and what follows from them for their lanes and for others in their keys."""

    def __init__(
        self,
        tables: OutboxTables,
        retry: RetryPolicy,
        breaker: BreakerPolicy,
        lease_duration: timedelta,
        on_outcomes: OutcomeListener | None,
    ) -> None:
        self._tables = tables
        self._retry = retry
        self._breaker = breaker
        self._lease_duration = lease_duration
        self._on_outcomes = on_outcomes
        # Deciding how far attempts are spread needs no unpredictable numbers.
        self._random = random.Random()  # noqa: S311

    def settle(
        self,
        connection: Connection,
        settlements: Sequence[Settlement],
        now: datetime,
        *,
        one_by_one: bool,
    ) -> list[Recorded | LeaseLost]:
        """Return what each recording came to.

        Raises ListenerFailed when a listener raises; not with one_by_one, where each event has a
        savepoint of its own, and only the one whose listener raises is left as it was.
        """
        rows = self._locked(connection, [one.lease for one in settlements])
        held = [one for one in settlements if one.lease.lane in rows]
        outcomes = {
            one.lease.lane: [(sent, self._judge(sent, now)) for sent in one.sent] for one in held
        }
        failed: dict[str, dict[UUID, Exception]] = defaultdict(dict)
        if one_by_one:
            for name, of_lane in outcomes.items():
                failed[name] = self._write_one_by_one(connection, of_lane, now)
        else:
            self._write(connection, [pair for pairs in outcomes.values() for pair in pairs], now)
        breakers = {
            one.lease.lane: self._breaker_after(
                breaker_of(rows[one.lease.lane]), outcomes[one.lease.lane], one.release, now
            )
            for one in held
        }
        self._hasten(
            connection,
            [
                name
                for name, breaker in breakers.items()
                if breaker.state is BreakerState.CLOSED
                and rows[name]["breaker_state"] != BreakerState.CLOSED
            ],
            now,
        )
        modes = self._update_lanes(connection, held, rows, breakers, now)
        results: list[Recorded | LeaseLost] = []
        for one in settlements:
            name = one.lease.lane
            if name not in rows:
                results.append(LeaseLost(f"The lease on the lane {name} was lost."))
                continue
            lease = one.lease
            if not one.release:
                lease = replace(lease, expires_at=now + self._lease_duration)
            verdicts = {
                sent.event.event_id: verdict
                for sent, verdict in outcomes[name]
                if sent.event.event_id not in failed[name]
            }
            results.append(Recorded(lease, breakers[name], modes[name], verdicts, failed[name]))
        return results

    def _locked(self, connection: Connection, leases: Iterable[Lease]) -> dict[str, RowMapping]:
        """Return the lanes of leases that still hold, locked in the order that claims have too."""
        lane = self._tables.lane
        tokens = {lease.lane: lease.token for lease in leases}
        order = collate(lane.c.name, "C") if is_postgresql(connection) else lane.c.name
        rows = connection.execute(
            select(lane)
            .where(among(connection, lane.c.name, list(tokens)))
            .order_by(order)
            .with_for_update()
        ).mappings()
        return {row["name"]: row for row in rows if row["lease_token"] == tokens[row["name"]]}

    def _judge(self, sent: Sent, now: datetime) -> Verdict:
        tried = Tried(sent.event.failures, sent.event.first_attempt_at)
        chance = self._random.random()
        return self._retry.judge(sent.answer, tried, now, chance, sent.event.kind)

    def _breaker_after(
        self, breaker: Breaker, outcomes: Sequence[Outcome], release: bool, now: datetime
    ) -> Breaker:
        heard = [verdict for sent, verdict in outcomes if not isinstance(sent.answer, Unsent)]
        for verdict in heard:
            breaker = breaker.after(alive=verdict.platform_alive, now=now, policy=self._breaker)
        if release and not heard:
            return breaker.without_answer(now, self._breaker)
        return breaker

    # ------------------------------------------------------------------ events

    def _write(self, connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
        outcomes = self._write_given_up(connection, outcomes)
        if not outcomes:
            return
        events = self._tables.event
        after = [_after(sent, verdict, now) for sent, verdict in outcomes]
        update_rows(connection, events, "position", [_outcome_values(event) for event in after])
        clear = [
            event.position
            for event in after
            if event.state is EventState.DELIVERED and event.encrypted_secrets is not None
        ]
        if clear:  # only a dead event may be sent again
            connection.execute(
                update(events)
                .where(among(connection, events.c.position, sorted(clear)))
                .values(encrypted_secrets=None)
            )
        insert_rows(
            connection,
            self._tables.attempt,
            [_attempt(sent, event) for (sent, _), event in zip(outcomes, after, strict=True)],
        )
        finished = {
            (event.lane, event.ordering_key): None for event in after if event.state in _FINISHED
        }
        promote(self._tables, connection, finished, now)
        if self._on_outcomes is not None:
            try:
                self._on_outcomes(connection, after)
            except Exception as error:
                raise ListenerFailed from error

    def _write_given_up(
        self, connection: Connection, outcomes: Sequence[Outcome]
    ) -> Sequence[Outcome]:
        """Return the outcomes but those of events given up by hand while they were being sent.

        Their attempts are kept, and they stay dead, unless the platform took them after all.
        """
        event = self._tables.event
        failing = {
            sent.event.position: sent
            for sent, verdict in outcomes
            if verdict.state is not EventState.DELIVERED
        }
        if not failing:
            return outcomes
        rows = connection.execute(
            select(event.c.position, event.c.finished_at)
            .where(among(connection, event.c.position, sorted(failing)))
            .order_by(event.c.position)
            .with_for_update()
        )
        dead = [
            replace(
                failing[row.position].event,
                state=EventState.DEAD,
                attempts=failing[row.position].event.attempts + 1,
            )
            for row in rows
            if row.finished_at is not None
        ]
        counted = [{"position": one.position, "attempts": one.attempts} for one in dead]
        update_rows(connection, event, "position", counted)
        attempts = [_attempt(failing[one.position], one) for one in dead]
        insert_rows(connection, self._tables.attempt, attempts)
        positions = {one.position for one in dead}
        return [pair for pair in outcomes if pair[0].event.position not in positions]

    def _write_one_by_one(
        self, connection: Connection, outcomes: Sequence[Outcome], now: datetime
    ) -> dict[UUID, Exception]:
        """Return why some were not recorded: a listener's failure, or that of one before them.

        What follows such an event in its key is left unrecorded too, so that they come again in
        their order.
        """
        failed: dict[UUID, Exception] = {}
        stuck: dict[str, Exception] = {}
        event = self._tables.event
        for outcome in outcomes:
            before = outcome[0].event
            if before.ordering_key in stuck:
                failed[before.event_id] = stuck[before.ordering_key]
                continue
            try:
                with connection.begin_nested():
                    self._write(connection, [outcome], now)
            except ListenerFailed as error:
                failed[before.event_id] = stuck[before.ordering_key] = _cause(error)
                connection.execute(  # not at once: whatever is wrong may be so for longer
                    update(event)
                    .where(event.c.position == before.position)
                    .values(next_attempt_at=now + self._lease_duration)
                )
        return failed

    def _hasten(self, connection: Connection, names: Sequence[str], now: datetime) -> None:
        """Let what waited for a parked lane go at once, but not before a Retry-After."""
        if not names:
            return
        event = self._tables.event
        connection.execute(
            update(event)
            .where(among(connection, event.c.lane, names), event.c.next_attempt_at > now)
            .values(next_attempt_at=case((event.c.not_before > now, event.c.not_before), else_=now))
        )

    # ------------------------------------------------------------------ lanes

    def _update_lanes(
        self,
        connection: Connection,
        settlements: Sequence[Settlement],
        rows: dict[str, RowMapping],
        breakers: dict[str, Breaker],
        now: datetime,
    ) -> dict[str, LaneMode]:
        """Prolong leases, or end turns and say when the next is due; return the lanes' modes."""
        released = [one.lease.lane for one in settlements if one.release]
        due = next_due(self._tables, connection, released) if released else {}
        drained = self._drained(connection, [rows[name] for name in released])
        modes, values = {}, []
        for one in settlements:
            name = one.lease.lane
            mode = LaneMode.PAUSED if name in drained else LaneMode(rows[name]["mode"])
            modes[name] = mode
            paced = one.paced_until if one.paced_until and one.paced_until > now else None
            expires_at = None if one.release else now + self._lease_duration
            due_at = expires_at
            if one.release and mode is not LaneMode.PAUSED:
                due_at = _due_at(due[name], breakers[name], paced, now)
            values.append(
                {
                    "name": name,
                    "due_at": due_at,
                    "mode": mode.value,
                    "drain_until": None if name in drained else rows[name]["drain_until"],
                    "lease_token": None if one.release else one.lease.token,
                    "lease_owner": None if one.release else one.lease.owner,
                    "lease_expires_at": expires_at,
                    "paced_until": paced if one.release else rows[name]["paced_until"],
                    **breaker_values(breakers[name]),
                }
            )
        update_rows(connection, self._tables.lane, "name", values)
        return modes

    def _drained(self, connection: Connection, rows: Sequence[RowMapping]) -> set[str]:
        """Return the lanes that drain and have nothing left of what they were to deliver."""
        lane, event = self._tables.lane, self._tables.event
        draining = [row["name"] for row in rows if row["mode"] == LaneMode.DRAINING]
        if not draining:
            return set()
        left = exists().where(
            event.c.lane == lane.c.name,
            event.c.finished_at.is_(None),
            or_(lane.c.drain_until.is_(None), event.c.position <= lane.c.drain_until),
        )
        found = connection.execute(
            select(lane.c.name).where(among(connection, lane.c.name, draining), ~left)
        )
        return set(found.scalars())


def _due_at(
    next_at: datetime | None, breaker: Breaker, paced: datetime | None, now: datetime
) -> datetime | None:
    """Return when a lane's next turn is due: behind the lanes that have waited longer."""
    if next_at is None:
        return None
    if breaker.state is not BreakerState.CLOSED:
        return breaker.probe_at
    return max(next_at, now, paced or now)


def _after(sent: Sent, verdict: Verdict, now: datetime) -> Event:
    before = sent.event
    return replace(
        before,
        state=verdict.state,
        attempts=before.attempts + 1,
        failures=before.failures + (verdict.state is not EventState.DELIVERED),
        first_attempt_at=before.first_attempt_at or sent.started_at,
        next_attempt_at=verdict.next_attempt_at,
        not_before=verdict.not_before,
        finished_at=now if verdict.state in _FINISHED else None,
        dead_reason=_storable(verdict.dead_reason),
    )


def _outcome_values(event: Event) -> dict[str, Any]:
    return {
        "position": event.position,
        "state": event.state.value,
        "attempts": event.attempts,
        "failures": event.failures,
        "first_attempt_at": event.first_attempt_at,
        "next_attempt_at": event.next_attempt_at,
        "not_before": event.not_before,
        "finished_at": event.finished_at,
        "dead_reason": event.dead_reason,
    }


def _attempt(sent: Sent, after: Event) -> dict[str, Any]:
    said: tuple[int | None, str | None, str | None]
    match sent.answer:
        case Response(status=answered, body=body):
            said = answered, None, _storable(body[:_RESPONSE_CHARACTERS_KEPT])
        case NoResponse(reason=reason) | Unsent(reason=reason):
            said = None, _storable(reason), None
    status, error, response_body = said
    return {
        "event_id": after.event_id,
        "number": after.attempts,
        "started_at": sent.started_at,
        "duration_ms": sent.duration_ms,
        "status": status,
        "error": error,
        "response_body": response_body,
        "resulting_state": after.state.value,
    }


def _storable(text: str | None) -> str | None:
    """Return a text as every database can store it."""
    return text if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _cause(error: ListenerFailed) -> Exception:
    return error.__cause__ if isinstance(error.__cause__, Exception) else error

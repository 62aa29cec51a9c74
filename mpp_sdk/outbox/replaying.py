"""Sends many events again: a job that anybody may advance, stop and resume, batch by batch.

A job walks through the events in the order of their positions. Each batch and how far the job has
come with it commit together, so that a job goes on after a crash where it was, and queues each
event once. Events keep their ids and their positions: a platform that has one already applies it
no second time, and those of one ordering key arrive in their old order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    RowMapping,
    String,
    Table,
    Text,
    Uuid,
    func,
    insert,
    literal_column,
    select,
    update,
)

from mpp_sdk import clock
from mpp_sdk.database import UtcDateTime
from mpp_sdk.errors import IllegalTransition, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.outbox.claiming import arrive
from mpp_sdk.outbox.policy import BreakerState, EventState, LaneMode
from mpp_sdk.outbox.resending import QUEUED_AGAIN
from mpp_sdk.outbox.tables import OutboxTables

_LOOKED_AT = 10_000
_BATCH = 500
_OPEN_AT_ONCE = 20
_Row = Row[Any]
_POSITION = BigInteger().with_variant(Integer(), "sqlite")


class ReplayState(StrEnum):
    """Where a job stands: QUEUED -> RUNNING -> DONE, or CANCELED before that."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    CANCELED = "CANCELED"


class SkipReason(StrEnum):
    """Why an event that was selected cannot be sent again."""

    SECRETS_ERASED = "SECRETS_ERASED"


class Progress(StrEnum):
    """What came of a call of `advance`: a batch was done, jobs wait, or there is none."""

    ADVANCED = "ADVANCED"
    WAITING = "WAITING"
    NOTHING = "NOTHING"


@dataclass(frozen=True)
class ReplayFilter:
    """Which finished events are sent again; None stands for all.

    since and until bound the moment at which an event was delivered or given up; until does not
    belong to it. reason_contains is looked for in the reason of dead events, in any case.
    """

    states: frozenset[EventState] = frozenset({EventState.DEAD})
    lane: str | None = None
    ordering_key: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason_contains: str | None = None


@dataclass(frozen=True)
class Replay:
    """A job that sends events again.

    replayed and skipped count the events so far. cursor is the position up to which the job has
    come, of those from first_position to last_position.
    """

    id: UUID
    state: ReplayState
    wanted: ReplayFilter
    requested_by: str
    reason: str
    requested_at: datetime
    first_position: int
    last_position: int
    cursor: int
    replayed: int
    skipped: int
    started_at: datetime | None
    advanced_at: datetime | None
    finished_at: datetime | None

    @property
    def selected(self) -> int:
        """How many events the filter has selected so far."""
        return self.replayed + self.skipped

    @property
    def progress(self) -> float:
        """The part of the way that is done, from 0 to 1."""
        if self.state is ReplayState.DONE:
            return 1.0
        whole = self.last_position - self.first_position + 1
        return (self.cursor - self.first_position + 1) / whole if whole > 0 else 0.0


@dataclass(frozen=True)
class Skipped:
    """An event that a job selected and could not send again."""

    event_id: UUID
    reason: SkipReason


@dataclass(frozen=True)
class ReplayTables:
    """The jobs, and the events that they passed over."""

    job: Table
    skipped: Table

    @classmethod
    def define(cls, metadata: MetaData) -> Self:
        """Return the tables, defined on this metadata."""
        job = Table(
            "outbox_replay",
            metadata,
            Column("id", Uuid(), primary_key=True),
            Column("state", String(16), nullable=False),
            Column("states", String(60), nullable=False),
            Column("lane", String(200), nullable=True),
            Column("ordering_key", String(200), nullable=True),
            Column("kind", String(100), nullable=True),
            Column("since", UtcDateTime(), nullable=True),
            Column("until", UtcDateTime(), nullable=True),
            Column("reason_contains", Text(), nullable=True),
            Column("requested_by", String(200), nullable=False),
            Column("reason", Text(), nullable=False),
            Column("requested_at", UtcDateTime(), nullable=False),
            Column("first_position", _POSITION, nullable=False),
            Column("last_position", _POSITION, nullable=False),
            Column("cursor", _POSITION, nullable=False),
            Column("replayed", Integer(), nullable=False),
            Column("skipped", Integer(), nullable=False),
            Column("started_at", UtcDateTime(), nullable=True),
            Column("advanced_at", UtcDateTime(), nullable=True),
            Column("finished_at", UtcDateTime(), nullable=True),
            Index("ix_outbox_replay_state_id", "state", "id"),
            Index("ix_outbox_replay_lane_id", "lane", "id"),
        )
        skipped = Table(
            "outbox_replay_skipped",
            metadata,
            Column(
                "replay_id",
                Uuid(),
                ForeignKey("outbox_replay.id", name="fk_outbox_replay_skipped_replay_id"),
                primary_key=True,
            ),
            Column("event_id", Uuid(), primary_key=True),
            Column("reason", String(40), nullable=False),
        )
        return cls(job, skipped)


class Replays:
    """The replay jobs of one outbox.

    Events of secret_kinds carry secrets, which are erased once they are delivered: they cannot be
    sent again then, and are passed over with that reason. A job gives way while a lane that takes
    events has more than most_waiting of them, but not longer than give_way at a time: what is sent
    again must not hold up what is new.
    """

    def __init__(
        self,
        outbox: OutboxTables,
        tables: ReplayTables,
        *,
        secret_kinds: frozenset[str] = frozenset(),
        batch: int = _BATCH,
        most_waiting: int = 1_000,
        give_way: timedelta = timedelta(seconds=10),
    ) -> None:
        self._outbox = outbox
        self._tables = tables
        self._secret_kinds = secret_kinds
        self._batch = batch
        self._most_waiting = most_waiting
        self._give_way = give_way

    def request(
        self, connection: Connection, wanted: ReplayFilter, requested_by: str, reason: str
    ) -> Replay:
        """Return a new job for the events that are finished now; nothing is queued yet."""
        event = self._outbox.event
        bounds = select(func.min(event.c.position), func.max(event.c.position))
        first, last = connection.execute(bounds).one()
        if first is None:
            first, last = 1, 0
        elif wanted.states == {EventState.DEAD}:
            oldest_dead = select(func.min(event.c.position)).where(is_dead(event))
            first = connection.execute(oldest_dead).scalar_one() or last + 1
        values = {
            **{one.name: getattr(wanted, one.name) for one in fields(wanted)},
            "states": ",".join(sorted(wanted.states)),
            "id": new_id(),
            "state": ReplayState.QUEUED,
            "requested_by": requested_by,
            "reason": reason,
            "requested_at": clock.now(),
            "first_position": first,
            "last_position": last,
            "cursor": first - 1,
            "replayed": 0,
            "skipped": 0,
        }
        row = connection.execute(insert(self._tables.job).values(values).returning(*self._job_row))
        return replay_of(row.mappings().one())

    def count(self, connection: Connection, wanted: ReplayFilter, *, most: int) -> int:
        """Return how many events a job with this filter would select now, so many at most."""
        event = self._outbox.event
        clauses = self._matching(wanted, clock.now())
        if wanted.states == {EventState.DEAD}:
            clauses.append(is_dead(event))
        some = select(event.c.position).where(*clauses).limit(most).subquery()
        return connection.execute(select(func.count()).select_from(some)).scalar_one()

    def cancel(self, connection: Connection, replay_id: UUID) -> Replay:
        """Return a job that queues nothing any more; what it has queued stays queued.

        Raises NotFound, and IllegalTransition when it is over already.
        """
        job = self._tables.job
        row = (
            connection.execute(
                update(job)
                .where(job.c.id == replay_id, job.c.finished_at.is_(None))
                .values(state=ReplayState.CANCELED, finished_at=clock.now())
                .returning(*self._job_row)
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            state = self.read(connection, replay_id).state
            raise IllegalTransition("The replay", state, "cancel", ())
        return replay_of(row)

    def read(self, connection: Connection, replay_id: UUID) -> Replay:
        """Return a job. Raises NotFound."""
        found = select(*self._job_row).where(self._tables.job.c.id == replay_id)
        row = connection.execute(found).mappings().one_or_none()
        if row is None:
            raise NotFound.entity("replay", replay_id)
        return replay_of(row)

    def advance(
        self, connection: Connection, replay_id: UUID | None = None
    ) -> tuple[Progress, Replay | None]:
        """Do one batch of the job that has waited longest, or of the one that is named.

        It belongs in a transaction of its own. Any number of processes may call it at once: a job
        that one of them advances is passed over by the others. The job is returned as it is after
        the batch.
        """
        jobs = self._open_jobs(connection, replay_id)
        for job in jobs:
            positions, cursor = self._next(connection, job)
            if self._gives_way(connection, job, positions):
                continue
            return Progress.ADVANCED, self._do(connection, job, positions, cursor)
        return (Progress.WAITING, jobs[0]) if jobs else (Progress.NOTHING, None)

    def skipped(
        self, connection: Connection, replay_id: UUID, *, limit: int, after: UUID | None = None
    ) -> list[Skipped]:
        """Return up to so many events that a job passed over, by their ids, those after an id."""
        skipped = self._tables.skipped
        found = (
            select(skipped.c.event_id, skipped.c.reason)
            .where(skipped.c.replay_id == replay_id)
            .order_by(skipped.c.event_id)
            .limit(limit)
        )
        if after is not None:
            found = found.where(skipped.c.event_id > after)
        return [Skipped(row.event_id, SkipReason(row.reason)) for row in connection.execute(found)]

    # ------------------------------------------------------------------ inside

    @property
    def _job_row(self) -> Sequence[Column[Any]]:
        return list(self._tables.job.columns)

    def _open_jobs(self, connection: Connection, replay_id: UUID | None) -> list[Replay]:
        """Return jobs that are not over, locked, those that have waited longest first."""
        job = self._tables.job
        found = (
            select(*self._job_row)
            .where(job.c.state.in_((ReplayState.QUEUED, ReplayState.RUNNING)))
            .order_by(func.coalesce(job.c.advanced_at, job.c.requested_at), job.c.id)
            .limit(_OPEN_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        if replay_id is not None:
            found = found.where(job.c.id == replay_id)
        return [replay_of(row) for row in connection.execute(found).mappings()]

    def _next(self, connection: Connection, job: Replay) -> tuple[Sequence[_Row], int]:
        """Return the next events that a job selects, and the position that it has come to then.

        However few events match, a bounded number is looked at.
        """
        event = self._outbox.event
        ahead = [event.c.position > job.cursor, event.c.position <= job.last_position]
        if job.wanted.states == {EventState.DEAD}:
            ahead.append(is_dead(event))
        window = select(event.c.position).where(*ahead).order_by(event.c.position)
        some = window.limit(_LOOKED_AT).subquery()
        reached = connection.execute(select(func.max(some.c.position))).scalar_one()
        if reached is None:
            return [], job.last_position
        of_event = ("position", "event_id", "lane", "ordering_key", "kind", "state")
        found = (
            select(*(event.c[name] for name in of_event))
            .where(
                *ahead, event.c.position <= reached, *self._matching(job.wanted, job.requested_at)
            )
            .order_by(event.c.position)
            .limit(self._batch)
            .with_for_update()
        )
        rows = connection.execute(found).all()
        return rows, int(rows[-1].position) if len(rows) == self._batch else int(reached)

    def _matching(self, wanted: ReplayFilter, requested_at: datetime) -> list[ColumnElement[bool]]:
        event = self._outbox.event.c
        # What was finished after the request was not meant, or is of this job's own making.
        clauses = [event.state.in_(wanted.states), event.finished_at <= requested_at]
        for column in ("lane", "ordering_key", "kind"):
            value = getattr(wanted, column)
            if value is not None:
                clauses.append(event[column] == value)
        if wanted.since is not None:
            clauses.append(event.finished_at >= wanted.since)
        if wanted.until is not None:
            clauses.append(event.finished_at < wanted.until)
        if wanted.reason_contains is not None:
            clauses.append(event.dead_reason.icontains(wanted.reason_contains, autoescape=True))
        return clauses

    def _gives_way(self, connection: Connection, job: Replay, rows: Sequence[_Row]) -> bool:
        """Return whether the job waits for a lane that has enough to do, for a while longer."""
        since = job.advanced_at or job.requested_at
        if clock.now() - since >= self._give_way:
            return False
        lane, event = self._outbox.lane, self._outbox.event
        lanes = {row.lane for row in rows}
        # A lane that takes nothing now is left out: it holds up nobody, and might do so for days.
        open_lanes = connection.scalars(
            select(lane.c.name).where(
                lane.c.name.in_(lanes),
                lane.c.breaker_state == BreakerState.CLOSED,
                lane.c.mode == LaneMode.RUNNING,
            )
        ).all()
        for name in open_lanes:
            unfinished = (
                select(event.c.position)
                .where(event.c.lane == name, event.c.finished_at.is_(None))
                .limit(self._most_waiting + 1)
                .subquery()
            )
            waiting = connection.execute(select(func.count()).select_from(unfinished)).scalar_one()
            if waiting > self._most_waiting:
                return True
        return False

    def _do(self, connection: Connection, job: Replay, rows: Sequence[_Row], cursor: int) -> Replay:
        erased = [
            row
            for row in rows
            if row.state == EventState.DELIVERED and row.kind in self._secret_kinds
        ]
        passed_over = {row.position for row in erased}
        again = [row for row in rows if row.position not in passed_over]
        if again:
            self._queue(connection, again)
        if erased:
            connection.execute(
                insert(self._tables.skipped),
                [
                    {
                        "replay_id": job.id,
                        "event_id": row.event_id,
                        "reason": SkipReason.SECRETS_ERASED,
                    }
                    for row in erased
                ],
            )
        moment = clock.now()
        over = cursor >= job.last_position
        after = replace(
            job,
            state=ReplayState.DONE if over else ReplayState.RUNNING,
            cursor=cursor,
            replayed=job.replayed + len(again),
            skipped=job.skipped + len(erased),
            started_at=job.started_at or moment,
            advanced_at=moment,
            finished_at=moment if over else None,
        )
        changed = ["state", "cursor", "replayed", "skipped"]
        changed += ["started_at", "advanced_at", "finished_at"]
        connection.execute(
            update(self._tables.job)
            .where(self._tables.job.c.id == job.id)
            .values({name: getattr(after, name) for name in changed})
        )
        return after

    def _queue(self, connection: Connection, rows: Sequence[_Row]) -> None:
        event = self._outbox.event
        connection.execute(
            update(event)
            .where(event.c.position.in_([row.position for row in rows]))
            .values(QUEUED_AGAIN)
        )
        arrive(self._outbox, connection, [(row.lane, row.ordering_key) for row in rows])


def is_dead(event: Table) -> ColumnElement[bool]:
    """Return the condition, spelled so that the index of the dead is found under every plan."""
    return event.c.state == literal_column(f"'{EventState.DEAD}'")


def replay_of(row: RowMapping) -> Replay:
    """Return the job that a row of its table stands for."""
    wanted = {one.name: row[one.name] for one in fields(ReplayFilter)}
    wanted["states"] = frozenset(map(EventState, row["states"].split(",")))
    plain = [one.name for one in fields(Replay) if one.name not in ("wanted", "state")]
    return Replay(
        state=ReplayState(row["state"]),
        wanted=ReplayFilter(**wanted),
        **{name: row[name] for name in plain},
    )

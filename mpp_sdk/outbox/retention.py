"""Forgets what was delivered, and what is dead, after its time: in batches that hold up nobody.

Attempts of a partitioned table (PostgreSQL) go a day at a time, with the partition; those of a
plain one with their event.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, delete, select, text
from sqlalchemy.exc import OperationalError

from mpp_sdk.ids import first_id_of
from mpp_sdk.outbox.model import Event
from mpp_sdk.outbox.policy import EventState
from mpp_sdk.outbox.rows import event_columns, event_of
from mpp_sdk.outbox.tables import OutboxTables

_LOG = logging.getLogger(__name__)
_LOCK = 0x464C_4559  # a number of our own among PostgreSQL's advisory locks
_LOCK_NOT_AVAILABLE = "55P03"
_AHEAD = range(1, 8)
_DAY = re.compile(r"_(?:p|until_)(\d{8})$")


@dataclass(frozen=True)
class Forgotten:
    """A batch of events that were deleted. last is where the next one begins; None at the end."""

    events: Sequence[Event]
    last: UUID | None


class Retention:
    """Deletes old events and attempts of one outbox."""

    def __init__(self, tables: OutboxTables, *, batch: int = 1_000) -> None:
        self._tables = tables
        self._batch = batch

    def forget(
        self,
        connection: Connection,
        state: EventState,
        before: datetime,
        after: UUID | None = None,
    ) -> Forgotten:
        """Delete a batch of the events that were finished in a state before a moment.

        Given where the last batch ended, it need not pass what was deleted already, which stays in
        the index for as long as anybody holds an older snapshot of the database.
        """
        event = self._tables.event
        # An id is made before its event is finished: none from then on can be old enough, and the
        # many that are newer need not be looked at.
        old = (
            select(*event_columns(event))
            .where(
                event.c.state == state,
                event.c.finished_at < before,
                event.c.event_id < first_id_of(before),
            )
            .order_by(event.c.event_id)
            .limit(self._batch)
            .with_for_update(skip_locked=True)
        )
        if after is not None:
            old = old.where(event.c.event_id > after)
        events = [event_of(row) for row in connection.execute(old)]
        ids = [one.event_id for one in events]
        if not self._tables.partitioned_on(connection):
            attempt = self._tables.attempt
            connection.execute(delete(attempt).where(attempt.c.event_id.in_(ids)))
        connection.execute(
            delete(event).where(event.c.position.in_([one.position for one in events]))
        )
        return Forgotten(events, ids[-1] if len(ids) == self._batch else None)

    def keep_partitions(self, engine: Engine, now: datetime, before: datetime) -> int:
        """Make the partitions of the days to come, drop those of before a moment; return how many.

        Each is done in a transaction of its own, which gives way when it does not get its lock at
        once: then it is done the next time. Does nothing where attempts are not partitioned.
        """
        with engine.connect() as connection:
            if not self._tables.partitioned_on(connection):
                return 0
            there = self._partitions(connection)
            today = now.astimezone(UTC).date()
            missing = [
                (day, name)
                for day in (today + timedelta(days=ahead) for ahead in _AHEAD)
                if (name := f"{self._tables.attempt.name}_p{day:%Y%m%d}") not in there
                and not self._in_default(connection, day)
            ]
        ends = {name: _end(name) for name in there}
        done = 0
        # Today's attempts go into the default partition if there is no other: one that it would
        # have to give rows up to could not be made while it is written to.
        for day, name in missing:
            if not any("_until_" in one and end > day for one, end in ends.items() if end):
                done += self._quietly(engine, name, self._attach(name, day))
        for name, end in ends.items():
            if end is not None and _midnight(end) <= before:
                dropped = self._quietly(engine, name, [f"DROP TABLE IF EXISTS {name}"])
                if dropped:
                    _LOG.info("The attempts in %s were dropped", name)
                done += dropped
        return done

    def forget_attempts(self, connection: Connection, before: datetime) -> int:
        """Delete a batch of old attempts that no dated partition took; return how many."""
        if not self._tables.partitioned_on(connection):
            return 0
        name = f"{self._tables.attempt.name}_default"
        deleted = connection.execute(
            text(
                f"DELETE FROM {name} WHERE ctid = ANY(ARRAY("  # noqa: S608 - a name of our own
                f"SELECT ctid FROM {name} WHERE started_at < :before LIMIT :batch))"
            ),
            {"before": before, "batch": self._batch},
        )
        return int(deleted.rowcount)

    def _partitions(self, connection: Connection) -> set[str]:
        found = connection.execute(
            text(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = CAST(:parent AS regclass)"
            ),
            {"parent": self._tables.attempt.name},
        )
        return set(found.scalars())

    def _in_default(self, connection: Connection, day: date) -> bool:
        """Return whether the default partition has attempts of a day, which stay there then."""
        name = f"{self._tables.attempt.name}_default"
        found = connection.execute(
            text(
                f"SELECT EXISTS (SELECT 1 FROM {name}"  # noqa: S608 - a name of our own
                " WHERE started_at >= :start AND started_at < :end)"
            ),
            {"start": _midnight(day), "end": _midnight(day + timedelta(days=1))},
        )
        return bool(found.scalar_one())

    def _attach(self, name: str, day: date) -> list[str]:
        """Return how a day's partition is made: attached, because that locks nobody out."""
        parent, next_day = self._tables.attempt.name, day + timedelta(days=1)
        return [
            f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)",
            f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES"
            f" FROM ('{day} 00:00:00+00') TO ('{next_day} 00:00:00+00')",
        ]

    def _quietly(self, engine: Engine, name: str, statements: Sequence[str]) -> int:
        """Run statements, and return 1; 0 when somebody else is at it or in the way."""
        try:
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL lock_timeout = '500ms'"))
                got = text("SELECT pg_try_advisory_xact_lock(:lock)")
                if not connection.execute(got, {"lock": _LOCK}).scalar_one():
                    return 0
                for statement in statements:
                    connection.exec_driver_sql(statement)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            _LOG.info("Others use what the partition %s belongs to; it is tried again", name)
            return 0
        return 1


def _end(name: str) -> date | None:
    """Return the day before which a partition's attempts began; None for the default one."""
    found = _DAY.search(name)
    if found is None:
        return None
    day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC).date()
    return day if "_until_" in name else day + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

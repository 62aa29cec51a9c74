"""The tables of an outbox, defined on the metadata of whoever keeps one.

A lane leads to one platform. `next_attempt_at` is set for the one event of each ordering key that
may be sent (the first unfinished one) and null for all that wait behind it or are finished; so
neither a long queue nor a dead lane makes finding the due ones any dearer.

Writing an event locks nothing that a delivery locks: it inserts the event and a row in
`outbox_arrival`, which the next claim turns into a due lane. A business transaction that holds its
own rows can therefore never wait in a circle with a delivery that reacts on the same rows.
"""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy import event as event_hooks

from mpp_sdk.database import UtcDateTime
from mpp_sdk.outbox.policy import BreakerState, LaneMode

_COUNTER = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up on SQLite
_POSITION = BigInteger().with_variant(Integer(), "sqlite")
_UNFINISHED = text("finished_at IS NULL")  # QUEUED or RETRYING
_SENDABLE = text("next_attempt_at IS NOT NULL")
_DEAD = text("state = 'DEAD'")


@dataclass(frozen=True)
class OutboxTables:
    """The lane, event, arrival and attempt tables."""

    lane: Table
    event: Table
    arrival: Table
    attempt: Table
    partitioned: bool = False

    @classmethod
    def define(cls, metadata: MetaData, *, partitioned: bool = False) -> Self:
        """Return the tables, defined on this metadata.

        partitioned is whether PostgreSQL is to keep attempts in partitions, which `Retention`
        makes and drops.
        """
        lane = Table(
            "outbox_lane",
            metadata,
            Column("name", String(200), primary_key=True),
            # When the lane wants attention: its next event, its next probe, or, while it is
            # leased, the end of the lease. Null when there is nothing to do.
            Column("due_at", UtcDateTime(), nullable=True),
            Column("lease_token", Uuid(), nullable=True),
            Column("lease_owner", String(200), nullable=True),
            Column("lease_expires_at", UtcDateTime(), nullable=True),
            Column("breaker_state", String(16), nullable=False, default=BreakerState.CLOSED),
            Column("consecutive_failures", Integer(), nullable=False, default=0),
            Column("probe_at", UtcDateTime(), nullable=True),
            Column(
                "mode",
                String(16),
                nullable=False,
                default=LaneMode.RUNNING,
                server_default=LaneMode.RUNNING,
            ),
            Column("drain_until", _POSITION, nullable=True),
            Column("max_concurrency", Integer(), nullable=True),
            Column("max_per_second", Float(), nullable=True),
            # When the lane's rate allows the next call, if that is later than its last turn.
            Column("paced_until", UtcDateTime(), nullable=True),
            Index("ix_outbox_lane_due_at", "due_at"),
        )
        event = Table(
            "outbox_event",
            metadata,
            Column("position", _COUNTER, primary_key=True, autoincrement=True),
            Column("event_id", Uuid(), nullable=False),
            Column("lane", String(200), nullable=False),
            Column("ordering_key", String(200), nullable=False),
            Column("kind", String(100), nullable=False),
            Column("method", String(10), nullable=False),
            Column("path", Text(), nullable=False),
            Column("payload", Text(), nullable=False),
            Column("encrypted_secrets", Text(), nullable=True),
            Column("correlation_id", String(200), nullable=True),
            Column("trace_parent", String(55), nullable=True),
            Column("occurred_at", UtcDateTime(), nullable=False),
            Column("created_at", UtcDateTime(), nullable=False),
            Column("state", String(16), nullable=False),
            Column("attempts", Integer(), nullable=False),
            Column("failures", Integer(), nullable=False),
            Column("first_attempt_at", UtcDateTime(), nullable=True),
            Column("next_attempt_at", UtcDateTime(), nullable=True),
            Column("not_before", UtcDateTime(), nullable=True),
            Column("finished_at", UtcDateTime(), nullable=True),
            Column("dead_reason", Text(), nullable=True),
            Index("uq_outbox_event_event_id", "event_id", unique=True),
            Index("ix_outbox_event_lane_event_id", "lane", "event_id"),
            Index("ix_outbox_event_state_event_id", "state", "event_id"),
            Index(
                "ix_outbox_event_unfinished",
                "lane",
                "ordering_key",
                "position",
                postgresql_where=_UNFINISHED,
                sqlite_where=_UNFINISHED,
            ),
            Index(
                "ix_outbox_event_sendable",
                "lane",
                "next_attempt_at",
                postgresql_where=_SENDABLE,
                sqlite_where=_SENDABLE,
            ),
            # The few dead ones, to be found among the many delivered ones.
            Index(
                "ix_outbox_event_dead",
                "position",
                postgresql_where=_DEAD,
                sqlite_where=_DEAD,
            ),
        )
        arrival = Table(
            "outbox_arrival",
            metadata,
            Column("id", _COUNTER, primary_key=True, autoincrement=True),
            Column("lane", String(200), nullable=False),
            Column("ordering_key", String(200), nullable=False),
        )
        # Partitioned, it holds no foreign key: a day of attempts is dropped whole, whatever became
        # of their events. The key has started_at because a partitioned table's key must.
        by_day: dict[str, Any] = {}
        if partitioned:
            by_day["postgresql_partition_by"] = "RANGE (started_at)"
        attempt = Table(
            "outbox_attempt",
            metadata,
            Column("event_id", Uuid(), primary_key=True),
            Column("number", Integer(), primary_key=True, autoincrement=False),
            Column("started_at", UtcDateTime(), primary_key=True),
            Column("duration_ms", Integer(), nullable=False),
            Column("status", Integer(), nullable=True),
            Column("error", Text(), nullable=True),
            Column("response_body", Text(), nullable=True),
            Column("resulting_state", String(16), nullable=False),
            **by_day,
        )
        if partitioned:
            event_hooks.listen(attempt, "after_create", _add_default_partition)
        return cls(lane, event, arrival, attempt, partitioned)

    def partitioned_on(self, connection: Connection) -> bool:
        """Return whether attempts are partitioned in this database."""
        return self.partitioned and connection.dialect.name == "postgresql"


def _add_default_partition(table: Table, connection: Connection, **_: object) -> None:
    """Have a table that is made take rows before it has a partition for them."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"CREATE TABLE {table.name}_default PARTITION OF {table.name} DEFAULT"
        )

"""The tables of an outbox, defined on the metadata of whoever keeps one.

A lane leads to one platform. `next_attempt_at` is set for the one event of each ordering key that
may be sent (the first unfinished one) and null for all that wait behind it or are finished; so
neither a long queue nor a dead lane makes finding the due ones any dearer.

Writing an event locks nothing that a delivery locks: it inserts the event and a row in
`outbox_arrival`, which the next claim turns into a due lane. A business transaction that holds its
own rows can therefore never wait in a circle with a delivery that reacts on the same rows.
"""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    text,
)

from mpp_sdk.database import UtcDateTime
from mpp_sdk.outbox.policy import BreakerState

_COUNTER = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up on SQLite
_UNFINISHED = text("finished_at IS NULL")  # QUEUED or RETRYING
_SENDABLE = text("next_attempt_at IS NOT NULL")


@dataclass(frozen=True)
class OutboxTables:
    """The lane, event, arrival and attempt tables."""

    lane: Table
    event: Table
    arrival: Table
    attempt: Table

    @classmethod
    def define(cls, metadata: MetaData) -> Self:
        """Return the tables, defined on this metadata."""
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
        )
        arrival = Table(
            "outbox_arrival",
            metadata,
            Column("id", _COUNTER, primary_key=True, autoincrement=True),
            Column("lane", String(200), nullable=False),
            Column("ordering_key", String(200), nullable=False),
        )
        attempt = Table(
            "outbox_attempt",
            metadata,
            Column(
                "event_id",
                Uuid(),
                ForeignKey("outbox_event.event_id", name="fk_outbox_attempt_event_id"),
                primary_key=True,
            ),
            Column("number", Integer(), primary_key=True, autoincrement=False),
            Column("started_at", UtcDateTime(), nullable=False),
            Column("duration_ms", Integer(), nullable=False),
            Column("status", Integer(), nullable=True),
            Column("error", Text(), nullable=True),
            Column("response_body", Text(), nullable=True),
            Column("resulting_state", String(16), nullable=False),
        )
        return cls(lane, event, arrival, attempt)

"""What goes into an outbox, what comes out of it, and what can be read of it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from mpp_sdk.outbox.policy import Answer, Breaker, BreakerState, EventState, LaneMode, Verdict


@dataclass(frozen=True)
class NewEvent:
    """An event to be delivered: a call of `method` on `path` below the platform's base URL.

    Events of one ordering_key arrive in the order in which they were enqueued. payload and secrets
    are JSON texts; the secrets, an object, are kept encrypted and merged into the payload, then an
    object too, at the moment of sending. event_id is a UUID version 7 and becomes the webhook-id.
    trace_parent is a W3C trace context, which goes with the event.
    """

    event_id: UUID
    lane: str
    ordering_key: str
    kind: str
    path: str
    payload: str
    occurred_at: datetime
    method: str = "POST"
    secrets: str | None = field(default=None, repr=False)
    correlation_id: str | None = None
    trace_parent: str | None = None


@dataclass(frozen=True)
class Event:
    """An event of the outbox. The payload is what was enqueued, without the secrets.

    attempts counts all of them; failures and first_attempt_at begin anew with a replay.
    next_attempt_at is None for an event that is finished, or waits for an earlier one; not_before
    is a floor that the platform set with Retry-After.
    """

    position: int
    event_id: UUID
    lane: str
    ordering_key: str
    kind: str
    method: str
    path: str
    payload: str
    encrypted_secrets: str | None = field(repr=False)
    correlation_id: str | None
    trace_parent: str | None
    occurred_at: datetime
    created_at: datetime
    state: EventState
    attempts: int
    failures: int
    first_attempt_at: datetime | None
    next_attempt_at: datetime | None
    not_before: datetime | None
    finished_at: datetime | None
    dead_reason: str | None


@dataclass(frozen=True)
class Attempt:
    """One attempt to deliver an event: either a status and the body's beginning, or an error."""

    event_id: UUID
    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    response_body: str | None
    resulting_state: EventState


@dataclass(frozen=True)
class Lane:
    """A lane, its breaker, who holds it, and what an operator has set for it.

    drain_until is the position of the last event that a DRAINING lane delivers. max_concurrency
    and max_per_second are None where the outbox's own limits hold.
    """

    name: str
    due_at: datetime | None
    lease_owner: str | None
    lease_expires_at: datetime | None
    breaker_state: BreakerState
    consecutive_failures: int
    probe_at: datetime | None
    mode: LaneMode
    drain_until: int | None
    max_concurrency: int | None
    max_per_second: float | None


@dataclass(frozen=True)
class Lease:
    """The sole right to deliver a lane's events, until it expires and somebody takes it over."""

    lane: str
    token: UUID
    owner: str
    expires_at: datetime


@dataclass(frozen=True)
class Claim:
    """A leased lane, and the events to be sent in this turn, in order within each key.

    breaker is the lane's as it was found. max_concurrency and max_per_second are None where no
    limit of the lane's own is set; paced_until is when its rate allows the next call.
    """

    lease: Lease
    events: tuple[Event, ...]
    breaker: Breaker = field(default_factory=Breaker)
    max_concurrency: int | None = None
    max_per_second: float | None = None
    paced_until: datetime | None = None


@dataclass(frozen=True)
class Sent:
    """An attempt that was made, not yet recorded."""

    event: Event
    started_at: datetime
    duration_ms: int
    answer: Answer


@dataclass(frozen=True)
class Settlement:
    """What is to be recorded of a leased lane: attempts, in order, and whether its turn is over.

    paced_until is when the lane's rate allows the next call, if it has a rate.
    """

    lease: Lease
    sent: Sequence[Sent] = ()
    release: bool = False
    paced_until: datetime | None = None


@dataclass(frozen=True)
class Recorded:
    """What a recording came to: the lease, prolonged, the lane's state, each event's verdict.

    failed holds what listeners raised: those events are not recorded, and sent again later.
    """

    lease: Lease
    breaker: Breaker
    mode: LaneMode
    verdicts: Mapping[UUID, Verdict]
    failed: Mapping[UUID, Exception] = field(default_factory=dict)

    @property
    def states(self) -> dict[UUID, EventState]:
        """The state that each event has now."""
        return {event_id: verdict.state for event_id, verdict in self.verdicts.items()}


class LeaseLost(Exception):
    """Somebody else has taken the lane over; what was not recorded will be sent again."""


@dataclass(frozen=True)
class EventFilter:
    """Which events to list; None stands for all."""

    lanes: Collection[str] | None = None
    states: Collection[EventState] | None = None
    kind: str | None = None
    ordering_key: str | None = None
    correlation_id: str | None = None


def canonical_json(value: object) -> str:
    """Return the JSON text that is signed and sent: no spaces, names in order, no escapes."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )


def merge(payload: str, secrets: str) -> str:
    """Return a JSON object with another one merged into it, member by member."""
    return canonical_json(_merged(json.loads(payload), json.loads(secrets)))


def _merged(base: Any, extra: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(extra, dict):
        return extra
    return base | {name: _merged(base.get(name), value) for name, value in extra.items()}

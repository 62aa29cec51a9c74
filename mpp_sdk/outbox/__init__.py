"""A durable outbox: events written in a business transaction, and delivered at least once.

Beside the tables, which their owner migrates, it needs a database only. See `Outbox` for what it
guarantees and `Dispatcher` for how it sends.
"""

from mpp_sdk.outbox.dispatcher import Dispatcher, Send
from mpp_sdk.outbox.engine import LeaseLost, Outbox, OutcomeListener
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
    canonical_json,
    merge,
)
from mpp_sdk.outbox.policy import (
    Answer,
    Breaker,
    BreakerPolicy,
    BreakerState,
    EventState,
    NoResponse,
    Response,
    RetryPolicy,
    Tried,
    Verdict,
    parse_retry_after,
)
from mpp_sdk.outbox.tables import OutboxTables

__all__ = [
    "Answer",
    "Attempt",
    "Breaker",
    "BreakerPolicy",
    "BreakerState",
    "Claim",
    "Dispatcher",
    "Event",
    "EventFilter",
    "EventState",
    "Lane",
    "Lease",
    "LeaseLost",
    "NewEvent",
    "NoResponse",
    "Outbox",
    "OutboxTables",
    "OutcomeListener",
    "Recorded",
    "Response",
    "RetryPolicy",
    "Send",
    "Sent",
    "Tried",
    "Verdict",
    "canonical_json",
    "merge",
    "parse_retry_after",
]

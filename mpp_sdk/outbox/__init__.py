"""A durable outbox: events written in a business transaction, and delivered at least once.

Beside the tables, which their owner migrates, it needs a database only. See `Outbox` for what it
guarantees and `Dispatcher` for how it sends.
"""

from mpp_sdk.outbox.dispatcher import Dispatcher, Observer, Send
from mpp_sdk.outbox.engine import Outbox
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
    canonical_json,
    merge,
)
from mpp_sdk.outbox.policy import (
    Answer,
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
from mpp_sdk.outbox.recording import OutcomeListener
from mpp_sdk.outbox.replaying import (
    Progress,
    Replay,
    ReplayFilter,
    Replays,
    ReplayState,
    ReplayTables,
    Skipped,
    SkipReason,
    is_dead,
    replay_of,
)
from mpp_sdk.outbox.retention import Forgotten, Retention
from mpp_sdk.outbox.tables import OutboxTables
from mpp_sdk.retry_after import parse_retry_after

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
    "Forgotten",
    "Lane",
    "LaneMode",
    "Lease",
    "LeaseLost",
    "NewEvent",
    "NoResponse",
    "Observer",
    "Outbox",
    "OutboxTables",
    "OutcomeListener",
    "Progress",
    "Recorded",
    "Replay",
    "ReplayFilter",
    "ReplayState",
    "ReplayTables",
    "Replays",
    "Response",
    "Retention",
    "RetryPolicy",
    "Send",
    "Sent",
    "Settlement",
    "SkipReason",
    "Skipped",
    "Tried",
    "Unsent",
    "Verdict",
    "canonical_json",
    "is_dead",
    "merge",
    "parse_retry_after",
    "replay_of",
]

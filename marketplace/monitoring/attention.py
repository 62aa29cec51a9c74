"""What needs an operator's hand, at one glance: of each kind how many there are, and the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from marketplace.core.unit_of_work import current_session
from marketplace.delivery import attention as deliveries
from marketplace.delivery.repository import DeadLetterReason
from marketplace.identity import overview
from marketplace.identity.access import require_operator
from marketplace.identity.overview import EndingApiKey, EndingPlatformKey, FailedTest
from marketplace.identity.tables import MarketPlayer
from marketplace.monitoring import repository, service
from marketplace.monitoring.service import Overdue
from mpp_sdk.clock import now
from mpp_sdk.outbox import Event, Lane

T = TypeVar("T")

LATE_AFTER = timedelta(minutes=15)
"""How long a delivery waits before it is late."""

ENDING_WITHIN = timedelta(days=14)
"""How long before its end a key is about to expire."""


@dataclass(frozen=True)
class Some(Generic[T]):
    """How many there are, and the first few. `more` is whether there are more than were counted."""

    count: int
    first: Sequence[T]
    more: bool = False


@dataclass(frozen=True)
class Attention:
    """What needs a hand. late_since is the moment before which a waiting delivery was written."""

    pending_players: Some[MarketPlayer]
    failed_tests: Some[FailedTest]
    held_lanes: Some[Lane]
    dead_deliveries: Some[Event]
    dead_reasons: Sequence[DeadLetterReason]
    late_deliveries: Some[Event]
    late_since: datetime
    overdue_statuses: Some[Overdue]
    ending_platform_keys: Some[EndingPlatformKey]
    ending_api_keys: Some[EndingApiKey]


def read_attention(first: int = 5) -> Attention:
    """Return what needs a hand now, the first few of each kind. For operators. Raises Forbidden."""
    require_operator()
    moment = now()
    session = current_session()
    late_since = moment - LATE_AFTER
    ending = moment + ENDING_WITHIN
    late = deliveries.late(late_since, first)
    return Attention(
        Some(*overview.pending_players(first)),
        Some(*overview.failed_tests(first)),
        Some(*deliveries.held_lanes(first)),
        Some(*deliveries.dead(first)),
        deliveries.dead_reasons(first),
        Some(late.count, late.first, late.more),
        late_since,
        Some(
            repository.count_overdue(session.connection(), moment),
            service.list_overdue(None, first, None).items,
        ),
        Some(*overview.ending_platform_keys(ending, first)),
        Some(*overview.ending_api_keys(moment, ending, first)),
    )

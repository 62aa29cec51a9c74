"""Who else acts when a subscription comes into another state.

Capabilities above this one register what they do about it; it is done in the same transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.subscriptions.domain import SubscriptionState


@dataclass(frozen=True)
class Agreement:
    """A subscription as other capabilities see it.

    state_since is when it came into its state, active_since when it last became ACTIVE;
    interim_status_interval is an ISO 8601 duration.
    """

    id: UUID
    provider_id: UUID
    requester_id: UUID
    service_name: str
    state: SubscriptionState
    state_since: datetime
    active_since: datetime | None
    consent_required: bool
    interim_status_interval: str


PodKey = tuple[UUID, str]
"""A subscription and one of its points of delivery."""

Listener = Callable[[Agreement, str], None]
"""Called with the subscription as it is now and why, in the unit of work of the change."""

# A dict keeps the order, and a listener that is registered again is still called once.
_listeners: dict[Listener, None] = {}


def on_subscription_changed(listener: Listener) -> None:
    """Have a listener called whenever a subscription comes into another state."""
    _listeners[listener] = None


def tell(agreement: Agreement, reason: str) -> None:
    """Call everybody who registered. What one of them raises undoes the change."""
    for listener in list(_listeners):
        listener(agreement, reason)

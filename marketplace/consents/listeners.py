"""Who else acts when a consent comes into another state.

Capabilities above this one register what they do about it; it is done in the same transaction.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from marketplace.consents.domain import ConsentState, Validity
from marketplace.subscriptions.listeners import Agreement, PodKey


@dataclass(frozen=True)
class ConsentChanged:
    """A consent as it is now. before is the state that it left, None for a first one."""

    agreement: Agreement
    pod_id: str
    before: ConsentState | None
    state: ConsentState
    validity: Validity
    occurred_at: datetime
    reason: str | None

    @property
    def has_ended(self) -> bool:
        """Whether it was granted and is no longer."""
        return self.before is ConsentState.GRANTED and self.state is not ConsentState.GRANTED


Listener = Callable[[ConsentChanged], None]

# A dict keeps the order, and a listener that is registered again is still called once.
_listeners: dict[Listener, None] = {}


def on_consent_changed(listener: Listener) -> None:
    """Have a listener called whenever a consent comes into another state."""
    _listeners[listener] = None


def tell(change: ConsentChanged) -> None:
    """Call everybody who registered. What one of them raises undoes the change."""
    for listener in list(_listeners):
        listener(change)


Awaiting = Callable[[Collection[PodKey]], None]
"""Called with the points of delivery that are about to change, to read ahead what it needs."""

_awaiting: dict[Awaiting, None] = {}


def on_consents_awaited(listener: Awaiting) -> None:
    """Have a listener called before several notifications are applied, their locks taken."""
    _awaiting[listener] = None


def await_changes(pods: Collection[PodKey]) -> None:
    """Call everybody who reads ahead."""
    for listener in list(_awaiting):
        listener(pods)

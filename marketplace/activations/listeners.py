"""Who else acts when an activation comes into another state.

Capabilities above this one register what they do about it; it is done in the same transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass

from marketplace.activations.domain import ActivationState
from marketplace.subscriptions.listeners import Agreement


@dataclass(frozen=True)
class ActivationChanged:
    """An activation as it is now."""

    agreement: Agreement
    pod_id: str
    state: ActivationState


Listener = Callable[[ActivationChanged], None]

# A dict keeps the order, and a listener that is registered again is still called once.
_listeners: dict[Listener, None] = {}


def on_activation_changed(listener: Listener) -> None:
    """Have a listener called whenever an activation comes into another state."""
    _listeners[listener] = None


def tell(change: ActivationChanged) -> None:
    """Call everybody who registered. What one of them raises undoes the change."""
    for listener in list(_listeners):
        listener(change)

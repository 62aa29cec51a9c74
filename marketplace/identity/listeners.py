"""Who else acts when a market player is suspended, reinstated or deregistered.

Capabilities above this one register what they do about it; it is done in the same transaction.
"""

from collections.abc import Callable
from enum import StrEnum
from uuid import UUID

Listener = Callable[[UUID, str], None]
"""Called with the market player's id and the reason, in the unit of work of the change."""


class PlayerChange(StrEnum):
    """A change of a market player's state that others act upon."""

    SUSPENDED = "SUSPENDED"
    REINSTATED = "REINSTATED"
    DEREGISTERED = "DEREGISTERED"


# A dict keeps the order, and a listener that is registered again is still called once.
_listeners: dict[PlayerChange, dict[Listener, None]] = {change: {} for change in PlayerChange}


def on_player_suspended(listener: Listener) -> None:
    """Have a listener called when a market player is suspended."""
    _listeners[PlayerChange.SUSPENDED][listener] = None


def on_player_reinstated(listener: Listener) -> None:
    """Have a listener called when a suspended market player becomes active again."""
    _listeners[PlayerChange.REINSTATED][listener] = None


def on_player_deregistered(listener: Listener) -> None:
    """Have a listener called when a market player leaves the market."""
    _listeners[PlayerChange.DEREGISTERED][listener] = None


def tell(change: PlayerChange, market_player_id: UUID, reason: str) -> None:
    """Call everybody who registered for a change. What one of them raises undoes the change."""
    for listener in list(_listeners[change]):
        listener(market_player_id, reason)

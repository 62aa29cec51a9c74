"""Who else acts when an event was delivered, or is given up.

Capabilities above this one register what they do about it; it is done in the transaction that
records the attempt, as a unit of work: an event is delivered and acted upon, or neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from marketplace.delivery.domain import EventKind, PlatformRole, role_of
from mpp_sdk.outbox import Event, EventState


@dataclass(frozen=True)
class Notice:
    """What came of an event: state is DELIVERED or DEAD, reason says why it is dead.

    at is when the platform acknowledged the event, or when it was given up.
    """

    event_id: UUID
    kind: EventKind
    market_player_id: UUID
    platform_role: PlatformRole
    subscription_id: UUID
    state: EventState
    at: datetime
    reason: str | None

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return what there is to say of a finished event. Raises ValueError for another one."""
        if event.finished_at is None:
            raise ValueError("The event is not finished.")
        return cls(
            event_id=event.event_id,
            kind=EventKind(event.kind),
            market_player_id=UUID(event.lane),
            platform_role=role_of(event.path),
            subscription_id=UUID(event.ordering_key),
            state=event.state,
            at=event.finished_at,
            reason=event.dead_reason,
        )


Listener = Callable[[Notice], None]

# A dict keeps the order, and a listener that is registered again is still called once.
_listeners: dict[tuple[EventState, EventKind], dict[Listener, None]] = {}


def on_delivered(kind: EventKind, listener: Listener) -> None:
    """Have a listener called when an event of a kind was acknowledged by the platform."""
    _listeners.setdefault((EventState.DELIVERED, kind), {})[listener] = None


def on_dead(kind: EventKind, listener: Listener) -> None:
    """Have a listener called when an event of a kind is given up."""
    _listeners.setdefault((EventState.DEAD, kind), {})[listener] = None


def anybody(state: EventState, kind: str) -> bool:
    """Return whether somebody registered for events of a kind that came to a state."""
    return any(of_state is state and of_kind == kind for of_state, of_kind in _listeners)


def tell(notice: Notice) -> None:
    """Call everybody who registered. What one of them raises undoes the recording."""
    for listener in list(_listeners.get((notice.state, notice.kind), ())):
        listener(notice)

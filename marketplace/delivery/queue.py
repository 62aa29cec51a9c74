"""The delivery queue of one environment: the outbox, and who reacts to what comes of an event."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from marketplace.core import audit, restoration
from marketplace.core.actor import MARKETPLACE, Actor, acting_as
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import joined
from marketplace.delivery import listeners
from marketplace.delivery.domain import SECRET_KINDS, SINCE
from marketplace.delivery.listeners import Notice
from marketplace.delivery.tables import OUTBOX, REPLAYS
from mpp_sdk.outbox import Event, EventState, Outbox, Replays, RetryPolicy

# A lane whose worker has died waits for as long as a call may take, and this.
_LEASE_MARGIN = timedelta(seconds=5)

replays = Replays(OUTBOX, REPLAYS, secret_kinds=frozenset(SECRET_KINDS))
"""The jobs that send many events again."""

_wakers: WeakKeyDictionary[Engine, Callable[[], None]] = WeakKeyDictionary()
_replayer_wakers: WeakKeyDictionary[Engine, Callable[[], None]] = WeakKeyDictionary()


def outbox_of(environment: Environment, retry: RetryPolicy | None = None) -> Outbox:
    """Return the outbox of an environment, whose outcomes reach the audit trail and listeners."""

    def react(connection: Connection, events: Sequence[Event]) -> None:
        finished = [event for event in events if event.state is not EventState.RETRYING]
        audit.record_all(connection, [_entry(event) for event in finished])
        heard = [event for event in finished if listeners.anybody(event.state, event.kind)]
        if not heard:
            return
        with in_environment(environment), joined(connection):
            for event in heard:
                with acting_as(_actor(event)):
                    listeners.tell(Notice.of(event))

    return Outbox(
        environment.engine,
        OUTBOX,
        environment.settings.secret_box,
        retry=replace(retry or RetryPolicy(), later_kinds=frozenset(SINCE)),
        lease_duration=environment.settings.request_timeout + _LEASE_MARGIN,
        on_outcomes=react,
        held=restoration.is_held(),
    )


def wake_with(environment: Environment, wake: Callable[[], None]) -> None:
    """Have this called when an event of the environment's database was committed."""
    _wakers[environment.engine] = wake


def wake(environment: Environment) -> None:
    """Wake whoever delivers. When nobody is there, the poller finds the event a moment later."""
    waker = _wakers.get(environment.engine)
    if waker is not None:
        waker()


def wake_replayer_with(environment: Environment, wake: Callable[[], None]) -> None:
    """Have this called when a replay of the environment's database was asked for."""
    _replayer_wakers[environment.engine] = wake


def wake_replayer(environment: Environment) -> None:
    """Wake this process's replayer. Without one, that of another finds the replay a while later."""
    waker = _replayer_wakers.get(environment.engine)
    if waker is not None:
        waker()


def _actor(event: Event) -> Actor:
    return Actor(MARKETPLACE.subject, MARKETPLACE.name, event.correlation_id)


def _entry(event: Event) -> audit.Done:
    return audit.Done(
        actor=_actor(event),
        kind="Delivery",
        entity_id=str(event.event_id),
        action="deliver" if event.state is EventState.DELIVERED else "give up",
        from_state=EventState.RETRYING if event.attempts > 1 else EventState.QUEUED,
        to_state=event.state,
        reason=event.dead_reason,
        subscription_id=UUID(event.ordering_key),
        market_player_id=UUID(event.lane),
    )

"""The delivery queue of one environment: the outbox, and who reacts to what comes of an event."""

from collections.abc import Callable
from datetime import timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from marketplace.core import audit
from marketplace.core.actor import MARKETPLACE, Actor, acting_as
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import joined
from marketplace.delivery import listeners
from marketplace.delivery.listeners import Notice
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.outbox import Event, EventState, Outbox, RetryPolicy

_LEASE = timedelta(seconds=60)

_wakers: WeakKeyDictionary[Engine, Callable[[], None]] = WeakKeyDictionary()


def outbox_of(environment: Environment, retry: RetryPolicy | None = None) -> Outbox:
    """Return the outbox of an environment, whose outcomes reach the audit trail and listeners."""

    def react(connection: Connection, event: Event) -> None:
        if event.state is EventState.RETRYING:
            return
        notice = Notice.of(event)
        actor = Actor(MARKETPLACE.subject, MARKETPLACE.name, event.correlation_id)
        with in_environment(environment), joined(connection), acting_as(actor):
            audit.record(
                "Delivery",
                event.event_id,
                "deliver" if event.state is EventState.DELIVERED else "give up",
                from_state=EventState.RETRYING if event.attempts > 1 else EventState.QUEUED,
                to_state=event.state,
                reason=event.dead_reason,
                subscription_id=notice.subscription_id,
                market_player_id=notice.market_player_id,
            )
            listeners.tell(notice)

    return Outbox(
        environment.engine,
        OUTBOX,
        environment.settings.secret_box,
        retry=retry,
        lease_duration=_LEASE + 2 * environment.settings.request_timeout,
        on_outcome=react,
    )


def wake_with(environment: Environment, wake: Callable[[], None]) -> None:
    """Have this called when an event of the environment's database was committed."""
    _wakers[environment.engine] = wake


def wake(environment: Environment) -> None:
    """Wake whoever delivers. When nobody is there, the poller finds the event a moment later."""
    waker = _wakers.get(environment.engine)
    if waker is not None:
        waker()

"""Forgets old deliveries and their attempts."""

import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from marketplace.core import audit
from marketplace.core.actor import MARKETPLACE, acting_as
from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import current_session, unit_of_work
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.clock import now
from mpp_sdk.outbox import Event, EventState, Retention

_LOG = logging.getLogger(__name__)
_RETENTION = Retention(OUTBOX)


def forget_old(environment: Environment, stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete deliveries and attempts whose time is over; return how many, and stop when told to.

    Each batch is a unit of work. That a dead delivery is removed is in the audit trail.
    """
    settings = environment.settings
    moment = now()
    delivered = _forget(
        environment, EventState.DELIVERED, moment - settings.attempt_retention, stopping
    )
    dead = _forget(environment, EventState.DEAD, moment - settings.dead_retention, stopping)
    if dead:
        _LOG.warning("Dead deliveries that were removed because of their age: %d", dead)
    before = moment - settings.attempt_retention
    attempts = 0
    while not stopping():
        with unit_of_work(environment.engine):
            deleted = _RETENTION.forget_attempts(current_session().connection(), before)
        attempts += deleted
        if not deleted:
            break
    return (
        delivered + dead + attempts + _RETENTION.keep_partitions(environment.engine, moment, before)
    )


def _forget(
    environment: Environment, state: EventState, before: datetime, stopping: Callable[[], bool]
) -> int:
    forgotten = 0
    after: UUID | None = None
    while not stopping():
        with (
            in_environment(environment),
            unit_of_work(environment.engine),
            acting_as(MARKETPLACE),
        ):
            batch = _RETENTION.forget(current_session().connection(), state, before, after)
            if state is EventState.DEAD:
                for event in batch.events:
                    _record(event)
        forgotten += len(batch.events)
        if batch.last is None:
            break
        after = batch.last
    return forgotten


def _record(event: Event) -> None:
    audit.record(
        "Delivery",
        event.event_id,
        "remove",
        from_state=event.state,
        reason=event.dead_reason,
        subscription_id=UUID(event.ordering_key),
        market_player_id=UUID(event.lane),
    )

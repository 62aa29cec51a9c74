"""The rules of a service's activation for one point of delivery under one subscription."""

from datetime import datetime
from enum import StrEnum

from marketplace.core.lifecycle import Lifecycle
from marketplace.subscriptions.domain import SubscriptionState


class ActivationState(StrEnum):
    """The state of an activation."""

    REQUESTED = "REQUESTED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"


def _to(*states: ActivationState) -> dict[str, ActivationState]:
    return {state.value: state for state in states}


ACTIVATION = Lifecycle(
    "Activation",
    {
        # SUSPENDED comes after an ACTIVE whose notification is still under way.
        ActivationState.REQUESTED: _to(
            ActivationState.ACTIVE, ActivationState.SUSPENDED, ActivationState.ENDED
        ),
        ActivationState.ACTIVE: _to(ActivationState.SUSPENDED, ActivationState.ENDED),
        ActivationState.SUSPENDED: _to(ActivationState.ACTIVE, ActivationState.ENDED),
        ActivationState.ENDED: _to(ActivationState.REQUESTED),
    },
)
"""What a notification may say next. After the end, a new REQUESTED begins a new round."""

_UNDER = {
    SubscriptionState.PENDING: frozenset(
        {ActivationState.REQUESTED, ActivationState.SUSPENDED, ActivationState.ENDED}
    ),
    SubscriptionState.ACTIVE: frozenset(ActivationState),
    SubscriptionState.SUSPENDED: frozenset(
        {ActivationState.REQUESTED, ActivationState.SUSPENDED, ActivationState.ENDED}
    ),
    SubscriptionState.CANCELED: frozenset({ActivationState.ENDED}),
    SubscriptionState.EXPIRED: frozenset({ActivationState.ENDED}),
}


def states_under(subscription_state: SubscriptionState) -> frozenset[ActivationState]:
    """Return the states that an activation may be in under a subscription in a given state."""
    return _UNDER[subscription_state]


def under_subscription(
    state: ActivationState, subscription_state: SubscriptionState
) -> ActivationState:
    """Return what becomes of an activation when its subscription comes into a state.

    An ended subscription ends it, any other that is not ACTIVE suspends an active one.
    """
    allowed = states_under(subscription_state)
    if state in allowed:
        return state
    return (
        ActivationState.SUSPENDED if ActivationState.SUSPENDED in allowed else ActivationState.ENDED
    )


def was_overtaken(occurred_at: datetime, blocked_since: datetime) -> bool:
    """Return whether what an activation needs ended only after the moment it tells of.

    Such a notification was true when it was sent, so it is recorded rather than refused.
    """
    return occurred_at <= blocked_since

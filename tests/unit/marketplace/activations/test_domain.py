from datetime import UTC, datetime, timedelta

import pytest

from marketplace.activations.domain import (
    ACTIVATION,
    ActivationState,
    states_under,
    under_subscription,
    was_overtaken,
)
from marketplace.subscriptions.domain import SubscriptionState
from mpp_sdk.errors import IllegalTransition

STEPS = {
    ("REQUESTED", "ACTIVE"),
    ("REQUESTED", "SUSPENDED"),  # ACTIVE may be under way still
    ("REQUESTED", "ENDED"),
    ("ACTIVE", "SUSPENDED"),
    ("ACTIVE", "ENDED"),
    ("SUSPENDED", "ACTIVE"),
    ("SUSPENDED", "ENDED"),
    ("ENDED", "REQUESTED"),
}


@pytest.mark.parametrize("before", list(ActivationState))
@pytest.mark.parametrize("after", list(ActivationState))
def test_every_step(before: ActivationState, after: ActivationState) -> None:
    if (before.value, after.value) in STEPS:
        assert ACTIVATION.after(before, after) is after
    else:
        with pytest.raises(IllegalTransition):
            ACTIVATION.after(before, after)


@pytest.mark.parametrize("subscription", list(SubscriptionState))
def test_active_needs_an_active_subscription(subscription: SubscriptionState) -> None:
    allowed = states_under(subscription)
    assert (ActivationState.ACTIVE in allowed) == (subscription is SubscriptionState.ACTIVE)


@pytest.mark.parametrize("subscription", [SubscriptionState.CANCELED, SubscriptionState.EXPIRED])
@pytest.mark.parametrize("state", list(ActivationState))
def test_an_ended_subscription_ends_its_activations(
    subscription: SubscriptionState, state: ActivationState
) -> None:
    assert under_subscription(state, subscription) is ActivationState.ENDED


@pytest.mark.parametrize("state", list(ActivationState))
def test_a_suspended_subscription_suspends_what_is_active(state: ActivationState) -> None:
    after = under_subscription(state, SubscriptionState.SUSPENDED)
    if state is ActivationState.ACTIVE:
        assert after is ActivationState.SUSPENDED
    else:
        assert after is state


def test_what_ended_later_overtook_the_notification() -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert was_overtaken(moment, moment + second)
    assert was_overtaken(moment, moment)
    assert not was_overtaken(moment, moment - second)

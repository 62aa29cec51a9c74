from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.subscriptions.domain import (
    ENDED,
    OFFER,
    REQUEST,
    SUBSCRIPTION,
    Hold,
    OfferState,
    RequestState,
    Standing,
    SubscriptionState,
    check_deadline,
    check_period,
    is_acknowledged,
    resume,
    suspend,
)
from mpp_sdk.errors import IllegalTransition, InvalidInput

MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
REQUEST_STEPS = {
    ("REQUESTED", "offer"): "OFFERED",
    ("REQUESTED", "reject"): "REJECTED",
    ("REQUESTED", "withdraw"): "WITHDRAWN",
    ("REQUESTED", "expire"): "EXPIRED",
    ("OFFERED", "offer"): "OFFERED",
    ("OFFERED", "counter"): "REQUESTED",
    ("OFFERED", "withdraw_offer"): "REQUESTED",
    ("OFFERED", "accept"): "CONFIRMED",
    ("OFFERED", "reject"): "REJECTED",
    ("OFFERED", "withdraw"): "WITHDRAWN",
    ("OFFERED", "expire"): "EXPIRED",
}
REQUEST_ACTIONS = sorted({action for _, action in REQUEST_STEPS})
SUBSCRIPTION_STEPS = {
    ("PENDING", "activate"): "ACTIVE",
    ("PENDING", "cancel"): "CANCELED",
    ("PENDING", "expire"): "EXPIRED",
    ("ACTIVE", "suspend"): "SUSPENDED",
    ("ACTIVE", "cancel"): "CANCELED",
    ("ACTIVE", "expire"): "EXPIRED",
    ("SUSPENDED", "resume"): "ACTIVE",
    ("SUSPENDED", "cancel"): "CANCELED",
    ("SUSPENDED", "expire"): "EXPIRED",
}
SUBSCRIPTION_ACTIONS = sorted({action for _, action in SUBSCRIPTION_STEPS})


@pytest.mark.parametrize("state", list(RequestState))
@pytest.mark.parametrize("action", REQUEST_ACTIONS)
def test_every_step_of_a_request(state: RequestState, action: str) -> None:
    expected = REQUEST_STEPS.get((state.value, action))
    if expected is None:
        with pytest.raises(IllegalTransition) as caught:
            REQUEST.after(state, action)
        assert caught.value.state == state
        steps = {a for s, a in REQUEST_STEPS if s == state}
        assert set(caught.value.allowed) == steps - {"expire"}
    else:
        assert REQUEST.after(state, action) == expected


@pytest.mark.parametrize("state", list(OfferState))
@pytest.mark.parametrize("action", ["supersede", "withdraw", "accept", "reject", "expire"])
def test_only_an_open_offer_moves(state: OfferState, action: str) -> None:
    if state is OfferState.OPEN:
        assert OFFER.is_final(OFFER.after(state, action))
    else:
        with pytest.raises(IllegalTransition):
            OFFER.after(state, action)


@pytest.mark.parametrize("state", list(SubscriptionState))
@pytest.mark.parametrize("action", SUBSCRIPTION_ACTIONS)
def test_every_step_of_a_subscription(state: SubscriptionState, action: str) -> None:
    expected = SUBSCRIPTION_STEPS.get((state.value, action))
    if expected is None:
        with pytest.raises(IllegalTransition) as caught:
            SUBSCRIPTION.after(state, action)
        steps = {a for s, a in SUBSCRIPTION_STEPS if s == state}
        assert set(caught.value.allowed) == steps - {"activate", "expire"}
    else:
        assert SUBSCRIPTION.after(state, action) == expected


def test_ended_states_are_the_final_ones() -> None:
    assert {state for state in SubscriptionState if SUBSCRIPTION.is_final(state)} == ENDED


def test_nobody_lifts_the_suspension_of_somebody_else() -> None:
    standing = suspend(Standing(SubscriptionState.ACTIVE), Hold.OPERATOR)
    with pytest.raises(IllegalTransition, match="OPERATOR"):
        resume(standing, Hold.PROVIDER)


def test_the_last_hold_that_is_lifted_resumes() -> None:
    standing = suspend(Standing(SubscriptionState.ACTIVE), Hold.PROVIDER)
    standing = suspend(standing, Hold.REQUESTER_SUSPENDED)
    standing = resume(standing, Hold.PROVIDER)
    assert standing.state is SubscriptionState.SUSPENDED
    assert resume(standing, Hold.REQUESTER_SUSPENDED) == Standing(SubscriptionState.ACTIVE)


def test_suspending_twice_is_refused() -> None:
    standing = suspend(Standing(SubscriptionState.ACTIVE), Hold.PROVIDER)
    with pytest.raises(IllegalTransition):
        suspend(standing, Hold.PROVIDER)


@given(st.lists(st.tuples(st.sampled_from([suspend, resume]), st.sampled_from(list(Hold)))))
def test_suspended_means_that_something_holds(steps: list[tuple[object, Hold]]) -> None:
    standing = Standing(SubscriptionState.ACTIVE)
    held: set[Hold] = set()
    for step, hold in steps:
        change = suspend if step is suspend else resume
        legal = (hold not in held) if step is suspend else (hold in held)
        if not legal:
            with pytest.raises(IllegalTransition):
                change(standing, hold)
            continue
        standing = change(standing, hold)
        held ^= {hold}
        assert standing.holds == held
        assert (standing.state is SubscriptionState.SUSPENDED) == bool(held)


def test_a_period_ends_after_it_starts() -> None:
    check_period(MOMENT, None, "/validity")
    check_period(MOMENT, MOMENT + timedelta(seconds=1), "/validity")
    for end in (MOMENT, MOMENT - timedelta(seconds=1)):
        with pytest.raises(InvalidInput) as caught:
            check_period(MOMENT, end, "/terms/validity")
        assert caught.value.errors[0].pointer == "/terms/validity/end"


def test_a_deadline_is_still_to_come() -> None:
    check_deadline(None, MOMENT, "/validUntil")
    check_deadline(MOMENT + timedelta(seconds=1), MOMENT, "/validUntil")
    with pytest.raises(InvalidInput):
        check_deadline(MOMENT, MOMENT, "/validUntil")


def test_both_platforms_must_acknowledge() -> None:
    roles = {"provider", "requester"}
    assert not is_acknowledged({"provider"}, roles)
    assert is_acknowledged({"provider", "requester"}, roles)

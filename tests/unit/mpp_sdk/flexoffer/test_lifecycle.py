"""The states of a flex-offer: which steps there are, and what time does by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import IllegalTransition
from mpp_sdk.flexoffer.lifecycle import (
    ACTIVE,
    CARRIED_OUT,
    LIFECYCLE,
    Deadlines,
    FlexOfferState,
    Standing,
    begin_of,
    end_of,
    fallen_due,
    verdict,
)
from mpp_sdk.flexoffer.model import Default, FlexOffer, Profile, Schedule, Slice

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
OFFER = FlexOffer(
    profiles=(Profile((Slice(0, 1_000, duration=2), Slice(-500, 500)), lead=1),),
    default=Default((500, 0)),
    accept_before=NOW + HOUR,
    assign_before=NOW + 2 * HOUR,
    start_after=NOW + 3 * HOUR,
    start_before=NOW + 5 * HOUR,
    offered_by="household-7",
)
SCHEDULE = Schedule(NOW + 4 * HOUR, (1_000, -200))
ACTIONS = sorted({action for steps in LIFECYCLE.steps.values() for action in steps})
ALLOWED = {
    "OFFERED": ["accept", "delete", "expire", "reject", "replace"],
    "ACCEPTED": ["assign", "delete", "expire", "replace"],
    "ASSIGNED": ["assign", "delete", "replace", "start"],
    "EXECUTING": ["deliver", "fail"],
    "EXECUTED": ["fail", "settle"],
    "FAILED": ["deliver", "settle"],
}


@pytest.mark.parametrize("state", list(FlexOfferState))
def test_every_state_allows_its_steps_and_no_others(state: FlexOfferState) -> None:
    standing = Standing(state)
    for action in ACTIONS:
        if action in ALLOWED.get(state, []):
            assert standing.after(action, NOW) in FlexOfferState
        else:
            with pytest.raises(IllegalTransition) as refused:
                standing.after(action, NOW)
            assert refused.value.allowed == tuple(ALLOWED.get(state, []))


def test_what_is_not_active_has_ended() -> None:
    assert {state for state in FlexOfferState if state not in ACTIVE} == {
        state for state in FlexOfferState if not ALLOWED.get(state)
    }
    assert {state for state in CARRIED_OUT if state in ACTIVE} == {"EXECUTED", "FAILED"}


def test_deadlines_are_those_of_the_offer_and_then_of_its_schedule() -> None:
    assert begin_of(OFFER, SCHEDULE) == SCHEDULE.start - QUARTER
    assert end_of(OFFER, SCHEDULE) == SCHEDULE.start + 2 * QUARTER
    deadlines = Deadlines.of(OFFER, SCHEDULE, timedelta(days=2))
    assert {state: deadlines.due_in(state) for state in FlexOfferState} == {
        **dict.fromkeys(FlexOfferState),
        FlexOfferState.OFFERED: OFFER.accept_before,
        FlexOfferState.ACCEPTED: OFFER.assign_before,
        FlexOfferState.ASSIGNED: SCHEDULE.start - QUARTER,
        FlexOfferState.EXECUTING: SCHEDULE.start + 2 * QUARTER + timedelta(days=2),
    }
    assert Deadlines.of(OFFER).due_in(FlexOfferState.ASSIGNED) is None


@pytest.mark.parametrize(
    ("state", "then"),
    [
        (FlexOfferState.OFFERED, FlexOfferState.EXPIRED),
        (FlexOfferState.ACCEPTED, FlexOfferState.EXPIRED),
        (FlexOfferState.ASSIGNED, FlexOfferState.EXECUTING),
        (FlexOfferState.EXECUTING, FlexOfferState.FAILED),
    ],
)
def test_time_moves_on_what_is_due_and_nothing_before(
    state: FlexOfferState, then: FlexOfferState
) -> None:
    standing = Standing(state, NOW)

    assert standing.at(NOW - timedelta(microseconds=1)) is state
    assert standing.at(NOW) is then
    assert fallen_due(standing, NOW - timedelta(microseconds=1)) is None


@given(data=st.data())
def test_no_way_leads_back_or_past_a_deadline(data: st.DataObject) -> None:
    """Whatever is tried whenever, states come in one order and no deadline is missed."""
    order = [*ACTIVE[:4], *CARRIED_OUT]
    deadlines = Deadlines.of(OFFER, SCHEDULE)
    state = LIFECYCLE.after(None, "offer")
    now = NOW
    for _ in range(data.draw(st.integers(0, 12))):
        now += data.draw(st.sampled_from([timedelta(0), QUARTER, HOUR, 24 * HOUR]))
        before = Standing(state, deadlines.due_in(state))
        action = data.draw(st.sampled_from(ACTIONS))
        try:
            after = before.after(action, now)
        except IllegalTransition:
            assert action not in LIFECYCLE.steps.get(before.at(now), {})
            continue
        if action == "accept":
            assert now < OFFER.accept_before
        if action in ("assign", "delete", "replace"):
            assert now < max(OFFER.assign_before, SCHEDULE.start - QUARTER)
        if before.at(now) in order and after in order and after not in CARRIED_OUT:
            assert order.index(after) >= order.index(before.at(now))
        state = after


@pytest.mark.parametrize(
    ("measured", "delivered"),
    [
        ([500, 500, -200], True),
        ([500, 380, -200], True),  # 120 Wh of 1,200 Wh
        ([500, 379, -200], False),
        ([440, 500, -140], True),  # what is missed is not evened out
        ([560, 440, -201], False),
    ],
)
def test_the_verdict_sums_up_what_was_missed(measured: list[int], delivered: bool) -> None:
    found = verdict(OFFER, SCHEDULE, measured, 0.1)

    assert found.delivered is delivered
    assert (found.reason is None) is delivered
    assert found.action == ("deliver" if delivered else "fail")


def test_what_is_switched_off_is_measured_by_what_it_would_have_used() -> None:
    off = Schedule(SCHEDULE.start, (0, 0))

    assert verdict(OFFER, off, [25, 25, 0], 0.1).delivered
    missed = verdict(OFFER, off, [26, 25, 0], 0.1)
    assert missed.reason == "It missed its schedule by 0.051 kWh; 0.050 kWh are tolerated."

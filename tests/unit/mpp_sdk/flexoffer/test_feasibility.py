from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.flexoffer.feasibility import violations
from tests.flexoffers import checker
from tests.flexoffers.strategies import NOW, broken_schedules, offers, other_schedules, schedules

many = settings(max_examples=300, deadline=None)


@many
@given(st.data())
def test_what_is_feasible_breaks_nothing(data: st.DataObject) -> None:
    offer = data.draw(offers())
    schedule = data.draw(schedules(offer))
    assert checker.broken(offer, schedule, NOW) == []
    assert violations(offer, schedule, NOW) == []


@many
@given(st.data())
def test_both_agree_on_what_is_broken(data: st.DataObject) -> None:
    offer = data.draw(offers())
    schedule = data.draw(other_schedules(offer))
    found = violations(offer, schedule, NOW)
    assert bool(found) == bool(checker.broken(offer, schedule, NOW))


@many
@given(st.data())
def test_nothing_broken_is_let_through(data: st.DataObject) -> None:
    offer = data.draw(offers())
    assert violations(offer, data.draw(broken_schedules(offer)), NOW)

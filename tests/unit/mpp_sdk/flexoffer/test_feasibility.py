from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.feasibility import check_schedule, contains, violations
from mpp_sdk.flexoffer.model import (
    Default,
    EnergyRange,
    FlexOffer,
    Polytope,
    Profile,
    Schedule,
    Slice,
)
from tests.flexoffers import checker
from tests.flexoffers.strategies import (
    NOW,
    broken_schedules,
    hull,
    offers,
    other_schedules,
    schedules,
)

many = settings(max_examples=300, deadline=None)


@many
@given(st.data())
def test_what_is_feasible_breaks_nothing(data: st.DataObject) -> None:
    one = data.draw(offers())
    schedule = data.draw(schedules(one))
    assert checker.broken(one, schedule, NOW) == []
    assert violations(one, schedule, NOW) == []


@many
@given(st.data())
def test_both_agree_on_what_is_broken(data: st.DataObject) -> None:
    one = data.draw(offers())
    schedule = data.draw(other_schedules(one))
    found = violations(one, schedule, NOW)
    assert bool(found) == bool(checker.broken(one, schedule, NOW))


@many
@given(st.data())
def test_nothing_broken_is_let_through(data: st.DataObject) -> None:
    one = data.draw(offers())
    assert violations(one, data.draw(broken_schedules(one)), NOW)


TEN = datetime(2026, 11, 22, 10, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def offer(profile: Profile) -> FlexOffer:
    """Return an offer that does nothing unless told, and can start from ten to eleven."""
    return FlexOffer(
        profiles=(profile,),
        default=Default((0,) * len(profile.slices)),
        start_after=TEN,
        start_before=TEN + timedelta(hours=1),
        accept_before=TEN,
        assign_before=TEN,
        offered_by="household-1",
    )


TWO = (Slice(0, 1_000), Slice(0, 1_000))
PLAIN = Profile(TWO)
STORAGE = Profile(TWO, dependencies=(((0, 0), (0, 1)), ((0, 0), (1, 0), (0, 1))))


@pytest.mark.parametrize(
    ("profile", "schedule", "pointer", "rule"),
    [
        (PLAIN, Schedule(TEN, (0, 0), 1), "profile", "range"),
        (PLAIN, Schedule(TEN, (0, 0), -1), "profile", "range"),
        (PLAIN, Schedule(TEN.replace(tzinfo=None), (0, 0)), "start", "offset"),
        (PLAIN, Schedule(TEN + timedelta(minutes=1), (0, 0)), "start", "onTheGrid"),
        (PLAIN, Schedule(TEN - QUARTER, (0, 0)), "start", "withinStarts"),
        (PLAIN, Schedule(TEN + 5 * QUARTER, (0, 0)), "start", "withinStarts"),
        (PLAIN, Schedule(TEN, (0,)), "energies", "onePerSlice"),
        (PLAIN, Schedule(TEN, (0, nan)), "energies/1", "finite"),
        (PLAIN, Schedule(TEN, (-inf, 0)), "energies/0", "finite"),
        (PLAIN, Schedule(TEN, (0, 0.5)), "energies/1", "whole"),
        (PLAIN, Schedule(TEN, (-1, 0)), "energies/0", "withinBounds"),
        (PLAIN, Schedule(TEN, (0, 1_001)), "energies/1", "withinBounds"),
        (Profile((Slice(0, 9, options=(0, 9)),)), Schedule(TEN, (5,)), "energies/0", "option"),
        (Profile(TWO, EnergyRange(0, 99)), Schedule(TEN, (50, 50)), "energies", "withinTotal"),
        (
            Profile(TWO, polytope=Polytope(((1, 2),), (1,))),
            Schedule(TEN, (500, 251)),
            "energies",
            "polytope",
        ),
        (STORAGE, Schedule(TEN, (500, 501)), "energies/1", "dependency"),
    ],
)
def test_what_is_broken_is_named(
    profile: Profile, schedule: Schedule, pointer: str, rule: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        check_schedule(offer(profile), schedule, NOW)
    assert [(one.pointer, one.rule) for one in error.value.errors] == [(pointer, rule)]


@pytest.mark.parametrize(
    ("profile", "energies"),
    [
        (PLAIN, (1_000, 0)),
        (Profile(TWO, polytope=Polytope(((1, 2),), (1,))), (500.00000001, 250)),
        (STORAGE, (500.25, 499.75)),
        (STORAGE, (500, 500.0000001)),
    ],
)
def test_what_is_at_the_limit_is_feasible(profile: Profile, energies: tuple[float, ...]) -> None:
    check_schedule(offer(profile), Schedule(TEN + timedelta(hours=1), energies), NOW)


points = st.tuples(*[st.integers(-9, 9)] * 2)


@settings(deadline=None)
@given(st.lists(points, min_size=1, max_size=8), points, st.booleans())
def test_a_polygon_contains_what_is_no_way_from_it(
    corners: list[tuple[int, int]], point: tuple[int, int], clockwise: bool
) -> None:
    polygon = hull(corners)[:: -1 if clockwise else 1]
    inside = checker.distance_squared(tuple(polygon), (Fraction(point[0]), Fraction(point[1]))) == 0
    assert contains(tuple(polygon), *point) == inside

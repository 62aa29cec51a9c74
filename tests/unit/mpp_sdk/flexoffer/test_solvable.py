from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer import solvable
from mpp_sdk.flexoffer.model import INTERVAL, EnergyRange, Polytope, Profile, Slice
from mpp_sdk.flexoffer.solvable import check_solvable, unsolvable
from tests.flexoffers.checker import broken_energies
from tests.unit.mpp_sdk.flexoffer.members import offer_of, properties

TWO = (Slice(0, 1000),) * 2
FREE = Profile(TWO)
CHOICE = Slice(0, 1000, options=(0, 400, 1000))

POSSIBLE = {
    "plain": FREE,
    "a total": Profile(TWO, EnergyRange(5, 5)),
    "a polytope": Profile(TWO, polytope=Polytope(((1.0, 1.0), (-1.0, -1.0)), (0.5, -0.5))),
    "polygons": Profile(TWO, dependencies=(((0.0, 0.5),), ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))),
    "options": Profile((CHOICE, CHOICE), EnergyRange(1300, 1400)),
    "options and a range": Profile((CHOICE, Slice(0, 150)), EnergyRange(500, 540)),
    "options and rows": Profile((CHOICE, CHOICE), polytope=Polytope(((-1.0, -1.0),), (-1.35,))),
}

IMPOSSIBLE = {
    "rows against the slices": (
        Profile(TWO, polytope=Polytope(((-1.0, -1.0),), (-2.1,))),
        ("polytope", "feasible"),
    ),
    "rows against the total": (
        Profile(TWO, EnergyRange(0, 900), Polytope(((-1.0, 0.0),), (-0.95,))),
        ("polytope", "feasible"),
    ),
    "rows against polygons": (
        Profile(
            TWO,
            polytope=Polytope(((-1.0, 0.0),), (-0.5,)),
            dependencies=(((0.0, 0.0), (0.0, 0.4)), ((0.0, 0.0), (1.0, 1.0))),
        ),
        ("polytope", "feasible"),
    ),
    "a polygon too far away": (
        Profile(TWO, dependencies=(((0.0, 0.0), (0.0, 0.4)), ((0.5, 0.0), (1.0, 1.0)))),
        ("dependencies/1", "reachable"),
    ),
    "a polygon out of bounds": (
        Profile(TWO, dependencies=(((0.0, 1.5), (0.0, 2.0)), ((0.0, 0.0), (2.0, 1.0)))),
        ("dependencies/0", "reachable"),
    ),
    "polygons against the total": (
        Profile(
            TWO,
            EnergyRange(1500, 2000),
            dependencies=(((0.0, 0.0), (0.0, 0.4)), ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5))),
        ),
        ("dependencies/1", "reachable"),
    ),
    "options that miss the total": (
        Profile((CHOICE, CHOICE), EnergyRange(900, 999)),
        ("total", "reachable"),
    ),
    "options and a range that miss the total": (
        Profile((CHOICE, Slice(0, 150)), EnergyRange(551, 999)),
        ("total", "reachable"),
    ),
    "options against rows": (
        Profile((CHOICE, CHOICE), polytope=Polytope(((1.0, 1.0), (-1.0, -1.0)), (0.9, -0.85))),
        ("polytope", "feasible"),
    ),
    "options against polygons": (
        Profile((CHOICE, CHOICE), dependencies=(((0.0, 0.5), (0.0, 0.9)), ((0.5, 0.0), (0.9, 1)))),
        ("dependencies", "feasible"),
    ),
}


@pytest.mark.parametrize("name", POSSIBLE)
def test_what_can_be_met_passes(name: str) -> None:
    assert unsolvable(POSSIBLE[name], INTERVAL) is None
    check_solvable(offer_of(FREE, POSSIBLE[name], default=(0, 0)))


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_nothing_can_meet_is_refused_with_field_and_rule(name: str) -> None:
    profile, (pointer, rule) = IMPOSSIBLE[name]
    with pytest.raises(InvalidInput) as caught:
        check_solvable(offer_of(FREE, profile, default=(0, 0)))
    (error,) = caught.value.errors
    assert (error.pointer, error.rule) == (f"/profiles/1/{pointer}", rule)


def test_each_profile_that_cannot_be_met_is_named() -> None:
    profiles = [profile for profile, _ in IMPOSSIBLE.values()]
    with pytest.raises(InvalidInput) as caught:
        check_solvable(offer_of(FREE, *profiles, default=(0, 0)))
    assert len(caught.value.errors) == len(profiles)


options = st.lists(st.integers(-9, 9), max_size=3, unique=True)


@st.composite
def small_profiles(draw: st.DrawFn) -> Profile:
    """Draw options, ranges and a total so small that all energies can be tried."""
    slices = []
    for energies in draw(st.lists(options, min_size=1, max_size=4)):
        lower = draw(st.integers(-9, 6))
        slices.append(
            Slice(min(energies), max(energies), options=tuple(energies))
            if energies
            else Slice(lower, lower + draw(st.integers(0, 3)))
        )
    least, most = sum(one.lower for one in slices), sum(one.upper for one in slices)
    lower = draw(st.integers(least, most))
    return Profile(tuple(slices), EnergyRange(lower, draw(st.integers(lower, most))))


@properties
@given(small_profiles())
def test_a_total_is_missed_exactly_when_no_energies_sum_up_to_it(profile: Profile) -> None:
    tried = product(*(part.options or range(part.lower, part.upper + 1) for part in profile.slices))
    possible = any(not broken_energies(profile, one, INTERVAL) for one in tried)
    assert (unsolvable(profile, INTERVAL) is None) == possible


def test_too_many_sums_are_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvable, "_MOST_SUMS", 30)
    parts = tuple(Slice(0, 3**k, options=(0, 3**k)) for k in range(9))
    broken = unsolvable(Profile(parts, EnergyRange(2, 3**9)), INTERVAL)
    assert broken is not None
    assert broken.rule == "undecided"


def test_sums_beyond_64_bits_are_refused_and_not_wrong() -> None:
    large = 2**53 - 1
    parts = (Slice(0, large, options=(0, large)),) * 600
    broken = unsolvable(Profile(parts, EnergyRange(1, 1)), INTERVAL)
    assert broken is not None
    assert broken.rule == "undecided"

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.combiners import Polytopes, combiner_for, polytopes
from mpp_sdk.flexoffer.model import EnergyRange, FlexOffer, Polytope, Profile, Slice
from tests.flexoffers.checker import broken_energies
from tests.unit.mpp_sdk.flexoffer.members import (
    assert_split,
    extreme,
    offer_of,
    prices_for,
    properties,
)


def heat_pump(scale: int, lower: int = 0, upper: int = 1000, most_change: float = 0.5) -> FlexOffer:
    """Return three slices, of which neighbours differ by little."""
    rows = ((1.0, -1.0, 0.0), (-1.0, 1.0, 0.0), (0.0, 1.0, -1.0), (0.0, -1.0, 1.0))
    profile = Profile(
        (Slice(scale * lower, scale * upper),) * 3,
        polytope=Polytope(rows, (scale * most_change,) * 4),
    )
    return offer_of(profile, default=(scale * lower,) * 3)


@st.composite
def member(draw: st.DrawFn, slices: int, rows: tuple[tuple[float, ...], ...] = ()) -> FlexOffer:
    """Draw a polytope around energies; a total and polygons may be in it as well."""
    energies = draw(st.lists(st.integers(-8, 8), min_size=slices, max_size=slices))
    spare = st.integers(0, 8)
    parts = tuple(Slice((one - draw(spare)) * 125, (one + draw(spare)) * 125) for one in energies)
    weights = st.tuples(*[st.sampled_from((0.0, 1.0, -1.0, 0.5, 1 / 3))] * slices)
    a = rows or tuple(draw(st.lists(weights, min_size=1, max_size=3)))
    b = tuple(
        float(np.dot(row, energies)) / 8 + draw(st.sampled_from((0.0, 0.125, 1.0))) for row in a
    )
    profile = Profile(parts, polytope=Polytope(a, b))
    if draw(st.booleans()):
        total = sum(energies) * 125
        least, most = sum(one.lower for one in parts), sum(one.upper for one in parts)
        room = EnergyRange(
            max(least, total - 125 * draw(spare)), min(most, total + 125 * draw(spare))
        )
        profile = replace(profile, total=room)
    if draw(st.integers(0, 3)) == 0:
        polygon = tuple((x, y) for x, y in ((-9.0, -3.0), (9.0, -3.0), (9.0, 3.0), (-9.0, 3.0)))
        profile = replace(profile, dependencies=(polygon,) * slices)
    return offer_of(profile, default=[one * 125 for one in energies])


groups = st.integers(1, 3).flatmap(lambda n: st.lists(member(n), min_size=1, max_size=4))


@settings(properties, max_examples=60)
@given(st.data(), groups)
def test_what_the_combination_admits_is_split_in_what_the_members_can_do(
    data: st.DataObject, members: list[FlexOffer]
) -> None:
    combination = Polytopes().combine(members)
    prices = data.draw(prices_for(len(members[0].profile.slices)))
    assert_split(members, combination, extreme(combination.offer, prices))


@settings(properties, max_examples=15)
@given(groups)
def test_the_sum_of_the_defaults_is_admitted(members: list[FlexOffer]) -> None:
    combination = Polytopes().combine(members)
    assert_split(members, combination, combination.offer.default.energies)
    assert 0 <= combination.kept <= 1


@pytest.mark.parametrize("prices", [(1, 2, 3), (3, -1, 2), (-1, -1, 0)])
def test_scaled_and_moved_copies_combine_exactly(prices: tuple[float, ...]) -> None:
    members = [heat_pump(1), heat_pump(3), heat_pump(2, 100, 1100)]
    combination = Polytopes().combine(members)
    assert combination.kept == pytest.approx(1, abs=1e-9)
    reached = np.dot(prices, extreme(combination.offer, prices))
    own = sum(np.dot(prices, extreme(one, prices)) for one in members)
    assert reached == pytest.approx(own, abs=0.1)


def test_rows_that_are_never_reached_do_not_spoil_copies() -> None:
    loose = heat_pump(2)
    assert loose.profile.polytope is not None
    rows = (*loose.profile.polytope.a, (1.0, 1.0, 1.0))
    profile = replace(loose.profile, polytope=Polytope(rows, (*loose.profile.polytope.b, 100.0)))
    combination = Polytopes().combine([heat_pump(1), replace(loose, profiles=(profile,))])
    assert combination.kept == pytest.approx(1, abs=1e-9)


def test_different_shapes_lose_some_and_say_so() -> None:
    members = [heat_pump(1), heat_pump(1, most_change=0.25), heat_pump(1, most_change=0.125)]
    combination = Polytopes().combine(members)
    assert 0.3 < combination.kept < 1
    assert_split(members, combination, extreme(combination.offer, (1, -1, 1)))


def test_combinations_can_be_combined_again() -> None:
    members = [heat_pump(1), heat_pump(3), heat_pump(2, 100, 1100), heat_pump(4)]
    parts = [Polytopes().combine(members[:2]), Polytopes().combine(members[2:])]
    both = Polytopes().combine([part.offer for part in parts])
    assert both.kept == pytest.approx(1, abs=1e-6)
    energies = extreme(both.offer, (1, -1, 1))
    for part, share, own in zip(
        parts, both.split(energies), (members[:2], members[2:]), strict=True
    ):
        for one, energies_of_one in zip(own, part.split(share), strict=True):
            tolerance = Fraction(2, 10**9)
            assert not broken_energies(one.profile, energies_of_one, one.interval, tolerance)


def test_what_leaves_no_room_is_done_as_it_is() -> None:
    fixed = heat_pump(1, 500, 500)
    combination = Polytopes().combine([fixed, fixed])
    assert combination.kept == 1
    assert combination.split((1000, 1000, 1000)) == [(500, 500, 500)] * 2


def test_more_rows_than_a_polytope_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polytopes, "MAX_ROWS", 9)
    with pytest.raises(InvalidInput) as caught:
        Polytopes().combine([heat_pump(1), heat_pump(2)])
    assert caught.value.errors[0].rule == "maxItems"


def test_a_profile_with_several_constraints_is_combined_as_a_polytope() -> None:
    polygons = (((0.0, 0.0), (0.0, 1.0)), ((0.0, 0.0), (1.0, 1.0)), ((0.0, 0.0), (2.0, 1.0)))
    pump = heat_pump(1)
    every = replace(pump.profile, total=EnergyRange(0, 2000), dependencies=polygons)
    offer = replace(pump, profiles=(every,))
    assert combiner_for(offer) == Polytopes()
    combination = Polytopes().combine([offer, pump])
    assert_split([offer, pump], combination, extreme(combination.offer, (1, 1, 1)))

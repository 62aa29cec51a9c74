from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.combiners import Dependencies, combiner_for
from mpp_sdk.flexoffer.combiners.dependencies import Devices
from mpp_sdk.flexoffer.combiners.regions import cut, walk, without_smallest
from mpp_sdk.flexoffer.feasibility import contains
from mpp_sdk.flexoffer.linear import best
from mpp_sdk.flexoffer.model import INTERVAL, EnergyRange, FlexOffer, Polygon, Profile, Slice
from mpp_sdk.flexoffer.rules import is_convex
from tests.flexoffers.checker import broken_energies
from tests.flexoffers.strategies import hull
from tests.unit.mpp_sdk.flexoffer.members import (
    assert_split,
    extreme,
    offer_of,
    prices_for,
    properties,
)

STEP = 125  # Wh: eighths of a kWh are held exactly


def storage(
    power: int, capacity: int, slices: int, filled: int = 0, least_at_end: int = 0
) -> FlexOffer:
    """Return a car that charges from filled on, all in eighths of a kWh, as early as it can."""
    room, need = capacity - filled, max(0, least_at_end - filled)
    polygons, default, before = [], [], 0
    for t in range(slices):
        left = (slices - t - 1) * power
        low, high = max(0, need - left - power), min(room, t * power)
        corners = {
            (x, y)
            for x in range(low, high + 1)
            for y in range(power + 1)
            if need - left <= x + y <= room
        }
        polygons.append(tuple((x / 8, y / 8) for x, y in hull(sorted(corners))))
        default.append(min(power, room - before) * STEP)
        before += min(power, room - before)
    profile = Profile((Slice(0, power * STEP),) * slices, dependencies=tuple(polygons))
    return offer_of(profile, default=default)


@st.composite
def member(draw: st.DrawFn, slices: int) -> FlexOffer:
    """Draw any polygons around a way through them; bounds and a total may cut into them."""
    ways = draw(st.lists(st.integers(-8, 8), min_size=slices, max_size=slices))
    before, polygons, bounds = 0, [], []
    for energy in ways:
        near = st.tuples(st.integers(before - 12, before + 12), st.integers(energy - 6, energy + 6))
        corners = hull([(before, energy), *draw(st.lists(near, max_size=5))])
        polygons.append(tuple((x / 8, y / 8) for x, y in corners))
        spare = draw(st.tuples(*[st.integers(0, 8)] * 2))
        bounds.append(Slice((energy - spare[0]) * STEP, (energy + spare[1]) * STEP))
        before += energy
    total = None
    if draw(st.booleans()):
        least, most = sum(one.lower for one in bounds), sum(one.upper for one in bounds)
        total = EnergyRange(
            max(least, (before - draw(st.integers(0, 6))) * STEP),
            min(most, (before + draw(st.integers(0, 6))) * STEP),
        )
    profile = Profile(tuple(bounds), total, dependencies=tuple(polygons))
    return offer_of(profile, default=[energy * STEP for energy in ways])


groups = st.integers(1, 4).flatmap(lambda n: st.lists(member(n), min_size=1, max_size=5))


@settings(properties, max_examples=200)
@given(st.data(), groups)
def test_what_the_combination_admits_is_split_in_what_the_members_can_do(
    data: st.DataObject, members: list[FlexOffer]
) -> None:
    combination = Dependencies().combine(members)
    prices = data.draw(prices_for(len(members[0].profile.slices)))
    assert_split(members, combination, extreme(combination.offer, prices))


@settings(properties, max_examples=15)
@given(groups)
def test_the_sum_of_the_defaults_is_admitted(members: list[FlexOffer]) -> None:
    combination = Dependencies().combine(members)
    assert_split(members, combination, combination.offer.default.energies)
    assert 0 <= combination.kept <= 1


@properties
@given(st.data(), groups)
def test_combinations_can_be_combined_again(data: st.DataObject, members: list[FlexOffer]) -> None:
    parts = [Dependencies().combine(each) for each in (members[::2], members[1::2] or members)]
    both = Dependencies().combine([part.offer for part in parts])
    energies = extreme(both.offer, data.draw(prices_for(len(members[0].profile.slices))))
    for part, share, own in zip(
        parts, both.split(energies), (members[::2], members[1::2] or members), strict=True
    ):
        for one, energies_of_one in zip(own, part.split(share), strict=True):
            assert broken_energies(one.profile, energies_of_one, one.interval) == []


@properties
@given(st.data(), st.integers(1, 4).flatmap(member), st.integers(1, 4))
def test_copies_combine_exactly(data: st.DataObject, one: FlexOffer, copies: int) -> None:
    combination = Dependencies().combine([one] * copies)
    prices = data.draw(prices_for(len(one.profile.slices)))
    reached = np.dot(prices, extreme(combination.offer, prices))
    assert reached == pytest.approx(copies * np.dot(prices, extreme(one, prices)), abs=1e-3)


@settings(properties, max_examples=15)
@given(groups)
def test_the_order_of_the_members_does_not_matter(members: list[FlexOffer]) -> None:
    one, other = Dependencies().combine(members), Dependencies().combine(members[::-1])
    assert one.kept == pytest.approx(other.kept, abs=1e-6)


def test_storages_alike_keep_more_together() -> None:
    small, large = storage(4, 16, 6), storage(8, 64, 6)
    alike, mixed = Dependencies().combine([small] * 4), Dependencies().combine([small, large])
    assert alike.kept == pytest.approx(1)
    assert 0.1 < mixed.kept < 1


def test_storages_with_different_needs_are_split_to_the_last_slice() -> None:
    members = [storage(4, 16, 6, 0, 8), storage(8, 24, 6, 8, 24), storage(3, 9, 6, 2, 2)]
    combination = Dependencies().combine(members)
    for prices in ([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [1, -1, 1, -1, 1, -1]):
        assert_split(members, combination, extreme(combination.offer, prices))


def test_no_promise_is_made_by_summing_polygons() -> None:
    small, large = storage(8, 8, 3), storage(8, 24, 3)
    last = [
        contains(one.profile.dependencies[2], *at) for one, at in ((small, (0, 1)), (large, (2, 1)))
    ]
    assert all(last)  # so that their summed polygons admit 2 kWh after 2 kWh, whoever took these
    combination = Dependencies().combine([small, large])
    profile, interval = combination.offer.profile, combination.offer.interval
    assert broken_energies(profile, (2000, 0, 2000), interval)
    for prices in ([3, 2, 1], [2, 1, 3], [1, 2, 3]):
        assert_split([small, large], combination, extreme(combination.offer, prices))


def test_ranges_of_nothing_are_followed() -> None:
    idle = offer_of(
        Profile((Slice(0, 1000),) * 3, dependencies=(((0.0, 0.0),),) * 3), default=(0, 0, 0)
    )
    fixed = offer_of(
        Profile((Slice(500, 500),) * 3, dependencies=tuple(((t / 2, 0.5),) for t in range(3))),
        default=(500, 500, 500),
    )
    car = storage(4, 8, 3)
    combination = Dependencies().combine([idle, fixed, car])
    assert combination.kept == pytest.approx(1)
    energies = extreme(combination.offer, [1, 3, 2])
    assert_split([idle, fixed, car], combination, energies)
    nothing = Dependencies().combine([idle, fixed])
    assert nothing.kept == 1
    assert_split([idle, fixed], nothing, (500, 500, 500))


def test_many_corners_become_few_from_the_inside() -> None:
    members = []
    for i in range(40):
        across, up = 800 + 11 * i, 1000 - 13 * i
        corners = hull(
            [(x * across // 8, y * up // 8) for x in range(9) for y in range(9) if x * y <= i % 7]
        )
        polygon = tuple((x / 1000, y / 1000) for x, y in corners)
        profile = Profile(
            (Slice(0, 2000), Slice(0, up)), dependencies=(((0, 0), (0, across / 1000)), polygon)
        )
        members.append(offer_of(profile, default=(0, 0)))
    combination = Dependencies().combine(members)
    assert max(map(len, combination.offer.profile.dependencies)) <= 64
    assert_split(members, combination, extreme(combination.offer, [1, 2]))


def test_corners_are_left_out_without_the_point_that_must_stay() -> None:
    square = np.array([(0.0, 0), (4, 0), (4, 4), (0, 4), (-0.1, 2)])
    count = without_smallest(square, 5, 2.0, 2.0)
    assert {tuple(one) for one in square[:count]} == {(0, 0), (4, 0), (4, 4), (0, 4)}
    thin = np.array([(0.0, 0), (4, 0), (4, 4), (0, 4), (-0.1, 2)])
    count = without_smallest(thin, 5, -0.05, 2.0)
    assert (-0.1, 2) in {tuple(one) for one in thin[:count]}


@properties
@given(st.lists(st.tuples(*[st.integers(-9, 9)] * 2), min_size=1, max_size=8), st.data())
def test_a_cut_leaves_what_is_in_both(points: list[tuple[int, int]], data: st.DataObject) -> None:
    corners = np.zeros((12, 2))
    found = hull(points)
    corners[: len(found)] = found
    p, q, r = data.draw(st.tuples(*[st.integers(-5, 5)] * 3))
    count = cut(corners, len(found), float(p), float(q), float(r))
    inside = [x for x in found if p * x[0] + q * x[1] <= r]
    assert (count > 0) == bool(inside)
    left = corners[:count]
    assert (left @ (p, q) <= r + 1e-9).all()
    assert {tuple(map(float, x)) for x in inside} <= {tuple(x) for x in left.tolist()}
    assert count <= len(found) + 1


def test_polygons_that_cannot_be_walked_through_are_said_so() -> None:
    polygons = np.array([[(0.0, 0.0), (0.0, 1.0)], [(2.0, 0.0), (2.0, 1.0)]])
    bounds = np.zeros(2), np.ones(2)
    assert walk(polygons, np.array([2, 2]), *bounds, -np.inf, np.inf)[2] == 1


@pytest.mark.parametrize("at", [0.0, 1e5])
def test_small_polygons_far_away_are_convex(at: float) -> None:
    square: Polygon = ((at, 0.0), (at + 1, 0.0), (at + 1, 1.0), (at, 1.0))
    assert is_convex(square)
    assert not is_convex((square[0], square[2], square[1], square[3]))


def devices(power: Sequence[float], room: Sequence[float], need: Sequence[float]) -> Devices:
    """Return devices of four slices that can stop at any time, and have taken what they need."""
    columns = np.ones((4, len(power)))
    least = np.zeros((4, len(power)))
    least[3] = need
    return Devices(0 * columns, columns * power, least, columns * room)


energy = st.floats(0, 50)


@properties
@given(
    st.lists(st.tuples(st.floats(0.1, 22), energy, st.floats(0, 1)), min_size=1, max_size=6),
    st.data(),
)
def test_devices_follow_what_they_can_do_together(
    drawn: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    need = [min(4 * power, room) * share for power, room, share in drawn]
    group = devices([one[0] for one in drawn], [one[1] for one in drawn], need)
    positions = group.combine()
    assert all(map(is_convex, positions.polygons))
    low = [min(x for _, x in polygon) for polygon in positions.polygons]
    high = [max(x for _, x in polygon) for polygon in positions.polygons]
    slices = tuple(
        Slice(int(1000 * a) - 1, int(1000 * b) + 2) for a, b in zip(low, high, strict=True)
    )
    profile = Profile(slices, dependencies=positions.polygons)
    found = best(profile, INTERVAL, np.array(data.draw(prices_for(4))))
    assert found is not None
    parts = positions.split(found)
    assert np.abs(parts.sum(axis=1) - found).max() < 1e-9
    reached = np.cumsum(parts, axis=0)
    for value, bound in (
        (group.lower, parts),
        (parts, group.upper),
        (group.least, reached),
        (reached, group.most),
    ):
        assert (value - bound).max() < 1e-9


@pytest.mark.parametrize(
    ("group", "rule"),
    [
        (devices([1.0], [2.0], [3.0]), "reachable"),
        (devices([1.0], [float("nan")], [1.0]), "finite"),
        (Devices(np.zeros((4, 1)), np.ones((4, 1)), np.zeros((4, 2)), np.ones((4, 1))), "shape"),
    ],
    ids=["unreachable", "not a number", "shape"],
)
def test_devices_that_can_do_nothing_are_refused(group: Devices, rule: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        group.combine()
    assert caught.value.errors[0].rule == rule


def test_dependencies_have_their_combiner() -> None:
    assert combiner_for(storage(1, 1, 1)) == Dependencies()

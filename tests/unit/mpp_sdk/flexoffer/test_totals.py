import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.combiners import Totals, combiner_for
from mpp_sdk.flexoffer.combiners.flow import settle_rows
from mpp_sdk.flexoffer.model import EnergyRange, FlexOffer, Profile, Slice
from tests.flexoffers.checker import broken_energies
from tests.unit.mpp_sdk.flexoffer.members import (
    assert_split,
    extreme,
    offer_of,
    prices_for,
    properties,
    with_total,
)

A = with_total([(0, 1000)] * 3, (0, 1000), (0, 0, 0))
B = with_total([(0, 1000)] * 3, (0, 3000), (0, 0, 0))


@st.composite
def groups(draw: st.DrawFn, largest: int = 5, longest: int = 4, most: int = 12) -> list[FlexOffer]:
    """Draw members with totals; some are copies of others, scaled and moved."""
    slices = draw(st.integers(1, longest))
    members: list[FlexOffer] = []
    for _ in range(draw(st.integers(1, largest))):
        if draw(st.booleans()) and members:
            scale, move = draw(st.integers(1, 3)), draw(st.integers(-5, 5))
            twin = draw(st.sampled_from(members))
            bounds = [
                (scale * one.lower + move, scale * one.upper + move) for one in twin.profile.slices
            ]
            total = twin.profile.total
            assert total is not None
            moved = move * slices
            members.append(
                with_total(
                    bounds,
                    (scale * total.lower + moved, scale * total.upper + moved),
                    [scale * energy + move for energy in twin.default.energies],
                )
            )
            continue
        energy = st.integers(-most, most)
        three = st.tuples(energy, energy, energy)
        drawn = [sorted(one) for one in draw(st.lists(three, min_size=slices, max_size=slices))]
        least, default, highest = (sum(column) for column in zip(*drawn, strict=True))
        total_of = (draw(st.integers(least, default)), draw(st.integers(default, highest)))
        members.append(
            with_total([(a, c) for a, _, c in drawn], total_of, [b for _, b, _ in drawn])
        )
    return members


@settings(properties, max_examples=150)
@given(st.data(), groups())
def test_what_the_combination_admits_is_split_in_whole_wh_that_the_members_can_do(
    data: st.DataObject, members: list[FlexOffer]
) -> None:
    combination = Totals().combine(members)
    prices = data.draw(prices_for(len(members[0].profile.slices)))
    assert_split(members, combination, extreme(combination.offer, prices))


@settings(properties, max_examples=30)
@given(groups(largest=3, longest=3, most=2))
def test_all_energies_that_the_combination_admits_can_be_split(members: list[FlexOffer]) -> None:
    combination = Totals().combine(members)
    profile, interval = combination.offer.profile, combination.offer.interval
    points = product(*(range(one.lower, one.upper + 1) for one in profile.slices))
    admitted = [one for one in points if not broken_energies(profile, one, interval)]
    for energies in admitted[:: 1 + len(admitted) // 40]:
        assert_split(members, combination, energies)


@properties
@given(groups())
def test_the_sum_of_the_defaults_is_admitted(members: list[FlexOffer]) -> None:
    combination = Totals().combine(members)
    defaults = zip(*(member.default.energies for member in members), strict=True)
    assert combination.offer.default.energies == tuple(map(sum, defaults))
    assert_split(members, combination, combination.offer.default.energies)
    assert 0 <= combination.kept <= 1


@properties
@given(st.data(), groups(largest=1), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_scaled_copies_combine_exactly(
    data: st.DataObject, one: list[FlexOffer], scales: list[int]
) -> None:
    profile = one[0].profile
    assert profile.total is not None
    members = [
        with_total(
            [(scale * part.lower, scale * part.upper) for part in profile.slices],
            (scale * profile.total.lower, scale * profile.total.upper),
            [scale * energy for energy in one[0].default.energies],
        )
        for scale in scales
    ]
    combination = Totals().combine(members)
    assert combination.kept == 1
    prices = data.draw(prices_for(len(profile.slices)))
    each = [extreme(member, prices) for member in members]
    assert np.dot(prices, extreme(combination.offer, prices)) == pytest.approx(
        sum(float(np.dot(prices, energies)) for energies in each)
    )


@properties
@given(groups())
def test_the_order_of_the_members_does_not_matter(members: list[FlexOffer]) -> None:
    one, other = Totals().combine(members), Totals().combine(members[::-1])
    assert one.offer.profile == other.offer.profile
    assert one.kept == pytest.approx(other.kept)


@properties
@given(groups(largest=1))
def test_a_combination_of_one_can_do_all_that_it_can(members: list[FlexOffer]) -> None:
    combination = Totals().combine(members)
    assert combination.kept == 1
    energies = extreme(members[0], [1.0] * len(members[0].profile.slices))
    assert combination.split(energies) == [energies]


@properties
@given(st.data(), groups(), groups())
def test_combinations_can_be_combined_again(
    data: st.DataObject, some: list[FlexOffer], others: list[FlexOffer]
) -> None:
    slices = min(len(some[0].profile.slices), len(others[0].profile.slices))
    parts = [
        Totals().combine([shortened(member, slices) for member in each]) for each in (some, others)
    ]
    both = Totals().combine([part.offer for part in parts])
    energies = extreme(both.offer, data.draw(prices_for(slices)))
    for part, share in zip(parts, both.split(energies), strict=True):
        part.split(share)


def shortened(offer: FlexOffer, slices: int) -> FlexOffer:
    """Return a member without a total, and only the first slices."""
    return offer_of(Profile(offer.profile.slices[:slices]), default=offer.default.energies[:slices])


def test_no_promise_is_made_by_summing_totals() -> None:
    combination = Totals().combine([A, B])
    offer = combination.offer
    assert broken_energies(offer.profile, (2000, 2000, 0), offer.interval) == ["total: too much"]
    with pytest.raises(InvalidInput):
        combination.split((2000, 2000, 0))
    assert 0.5 < combination.kept < 1


def test_what_totals_do_not_bind_is_summed_exactly() -> None:
    loose = [with_total([(0, n), (5, 9 * n)], (5, 10 * n), (0, 5)) for n in range(1, 6)]
    assert Totals().combine(loose).kept == 1


def test_energies_too_large_for_products_of_64_bits_stay_exact() -> None:
    large = 2**51 - 1
    members = [with_total([(0, large)] * 2, (0, large), (0, 0)) for _ in range(2)]
    combination = Totals().combine(members)
    assert combination.kept == 1
    assert_split(members, combination, (2 * large - 1, 1))


def test_many_cars_that_need_their_energy_keep_most_of_what_can_be_shifted() -> None:
    rng = random.Random(7)
    members = []
    for _ in range(200):
        need, power = rng.randint(4_000, 30_000), rng.choice((2_750, 2_750, 1_840))
        first = [min(power, max(0, need - power * k)) for k in range(24)]
        members.append(with_total([(0, power)] * 24, (need, need), first))
    combination = Totals().combine(members)
    assert combination.kept > 0.3
    assert_split(
        members, combination, extreme(combination.offer, [rng.random() for _ in range(24)])
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(A, profiles=(Profile((Slice(0, 1, 2), Slice(0, 1), Slice(0, 1))),)),
        replace(A, profiles=(replace(A.profile, lead=1),)),
    ],
    ids=["durations", "lead"],
)
def test_what_is_laid_out_differently_is_refused(other: FlexOffer) -> None:
    with pytest.raises(InvalidInput) as caught:
        Totals().combine([A, other])
    assert caught.value.errors[0].rule == "sameLayout"


def test_a_group_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Totals().combine([])


def test_power_bounds_are_part_of_what_is_combined() -> None:
    profile = Profile((Slice(0, 1000, max_power=2000),), EnergyRange(0, 500))
    combination = Totals().combine([offer_of(profile, default=(0,))] * 2)
    assert combination.offer.profile.slices == (Slice(0, 1000),)


def test_alternatives_have_no_combiner() -> None:
    one = Profile((Slice(0, 1),))
    assert combiner_for(offer_of(one, one, default=(0,))) is None
    assert combiner_for(offer_of(Profile((Slice(0, 1, options=(0, 1)),)), default=(0,))) is None
    assert combiner_for(A) == combiner_for(B) == Totals()


tables = st.integers(1, 5).flatmap(
    lambda rows: st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.tuples(*[st.integers(-4, 4)] * 3), min_size=columns, max_size=columns),
            min_size=rows,
            max_size=rows,
        )
    )
)


@properties
@given(tables, st.data())
def test_rows_are_settled_whenever_they_can_be(
    cells: Sequence[Sequence[tuple[int, int, int]]], data: st.DataObject
) -> None:
    ordered = np.sort(np.array(cells, dtype=np.int64), axis=2)
    lower, target, upper = (np.ascontiguousarray(ordered[:, :, k]) for k in range(3))
    sums = target.sum(axis=1)
    table = lower.copy()
    for column in range(table.shape[1]):  # the same columns, filled from the first row on
        missing = int((target - lower)[:, column].sum())
        for row in range(table.shape[0]):
            moved = min(missing, int((upper - lower)[row, column]))
            table[row, column] += moved
            missing -= moved
    slack = data.draw(st.integers(0, 1))
    assert settle_rows(table, lower, upper, sums - slack, sums)
    assert (table.sum(axis=0) == target.sum(axis=0)).all()
    assert ((lower <= table) & (table <= upper)).all()
    assert ((sums - slack <= table.sum(axis=1)) & (table.sum(axis=1) <= sums)).all()


def test_rows_that_cannot_be_settled_are_said_so() -> None:
    table = np.array([[1, 0], [0, 1]], dtype=np.int64)
    fixed = table.copy()
    assert not settle_rows(table, fixed, fixed, np.array([0, 0]), np.array([0, 2]))
    assert not settle_rows(table, fixed, fixed, np.array([0, 2]), np.array([2, 2]))

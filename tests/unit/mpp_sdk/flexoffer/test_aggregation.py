"""What aggregates promise, and that a schedule of theirs becomes their members'."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer import kernels
from mpp_sdk.flexoffer.aggregation import Aggregation, aggregate
from mpp_sdk.flexoffer.columns import Coded, Direction, FlexOffers, Schedules, Terms
from mpp_sdk.flexoffer.contiguous import Contiguous
from mpp_sdk.flexoffer.grouping import Alignment, Grouping
from mpp_sdk.flexoffer.model import INTERVAL, FlexOffer, Schedule
from tests.flexoffers import checker
from tests.flexoffers.strategies import COMBINABLE, KINDS, NOW, schedules
from tests.unit.mpp_sdk.flexoffer.columns import (
    groupings,
    made,
    many,
    properties,
    rows_of,
)

DAY = timedelta(days=1)


def drawn(data: st.DataObject, offers: FlexOffers) -> Schedules:
    return Schedules.of((data.draw(schedules(one)) for one in offers), offers.interval)


@properties
@given(many(), groupings(), st.data())
def test_members_of_plain_aggregates_sum_up_in_every_interval_and_are_feasible(
    offers: FlexOffers, grouping: Grouping, data: st.DataObject
) -> None:
    found = aggregate(offers, grouping)
    given_ = drawn(data, found.aggregates)
    schedules_ = found.disaggregate(given_)
    for offer, schedule in zip(offers, schedules_, strict=True):
        assert checker.broken(offer, schedule, NOW) == []
    for number, whole in enumerate(found.aggregates):
        members = [(offers[row], schedules_[row]) for row in found.members(number).tolist()]
        assert checker.broken_sums(whole, given_[number], members) == []


@properties
@given(many(KINDS), groupings(), st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(
    offers: FlexOffers, grouping: Grouping, random: Random
) -> None:
    rows = list(range(len(offers)))
    random.shuffle(rows)
    shuffled = aggregate(offers.take(np.array(rows)), grouping)
    assert rows_of(shuffled.aggregates) == rows_of(aggregate(offers, grouping).aggregates)


@properties
@given(many(KINDS), groupings())
def test_an_aggregate_of_one_is_the_offer(offers: FlexOffers, grouping: Grouping) -> None:
    found = aggregate(offers, replace(grouping, max_size=1))
    assert sorted(found.aggregates, key=str) == sorted(offers, key=str)


@properties
@given(many(), groupings())
def test_bounds_and_baselines_are_the_sums_and_no_flexibility_of_energy_is_lost(
    offers: FlexOffers, grouping: Grouping
) -> None:
    found = aggregate(offers, grouping)
    for number, whole in enumerate(found.aggregates):
        members = [offers[row] for row in found.members(number).tolist()]
        for name in ("lower", "upper"):
            sums = sum(getattr(part.bounds(INTERVAL), name) for one in members
                       for part in one.profile.slices)  # fmt: skip
            bounds = [part.bounds(INTERVAL) for part in whole.profile.slices]
            assert sum(getattr(one, name) for one in bounds) == sums
        assert sum(whole.default.energies) == sum(sum(one.default.energies) for one in members)
        lost = sum(flexible(one) - flexible(whole) for one in members)
        assert found.lost.time[number] == lost
    assert (found.lost.time >= 0).all()
    assert (found.lost.kept == 1).all()
    assert found.aggregates.width.sum(dtype=object) == offers.width.sum(dtype=object)


def flexible(offer: FlexOffer) -> int:
    return offer.starts(NOW).flexibility // INTERVAL


@properties
@given(many(KINDS), groupings())
def test_grouping_again_changes_nothing(offers: FlexOffers, grouping: Grouping) -> None:
    once = aggregate(offers, replace(grouping, max_size=100_000)).aggregates
    again = aggregate(once, replace(grouping, max_size=100_000)).aggregates
    assert rows_of(again) == rows_of(once)


@properties
@given(many(), groupings(), st.data())
def test_aggregates_of_aggregates_are_those_of_the_members(
    offers: FlexOffers, grouping: Grouping, data: st.DataObject
) -> None:
    grouping = replace(grouping, max_size=100_000)
    part = np.array([data.draw(st.booleans()) for _ in range(len(offers))])
    halves = [aggregate(offers.take(np.flatnonzero(half)), grouping) for half in (part, ~part)]
    joined = FlexOffers.concatenated([half.aggregates for half in halves])
    at_once = aggregate(offers, grouping).aggregates
    in_steps = aggregate(joined, grouping).aggregates
    assert rows_of(in_steps) == rows_of(at_once)


@pytest.mark.parametrize("alignment", Alignment)
@properties
@given(offers=many(COMBINABLE), grouping=groupings())
def test_the_baseline_of_an_aggregate_is_its_members_baselines(
    alignment: Alignment, offers: FlexOffers, grouping: Grouping
) -> None:
    found = aggregate(offers, replace(grouping, alignment=alignment))
    schedules_ = found.disaggregate(Schedules.default(found.aggregates))
    for offer, schedule in zip(offers, schedules_, strict=True):
        if offer.profile.is_plain:
            assert schedule.energies == offer.default.energies
        if alignment is Alignment.BASELINE:
            assert schedule.start == offer.default.start


@properties
@given(many(), groupings(), st.data())
def test_an_aggregate_is_never_cheaper_than_its_members(
    offers: FlexOffers, grouping: Grouping, data: st.DataObject
) -> None:
    found = aggregate(offers, grouping)
    given_ = drawn(data, found.aggregates)
    own = [cost(offer, one) for offer, one in zip(offers, found.disaggregate(given_), strict=True)]
    for number, whole in enumerate(found.aggregates):
        assert cost(whole, given_[number]) >= sum(own[row] for row in found.members(number))


def cost(offer: FlexOffer, schedule: Schedule) -> Fraction:
    """Return the price of the deviations of a schedule from the baseline."""
    slices = offer.profile.slices
    usual = offer.default.energies
    return sum(
        (
            Fraction(part.price or 0) * abs(Fraction(energy) - default)
            for part, energy, default in zip(slices, schedule.energies, usual, strict=True)
        ),
        Fraction(0),
    )


@properties
@given(many(KINDS), groupings(), st.data())
def test_side_by_side_is_the_same_as_in_the_order_of_arrival(
    offers: FlexOffers, grouping: Grouping, data: st.DataObject
) -> None:
    found = aggregate(offers, grouping)
    given_ = drawn(data, found.aggregates)
    contiguous = Contiguous.of(found)
    assert list(contiguous.disaggregate(given_)) == list(found.disaggregate(given_))
    plain = np.repeat(found.aggregates.kinds == 0, found.aggregates.slices)
    for sums, own in zip(contiguous.sums(), ("default", "down", "up"), strict=True):
        assert (sums == getattr(found.aggregates, own))[plain].all()


@properties
@given(st.integers(0, 2**50), st.data())
def test_a_part_is_exact_whatever_the_size(total: int, data: st.DataObject) -> None:
    near = st.sampled_from((0, 1, total - 1, total)).filter(lambda one: 0 <= one <= total)
    number, running = (data.draw(near | st.integers(0, total)) for _ in range(2))
    expected = number * running // max(total, 1)
    given_ = np.int64(number), np.int64(running), np.int64(max(total, 1))
    assert kernels.part_of(*given_, number / max(total, 1)) == expected


def test_members_overlap_where_they_lie_in_time() -> None:
    offers = made([[1, 1], [2, 2]], [[5, 5], [6, 6]], earliest=[96, 97], flexible=[3, 4])
    whole = aggregate(offers, Grouping(start_tolerance=3 * INTERVAL, flexibility_tolerance=DAY))
    assert whole.aggregates.lower.tolist() == [1, 3, 2]
    assert whole.aggregates.upper.tolist() == [5, 11, 6]
    assert [*whole.aggregates.earliest, *whole.aggregates.latest] == [96, 99]
    late = Schedules.of([Schedule(whole.aggregates.moment(np.int64(99)), (5, 11, 6))])
    assert whole.disaggregate(late).start.tolist() == [99, 100]
    assert whole.disaggregate(late).energies.tolist() == [5, 5, 6, 6]
    assert whole.lost.time.tolist() == [1]


def test_who_aggregates_offers_and_deadlines_are_the_first_ones() -> None:
    quarter = 900 * 10**6
    offers = made(
        [[0], [-1]], [[1], [0]], earliest=[96, 96], flexible=[3, 4],
        accept_before=[90 * quarter, 91 * quarter], assign_before=[98 * quarter, 95 * quarter],
        pods=Coded.of(["A", "A"]), terms=Coded.of([
            Terms(prices=(Decimal(price),), currency="EUR") for price in ("0.11", "0.15")
        ]), offered_by=Coded.of(["household-1", "household-2"]),
    )  # fmt: skip
    found = aggregate(
        offers,
        Grouping(
            flexibility_tolerance=DAY, by_direction=False, by_location=True,
            by_price=Decimal("0.1"), offered_by="aggregator-1",
        ),
    )  # fmt: skip
    whole = found.aggregates[0]
    assert whole.offered_by == "aggregator-1"
    assert whole.pod_id is None
    assert found.aggregates.locations[0] == "A"
    assert found.aggregates.directions[0] == Direction.BOTH
    assert found.aggregates.accept_before[0] == 90 * quarter
    assert found.aggregates.assign_before[0] == 95 * quarter
    assert whole.profile.slices[0].price == Decimal("0.2")
    assert whole.currency == "EUR"


def test_no_deadline_is_after_the_latest_start_of_an_aggregate() -> None:
    offers = made([[0], [0]], [[1], [1]], earliest=[96, 97], flexible=[9, 3])
    found = aggregate(offers, Grouping(start_tolerance=DAY, flexibility_tolerance=DAY))
    assert [one.assign_before for one in found.aggregates] == [
        one.start_before for one in found.aggregates
    ]


@pytest.fixture
def two() -> Aggregation:
    return aggregate(
        made([[0, 0], [0, 0]], [[5, 5], [7, 7]], earliest=[96, 96], flexible=[2, 2]), Grouping()
    )


@pytest.mark.parametrize(
    ("start", "energies", "profile", "pointer", "rule"),
    [
        (95, [0, 0], 0, "/0/start", "withinStarts"),
        (99, [0, 0], 0, "/0/start", "withinStarts"),
        (96, [0, 13], 0, "/0/energies/1", "withinBounds"),
        (96, [-1, 0], 0, "/0/energies/0", "withinBounds"),
        (96, [0.5, 0], 0, "/0/energies/0", "whole"),
        (96, [float("nan"), 0], 0, "/0/energies/0", "whole"),
        (96, [0], 0, "/0/energies", "onePerSlice"),
        (96, [0, 0], 1, "/0/profile", "range"),
    ],
)
def test_a_schedule_that_an_aggregate_does_not_admit_is_refused(
    two: Aggregation, start: int, energies: list[float], profile: int, pointer: str, rule: str
) -> None:
    schedule = Schedules(
        interval=INTERVAL,
        start=np.array([start]),
        offsets=np.array([0, len(energies)]),
        energies=np.array(energies),
        profile=np.array([profile], np.int32),
    )
    with pytest.raises(InvalidInput) as refused:
        two.disaggregate(schedule)
    assert [(error.pointer, error.rule) for error in refused.value.errors] == [(pointer, rule)]


def test_there_is_one_schedule_for_each_aggregate_and_of_its_interval(two: Aggregation) -> None:
    for wrong, rule in (
        (Schedules.of([]), "onePerOffer"),
        (replace(Schedules.default(two.aggregates), interval=DAY), "sameInterval"),
    ):
        with pytest.raises(InvalidInput) as refused:
            two.disaggregate(wrong)
        assert refused.value.errors[0].rule == rule


def test_nothing_becomes_nothing() -> None:
    found = aggregate(FlexOffers.of([], NOW), Grouping())
    assert len(found.aggregates) == 0
    assert len(found.disaggregate(Schedules.of([]))) == 0

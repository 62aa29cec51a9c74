"""Random portfolios of all kinds are aggregated, scheduled at their limits, and disaggregated."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.aggregation import Aggregation, aggregate
from mpp_sdk.flexoffer.alternatives import options_to_profiles, restated
from mpp_sdk.flexoffer.columns import FlexOffers, Schedules
from mpp_sdk.flexoffer.grouping import Alignment, Grouping
from mpp_sdk.flexoffer.model import INTERVAL, FlexOffer, Schedule
from mpp_sdk.flexoffer.solvable import check_solvable
from mpp_sdk.flexoffer.two_mode import expanded, intervention
from tests.flexoffers import checker
from tests.flexoffers.extremes import cheapest
from tests.flexoffers.strategies import (
    COMBINABLE,
    KINDS,
    NOW,
    broken_schedules,
    groups,
    offers,
    portfolios,
    schedules,
)

MODEST = ("small", "consumption", "production", "both")
_PRICES = st.sampled_from((-3, -1, 0, 1, 2))
ROUNDING = Fraction(1, 10**9)

thorough = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def groupings(draw: st.DrawFn) -> Grouping:
    quarters = st.integers(0, 8).map(lambda count: count * INTERVAL)
    return Grouping(
        start_tolerance=draw(quarters),
        flexibility_tolerance=draw(quarters),
        by_location=draw(st.booleans()),
        by_direction=draw(st.booleans()),
        by_price=draw(st.sampled_from((None, Decimal("0.1"), Decimal(1)))),
        alignment=draw(st.sampled_from(Alignment)),
        max_size=draw(st.sampled_from((1, 2, 3, 100))),
    )


@st.composite
def schedules_at_the_limit(draw: st.DrawFn, offer: FlexOffer) -> Schedule:
    """Draw a schedule at a corner of what an offer allows, or any that it does."""
    schedule = draw(schedules(offer))
    profile = offer.profile
    alternatives = len(offer.profiles) > 1 or any(part.options for part in profile.slices)
    if alternatives or draw(st.integers(0, 3)) == 0:
        return schedule
    prices = [draw(_PRICES) for _ in profile.slices]
    energies = cheapest(profile, offer.interval, prices, offer.default.energies)
    return Schedule(schedule.start, energies)


def assert_carried_out(aggregation: Aggregation, given: list[Schedule]) -> Schedules:
    """Check that members do, feasibly and exactly, what their aggregates are told to do."""
    for offer, schedule in zip(aggregation.aggregates, given, strict=True):
        assert checker.broken(offer, schedule, NOW) == []
    found = aggregation.disaggregate(Schedules.of(given, aggregation.aggregates.interval))
    assert len(found) == len(aggregation.offers)
    for offer, schedule in zip(aggregation.offers, found, strict=True):
        assert checker.broken(offer, schedule, NOW) == []
    for number, (whole, schedule) in enumerate(zip(aggregation.aggregates, given, strict=True)):
        members = aggregation.members(number).tolist()
        exact = all(energy == int(energy) for energy in schedule.energies)
        wrong = checker.broken_sums(
            whole,
            schedule,
            [(aggregation.offers[row], found[row]) for row in members],
            Fraction(0) if exact and whole.profile.is_plain else ROUNDING,
        )
        assert wrong == []
    return found


def columns(data: st.DataObject, kinds: Sequence[str], scales: Sequence[str]) -> FlexOffers:
    return FlexOffers.of(data.draw(portfolios(kinds, scales=scales)), NOW)


@thorough
@given(st.data())
def test_whatever_an_aggregate_admits_its_members_do(data: st.DataObject) -> None:
    offers = columns(data, KINDS, MODEST)
    aggregation = aggregate(offers, data.draw(groupings()))
    assert_carried_out(
        aggregation, [data.draw(schedules_at_the_limit(one)) for one in aggregation.aggregates]
    )


@pytest.mark.parametrize("kind", COMBINABLE)
@settings(thorough, max_examples=20)
@given(data=st.data())
def test_members_of_one_kind_that_fit_together_do_what_they_are_told(
    kind: str, data: st.DataObject
) -> None:
    members = data.draw(groups(kind, longest=4, scales=MODEST))
    day = timedelta(days=1)
    everything = Grouping(
        start_tolerance=day, flexibility_tolerance=day, by_direction=False, by_price=Decimal(10)
    )
    aggregation = aggregate(FlexOffers.of(members, NOW), everything)
    given = [data.draw(schedules_at_the_limit(one)) for one in aggregation.aggregates]
    assert_carried_out(aggregation, given)


@settings(thorough, max_examples=30)
@given(st.data())
def test_aggregates_of_aggregates_are_carried_out_by_their_members_members(
    data: st.DataObject,
) -> None:
    lower = aggregate(columns(data, COMBINABLE, MODEST), data.draw(groupings()))
    upper = aggregate(lower.aggregates, data.draw(groupings()))
    given = [data.draw(schedules_at_the_limit(one)) for one in upper.aggregates]
    assert_carried_out(lower, list(assert_carried_out(upper, given)))


@settings(thorough, max_examples=60)
@given(st.data())
def test_a_schedule_that_an_aggregate_does_not_admit_is_refused(data: st.DataObject) -> None:
    aggregation = aggregate(columns(data, KINDS, MODEST), data.draw(groupings()))
    given = [one.default_schedule(NOW) for one in aggregation.aggregates]
    number = data.draw(st.integers(0, len(given) - 1))
    given[number] = data.draw(broken_schedules(aggregation.aggregates[number]))
    with pytest.raises(InvalidInput) as error:
        aggregation.disaggregate(Schedules.of(given, aggregation.aggregates.interval))
    assert error.value.errors


@settings(thorough, max_examples=30)
@given(st.data())
def test_large_energies_are_exact_too(data: st.DataObject) -> None:
    scales = ("int32", "-int32", "large", "wide")
    offers = columns(data, ("plain", "power", "total", "options"), scales)
    aggregation = aggregate(offers, data.draw(groupings()))
    assert_carried_out(
        aggregation, [data.draw(schedules_at_the_limit(one)) for one in aggregation.aggregates]
    )


@settings(thorough, max_examples=30)
@given(st.data())
def test_the_baseline_of_aggregates_is_that_of_their_members(data: st.DataObject) -> None:
    offers = columns(data, KINDS, MODEST)
    aggregation = aggregate(offers, data.draw(groupings()))
    found = assert_carried_out(
        aggregation, [one.default_schedule(NOW) for one in aggregation.aggregates]
    )
    plain = [
        (offer, schedule)
        for offer, schedule in zip(offers, found, strict=True)
        if offer.profile.is_plain
    ]
    for offer, schedule in plain:
        assert schedule.energies == offer.default.energies


@settings(thorough, max_examples=60)
@given(st.data())
def test_what_two_modes_give_back_is_what_their_vectors_say(data: st.DataObject) -> None:
    offer = data.draw(offers(("two-mode",), (INTERVAL,), scales=MODEST))
    one = expanded(offer)
    assert one.two_mode == ()
    number = data.draw(st.integers(0, len(one.profiles) - 1))
    vector = offer.two_mode[number % len(offer.two_mode)]
    profile = one.profiles[number]
    own = offer.profile.slices
    begin = len(profile.slices) - len(own) - bool(vector.after_time)
    usual = [0.0] * begin + [*offer.default.energies] + [0.0] * bool(vector.after_time)
    prices = [data.draw(_PRICES) for _ in profile.slices]
    energies = cheapest(profile, one.interval, prices, usual)
    schedule = Schedule(one.starts(NOW).earliest, energies, number)
    assert checker.broken(one, schedule, NOW) == []
    evenly = [
        energy / part.duration
        for energy, part in zip(energies, profile.slices, strict=True)
        for _ in range(part.duration)
    ]
    before, behind = vector.prior_time // INTERVAL, vector.after_time // INTERVAL
    during = energies[begin : begin + len(own)]
    around = evenly[:before], during, evenly[len(evenly) - behind :]
    assert profile.lead == offer.profile.lead + before
    assert checker.broken_two_mode(offer, vector, *around) == []
    meant = intervention(offer, schedule)
    assert (meant.vector, meant.schedule.energies) == (vector, during)


@settings(thorough, max_examples=60)
@given(st.data())
def test_options_written_as_profiles_admit_the_same(data: st.DataObject) -> None:
    offer = data.draw(offers(("options",), longest=3, scales=MODEST))
    one = options_to_profiles(offer)
    assert not any(part.options for profile in one.profiles for part in profile.slices)
    schedule = data.draw(schedules(offer))
    there = restated(one, schedule)
    assert checker.broken(one, there, NOW) == []
    assert checker.broken(offer, restated(offer, there), NOW) == []
    other = data.draw(schedules(one))
    assert checker.broken(offer, restated(offer, other), NOW) == []


@settings(thorough, max_examples=60)
@given(offers())
def test_what_has_a_feasible_schedule_is_found_to_have_one(offer: FlexOffer) -> None:
    check_solvable(offer)

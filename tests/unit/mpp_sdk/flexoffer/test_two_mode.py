from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.linear import best
from mpp_sdk.flexoffer.model import (
    INTERVAL,
    EnergyRange,
    FlexOffer,
    Polytope,
    Profile,
    Schedule,
    Slice,
    TwoMode,
)
from mpp_sdk.flexoffer.two_mode import expanded, intervention
from tests.flexoffers.checker import broken_energies, broken_two_mode
from tests.flexoffers.strategies import energies_of
from tests.unit.mpp_sdk.flexoffer.members import START, offer_of, prices_for, properties

QUARTER = timedelta(minutes=15)
BEFORE_AND_AFTER = TwoMode(2 * QUARTER, 0.4, 3 * QUARTER, 0.6)
AFTER = TwoMode(after_time=4 * QUARTER, after_portion=1.0)
NOTHING = TwoMode()


def boiler(*vectors: TwoMode) -> FlexOffer:
    """Return a load of 2 kWh in two slices that can be switched off."""
    offer = offer_of(Profile((Slice(0, 1000), Slice(0, 2000, duration=2))), default=(1000, 1000))
    return replace(offer, two_mode=vectors)


@st.composite
def offers(draw: st.DrawFn) -> FlexOffer:
    """Draw an offer of one or two profiles, with totals perhaps, and vectors."""
    count = draw(st.integers(1, 3))
    energies: list[Sequence[int]] = []
    profiles = []
    for _ in range(draw(st.integers(1, 2))):
        parts = [sorted(draw(st.tuples(*[st.integers(-900, 900)] * 3))) for _ in range(count)]
        total = None
        if draw(st.booleans()):
            total = EnergyRange(
                draw(st.integers(sum(a for a, _, _ in parts), sum(b for _, b, _ in parts))),
                draw(st.integers(sum(b for _, b, _ in parts), sum(c for _, _, c in parts))),
            )
        profiles.append(Profile(tuple(Slice(a, c) for a, _, c in parts), total))
        energies.append([b for _, b, _ in parts])
    portion = st.sampled_from((0.0, 0.25, 1 / 3, 0.5, 1.0))
    time = st.integers(1, 3).map(lambda n: n * QUARTER)
    vectors = draw(st.lists(st.builds(TwoMode, time, portion, time, portion), max_size=2))
    usual = draw(st.integers(0, len(profiles) - 1))
    offer = offer_of(*profiles, default=energies[usual], of=usual)
    return replace(offer, two_mode=(*vectors, draw(st.sampled_from((AFTER, NOTHING)))))


def given_back(vector: TwoMode, deviation: float) -> tuple[list[float], list[float]]:
    """Return the energies of the slices before and after an intervention."""
    before = [-vector.prior_portion * deviation] if vector.prior_time else []
    after = [-vector.after_portion * deviation] if vector.after_time else []
    return before, after


@properties
@given(st.data(), offers())
def test_each_intervention_has_its_profile_and_is_given_back(
    data: st.DataObject, offer: FlexOffer
) -> None:
    whole = expanded(offer)
    number = data.draw(st.integers(0, len(offer.profiles) - 1))
    during = data.draw(energies_of(offer.profiles[number], offer.interval))
    for which, vector in enumerate(offer.two_mode):
        before, after = given_back(vector, sum(during) - sum(offer.default.energies))
        at = number * len(offer.two_mode) + which
        profile = whole.profiles[at]
        energies = [*before, *during, *after]
        assert broken_energies(profile, energies, whole.interval) == []
        done = intervention(offer, Schedule(START, tuple(energies), at))
        assert (done.schedule, done.vector) == (Schedule(START, during, number), vector)
        if before or after:
            energies[0 if before else -1] += 1
            assert broken_energies(profile, energies, whole.interval)


@properties
@given(st.data(), offers())
def test_no_profile_admits_anything_else(data: st.DataObject, offer: FlexOffer) -> None:
    whole = expanded(offer)
    number = data.draw(st.integers(0, len(whole.profiles) - 1))
    profile = whole.profiles[number]
    found = best(profile, INTERVAL, np.array(data.draw(prices_for(len(profile.slices)))))
    assert found is not None
    energies = tuple((1000 * found).tolist())
    done = intervention(offer, Schedule(START, energies, number))
    own = offer.profiles[done.schedule.profile]
    anything = Polytope(((0.0,) * len(own.slices),), (0.0,))  # lets energies be fractions
    fractions = replace(own, polytope=anything)
    assert broken_energies(fractions, done.schedule.energies, INTERVAL) == []
    prior, after = done.vector.prior_time // INTERVAL, done.vector.after_time // INTERVAL
    series = [
        energy / part.duration
        for energy, part in zip(energies, profile.slices, strict=True)
        for _ in range(part.duration)
    ]
    assert profile.lead == prior
    assert not broken_two_mode(
        offer, done.vector, series[:prior], done.schedule.energies, series[len(series) - after :]
    )


def test_the_default_gives_nothing_back() -> None:
    whole = expanded(boiler(BEFORE_AND_AFTER, AFTER))
    assert whole.default.energies == (0, 1000, 1000, 0)
    assert [one.lead for one in whole.profiles] == [2, 0]
    assert [len(one.slices) for one in whole.profiles] == [4, 3]
    assert whole.two_mode == ()


def test_nobody_deviates_without_giving_back() -> None:
    whole = expanded(boiler(AFTER))
    (profile,) = whole.profiles
    assert broken_energies(profile, (0, 0, 0), INTERVAL)
    assert broken_energies(profile, (0, 0, 2000), INTERVAL) == []


def test_half_a_wh_is_given_back_as_half_a_wh() -> None:
    half = TwoMode(QUARTER, 0.5, QUARTER, 0.5)
    (profile,) = expanded(boiler(half)).profiles
    assert broken_energies(profile, (0.5, 999, 1000, 0.5), INTERVAL) == []
    assert broken_energies(profile, (0, 999, 1000, 1), INTERVAL)


def test_the_default_is_that_of_its_own_profile() -> None:
    first, second = Profile((Slice(0, 10),)), Profile((Slice(0, 20), Slice(0, 20)))
    offer = replace(offer_of(first, second, default=(5, 5), of=1), two_mode=(AFTER, NOTHING))
    whole = expanded(offer)
    assert whole.default.profile == 2
    assert whole.default.energies == (5, 5, 0)
    assert len(whole.profiles) == 4


def test_polygons_stay_about_the_intervention_alone() -> None:
    polygons = (((0.0, 0.0), (0.0, 1.0)), ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    profile = Profile((Slice(0, 1000),) * 2, dependencies=polygons)
    vector = TwoMode(QUARTER, 1.0)
    (whole,) = expanded(replace(offer_of(profile, default=(0, 0)), two_mode=(vector,))).profiles
    assert broken_energies(whole, (-1000, 500, 500), INTERVAL) == []
    assert broken_energies(whole, (-1000, 400, 600), INTERVAL)


def test_an_offer_without_vectors_stays_as_it_is() -> None:
    offer = boiler()
    assert expanded(offer) is offer


def test_too_many_profiles_are_refused() -> None:
    offer = boiler(AFTER, BEFORE_AND_AFTER)
    many = replace(offer, profiles=offer.profiles * 33)
    with pytest.raises(InvalidInput) as caught:
        expanded(many)
    assert caught.value.errors[0].pointer == "/twoMode"

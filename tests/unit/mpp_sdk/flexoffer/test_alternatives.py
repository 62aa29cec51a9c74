from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.alternatives import options_to_profiles, profiles_to_options, restated
from mpp_sdk.flexoffer.model import (
    EnergyRange,
    FlexOffer,
    Polytope,
    Profile,
    Schedule,
    Slice,
)
from tests.flexoffers.checker import broken_energies
from tests.unit.mpp_sdk.flexoffer.members import START, offer_of, properties

ON_OFF = Slice(0, 500, options=(0, 500))


@st.composite
def offers(draw: st.DrawFn) -> FlexOffer:
    """Draw an offer with options in some slices, ranges in others, and perhaps a total."""
    slices, default = [], []
    for _ in range(draw(st.integers(1, 4))):
        energies = sorted(draw(st.lists(st.integers(-5, 5), min_size=2, max_size=3, unique=True)))
        has_options = draw(st.booleans())
        slices.append(Slice(energies[0], energies[-1], options=tuple(energies) * has_options))
        default.append(draw(st.sampled_from(energies)))
    total = None
    if draw(st.booleans()):
        least, most = sum(one.lower for one in slices), sum(one.upper for one in slices)
        usual = sum(default)
        total = EnergyRange(draw(st.integers(least, usual)), draw(st.integers(usual, most)))
    return offer_of(Profile(tuple(slices), total), default=default)


def admitted(offer: FlexOffer) -> set[tuple[int, ...]]:
    """Return all energies that an offer admits."""
    return {
        energies
        for profile in offer.profiles
        for energies in product(*(range(one.lower, one.upper + 1) for one in profile.slices))
        if not broken_energies(profile, energies, offer.interval)
    }


@properties
@given(offers())
def test_options_as_profiles_admit_the_same_and_so_back(offer: FlexOffer) -> None:
    profiles = options_to_profiles(offer)
    assert not any(part.options for one in profiles.profiles for part in one.slices)
    back = profiles_to_options(profiles)
    assert len(back.profiles) == 1
    assert admitted(offer) == admitted(profiles) == admitted(back)
    again = options_to_profiles(back)
    assert set(again.profiles) == set(profiles.profiles)
    assert again.profile == profiles.profile
    assert profiles.default.energies == back.default.energies == offer.default.energies


@properties
@given(st.data(), offers())
def test_a_schedule_is_one_of_either_way_of_writing(data: st.DataObject, offer: FlexOffer) -> None:
    profiles = options_to_profiles(offer)
    energies = data.draw(st.sampled_from(sorted(admitted(offer))))
    there = restated(profiles, Schedule(START, energies))
    assert not broken_energies(profiles.profiles[there.profile], there.energies, offer.interval)
    assert restated(offer, there) == Schedule(START, energies)


def test_a_schedule_that_no_profile_admits_is_refused() -> None:
    offer = offer_of(Profile((ON_OFF,)), default=(0,))
    with pytest.raises(InvalidInput):
        restated(offer, Schedule(START, (250,)))


def test_combinations_that_miss_a_constraint_are_left_out() -> None:
    never_both = Polytope(((1.0, 1.0),), (0.5,))
    offer = offer_of(Profile((ON_OFF, ON_OFF), polytope=never_both), default=(0, 0))
    found = options_to_profiles(offer)
    assert [tuple(part.lower for part in one.slices) for one in found.profiles] == [
        (0, 0),
        (0, 500),
        (500, 0),
    ]
    assert profiles_to_options(found).profile.slices == (ON_OFF, ON_OFF)


def test_the_default_keeps_its_profile() -> None:
    offer = offer_of(
        Profile((ON_OFF,)), Profile((Slice(0, 9, options=(3, 9)),)), default=(9,), of=1
    )
    found = options_to_profiles(offer)
    assert found.default.profile == 3
    assert found.default.energies == (9,)


@pytest.mark.parametrize("slices", [7, 13])
def test_too_many_combinations_are_refused(slices: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        options_to_profiles(offer_of(Profile((ON_OFF,) * slices), default=(0,) * slices))
    assert caught.value.errors[0].rule == "maxItems"


def fixed(*energies: int) -> Profile:
    """Return a profile of just these energies."""
    return Profile(tuple(Slice(energy, energy) for energy in energies))


@pytest.mark.parametrize(
    "profiles",
    [
        (fixed(0, 0), fixed(5, 5)),
        (fixed(0, 0), fixed(0, 3), fixed(5, 3)),
        (fixed(0, 0), fixed(5)),
        (Profile((Slice(0, 5),)), Profile((Slice(7, 7),))),
        (Profile((Slice(0, 0),)), Profile((Slice(7, 7, duration=2),))),
        (
            Profile((Slice(0, 9), Slice(0, 0)), EnergyRange(0, 3)),
            Profile((Slice(0, 9), Slice(2, 2)), EnergyRange(2, 9)),
        ),
        (Profile((Slice(0, 0), Slice(0, 0)), lead=1), fixed(5, 0)),
    ],
    ids=["diagonal", "corner", "length", "range", "duration", "total", "lead"],
)
def test_profiles_that_are_no_product_are_refused(profiles: tuple[Profile, ...]) -> None:
    offer = offer_of(*profiles, default=tuple(0 for _ in profiles[0].slices))
    with pytest.raises(InvalidInput) as caught:
        profiles_to_options(offer)
    assert caught.value.errors[0].rule == "product"


def test_the_same_profile_twice_is_one() -> None:
    offer = offer_of(fixed(3, 4), fixed(3, 4), default=(3, 4))
    assert profiles_to_options(offer).profiles == (fixed(3, 4),)


def test_all_else_of_an_offer_stays() -> None:
    offer = replace(
        offer_of(Profile((replace(ON_OFF, max_power=2_000),)), default=(500,)),
        start_before=None,
        start_before_duration=timedelta(hours=1),
    )
    found = options_to_profiles(offer)
    assert (found.id, found.start_before_duration) == (offer.id, offer.start_before_duration)
    assert found.profiles[1].slices[0].max_power == 2_000

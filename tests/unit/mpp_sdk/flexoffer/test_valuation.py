from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.columns import FlexOffers
from mpp_sdk.flexoffer.feasibility import energy_violations
from mpp_sdk.flexoffer.model import INTERVAL, EnergyRange, FlexOffer, Polytope, Profile, Slice
from mpp_sdk.flexoffer.reach import _bounds, _solved, _walked, reach, reaches
from mpp_sdk.flexoffer.valuation import flexibilities, flexibility
from tests.flexoffers import strategies
from tests.unit.mpp_sdk.flexoffer.examples import NOW, TEN, offer

KWH = Slice(0, 1_000)
FIVE_HOURS = timedelta(hours=5)
ENUMERABLE = ("plain", "power", "total", "options", "alternatives")


def totals(profile: Profile, interval: timedelta) -> list[int]:
    """Return what the energies sum up to in every schedule that there is."""
    ranges = [part.bounds(interval) for part in profile.slices]
    schedules = product(*(range(one.lower, one.upper + 1) for one in ranges))
    return [sum(one) for one in schedules if not list(energy_violations(profile, one, interval))]


@settings(max_examples=100, deadline=None)
@given(strategies.offers(ENUMERABLE, longest=3, scales=("small",)))
def test_energy_flexibility_is_that_of_all_schedules(one: FlexOffer) -> None:
    reached = [total for profile in one.profiles for total in totals(profile, one.interval)]
    found = flexibility(one, strategies.NOW)
    assert found.energy == pytest.approx(max(reached) - min(reached), abs=1e-3)
    assert found.time == one.starts(strategies.NOW).flexibility


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_schedule_takes_more_or_less_than_what_can_be_reached(data: st.DataObject) -> None:
    kinds = ("total", "polytope", "dependencies", "combined")
    one = data.draw(strategies.offers(kinds, scales=("both", "consumption", "production")))
    schedule = data.draw(strategies.schedules(one, strategies.NOW))
    shares = data.draw(
        st.lists(
            st.sampled_from((0.0, 0.25, 1.0)),
            min_size=len(schedule.energies),
            max_size=len(schedule.energies),
        )
    )
    ((least,), (most,)) = reaches(one.profiles[schedule.profile], one.interval, np.array([shares]))
    counted = sum(share * energy for share, energy in zip(shares, schedule.energies, strict=True))
    assert least - 0.01 <= counted <= most + 0.01


@settings(max_examples=50, deadline=None)
@given(
    st.lists(strategies.offers(strategies.KINDS[:-1], (INTERVAL,), scales=("both",)), max_size=5)
)
def test_many_are_valued_as_each_is(some: list[FlexOffer]) -> None:
    found = flexibilities(FlexOffers.of(some, strategies.NOW))
    alone = [flexibility(one, strategies.NOW) for one in some]
    assert found.hours.tolist() == [one.hours for one in alone]
    assert found.kwh.tolist() == [one.kwh for one in alone]
    assert found.product.tolist() == [one.product for one in alone]
    assert np.allclose(found.length, [one.length for one in alone], rtol=1e-15)


def test_one_kind_of_flexibility_alone_has_a_length_but_no_product() -> None:
    moved = flexibility(offer(Profile((Slice(500, 500),)), default=[500], later=FIVE_HOURS), NOW)
    shaped = flexibility(offer(Profile((KWH, KWH)), default=[0, 0]), NOW)
    assert (moved.vector, moved.product, moved.length) == ((5.0, 0.0), 0.0, 5.0)
    assert (shaped.vector, shaped.product, shaped.length) == ((0.0, 2.0), 0.0, 2.0)


def test_power_narrows_energy_flexibility() -> None:
    part = Slice(0, 1_000, min_power=1_000, max_power=2_000)
    assert flexibility(offer(Profile((part,)), default=[300]), NOW).energy == 250


def test_a_total_narrows_energy_flexibility() -> None:
    profile = Profile((KWH, KWH, KWH), EnergyRange(1_500, 2_000))
    assert flexibility(offer(profile, default=[1_000, 500, 0]), NOW).energy == 500


def test_options_narrow_a_total_to_what_they_sum_up_to() -> None:
    part = Slice(0, 1_000, options=(0, 1_000))
    profile = Profile((part, part, part), EnergyRange(500, 2_500))
    found = flexibility(offer(profile, default=[1_000, 0, 0]), NOW).energy
    assert found == pytest.approx(1_000, abs=1e-3)


def test_a_polytope_narrows_energy_flexibility_to_what_can_be_reached() -> None:
    # The first slice is at most half a kWh, and the second is no more than the first.
    profile = Profile((KWH, KWH), polytope=Polytope(((1.0, 0.0), (-1.0, 1.0)), (0.5, 0.0)))
    found = flexibility(offer(profile, default=[0, 0]), NOW).energy
    assert found == pytest.approx(1_000, abs=1e-3)


def test_dependencies_narrow_energy_flexibility_to_what_can_be_reached() -> None:
    # A tank that holds one kWh: what is in it before leaves that much less room.
    first = ((0.0, 0.0), (0.0, 1.0))
    second = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0))
    found = flexibility(
        offer(Profile((KWH, KWH), dependencies=(first, second)), default=[0, 0]), NOW
    )
    assert found.energy == pytest.approx(1_000, abs=1e-3)


def test_options_and_the_profiles_they_stand_for_are_as_flexible() -> None:
    part = Slice(0, 1_000, options=(0, 400, 1_000))
    written_out = [Profile((Slice(energy, energy),)) for energy in part.options]
    options = flexibility(offer(Profile((part,)), default=[0]), NOW)
    profiles = flexibility(offer(*written_out, default=[0]), NOW)
    assert options == profiles
    assert options.kwh == 1.0


def test_implicit_times_count_from_the_moment_of_use() -> None:
    one = FlexOffer(
        profiles=(Profile((KWH,)),),
        default=offer(Profile((KWH,)), default=[0]).default,
        accept_before=TEN,
        assign_before=TEN,
        offered_by="household-1",
        start_before_duration=timedelta(hours=2),
    )
    assert flexibility(one, TEN).time == timedelta(hours=2)
    assert flexibility(one, TEN + timedelta(minutes=1)).time == timedelta(hours=1, minutes=45)


def test_constraints_that_nothing_keeps_to_are_refused() -> None:
    impossible = Profile((KWH, KWH), polytope=Polytope(((1.0, 0.0), (-1.0, 0.0)), (0.4, -0.6)))
    with pytest.raises(InvalidInput) as refused:
        reach(impossible, INTERVAL)
    assert refused.value.errors[0].rule == "feasible"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_going_through_polygons_finds_what_a_solver_finds(data: st.DataObject) -> None:
    one = data.draw(strategies.offers(("dependencies",), scales=("both", "consumption")))
    profile = one.profile
    row = st.lists(
        st.sampled_from((0.0, 0.25, 1.0)),
        min_size=len(profile.slices),
        max_size=len(profile.slices),
    )
    shares = np.array(data.draw(st.lists(row, min_size=1, max_size=3)))
    lower, upper = _bounds(profile, one.interval)
    walked = _walked(profile, lower, upper, shares)
    np.testing.assert_allclose(walked, _solved(profile, lower, upper, shares), rtol=0, atol=0.01)

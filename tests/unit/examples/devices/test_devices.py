"""What each device offers follows from its parameters, the household's habits and the weather."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.devices.battery import Battery
from examples.devices.dishwasher import Dishwasher
from examples.devices.ev import ElectricVehicle
from examples.devices.heat_pump import HeatPump
from examples.devices.households import read_households
from examples.devices.weather import last_day
from mpp_sdk.flexoffer.linear import WH_PER_KWH, best
from mpp_sdk.flexoffer.model import EnergyRange, FlexOffer
from tests.flexoffers.checker import broken
from tests.unit.examples.devices.days import EVENING_PEOPLE, NOW, START, day, habits

EXAMPLES = Path(__file__).parents[4] / "examples"
PRICES = st.lists(st.integers(-9, 9), min_size=96, max_size=96)


def driven(offer: FlexOffer, prices: list[int]) -> list[float]:
    """Return the energies, in Wh, that make the most of prices: a corner of what is allowed."""
    profile = offer.profile
    energies = best(profile, offer.interval, np.array(prices[: len(profile.slices)], dtype=float))
    assert energies is not None
    return [energy * WH_PER_KWH for energy in energies]


def test_a_vehicle_charges_what_it_has_used_between_evening_and_morning() -> None:
    offer = ElectricVehicle(3_700, 40).offer(day())
    assert offer.start_after == datetime(2026, 11, 23, 19, tzinfo=UTC)
    assert offer.start_before == datetime(2026, 11, 24, 7, tzinfo=UTC) - timedelta(hours=5)
    assert offer.profile.total == EnergyRange(7_200, 7_200)
    assert offer.default.energies == (925,) * 7 + (725,) + (0,) * 12
    assert {(part.lower, part.upper) for part in offer.profile.slices} == {(0, 925)}


def test_a_vehicle_that_drove_too_far_charges_what_it_can() -> None:
    offer = ElectricVehicle(3_700, 400).offer(day())
    assert offer.default.energies == (925,) * 20


def test_a_dishwasher_runs_one_of_its_programs_after_dinner_and_is_ready_in_the_morning() -> None:
    offer = Dishwasher().offer(day())
    assert [profile.intervals for profile in offer.profiles] == [8, 12]
    assert all(part.lower == part.upper for one in offer.profiles for part in one.slices)
    assert offer.start_after == datetime(2026, 11, 23, 20, 45, tzinfo=UTC)
    assert offer.start_before == datetime(2026, 11, 24, 3, 30, tzinfo=UTC)


@settings(deadline=None, max_examples=15)
@given(PRICES)
def test_a_battery_is_never_emptier_than_empty_nor_fuller_than_full(prices: list[int]) -> None:
    offer = Battery(5_000, 2_400, charge=0.4).offer(day())
    charge = [2_000 + used for used in accumulate(driven(offer, prices))]
    assert min(charge) >= -1e-3
    assert max(charge) <= 5_000 + 1e-3
    assert charge[-1] >= 2_000 - 1e-3


def test_a_battery_serves_the_household_and_not_the_grid() -> None:
    offer = Battery(50_000, 1_600).offer(day())
    lower = [-part.lower for part in offer.profile.slices]
    assert lower == [min(400, load) for load in EVENING_PEOPLE.from_time(START.time())]
    assert set(offer.default.energies) == {0}


@settings(deadline=None, max_examples=15)
@given(PRICES)
def test_a_house_stays_within_its_band_and_ends_as_warm_as_it_began(prices: list[int]) -> None:
    pump = HeatPump(3_000, 100, 4_000, band_k=0.5, heat_at_0c=3.0, heat_per_k=0.0)
    offer = pump.offer(day())
    baseline = list(accumulate(offer.default.energies))
    stored = [
        used - usual
        for used, usual in zip(accumulate(driven(offer, prices)), baseline, strict=True)
    ]
    band = 4_000 * 0.5 / 3.0
    assert max(map(abs, stored)) <= band + 1
    assert stored[-1] >= -1e-3


def test_a_heat_pump_uses_what_the_weather_asks_for() -> None:
    pump = HeatPump(3_000, 150, 4_000, heats_below_c=17, heat_at_0c=3.0, heat_per_k=0.1)
    mild, cold = pump.offer(day((7.0,) * 96)), pump.offer(day((-3.0,) * 96))
    assert sum(mild.default.energies) == round(24 * 150 * 10 / 3.7)
    assert sum(cold.default.energies) == round(24 * 150 * 20 / 2.7)
    assert set(pump.offer(day((20.0,) * 96)).default.energies) == {0}


def test_a_heat_pump_gives_what_it_can_when_it_is_too_cold_for_it() -> None:
    assert set(HeatPump(1_000, 300, 4_000).offer(day((-10.0,) * 96)).default.energies) == {250}


def test_every_household_of_the_file_offers_what_it_would_do_anyway() -> None:
    offers = [
        offer
        for one in read_households(EXAMPLES / "households.json")
        for offer in one.offers(day())
    ]
    assert len(offers) == 16
    for offer in offers:
        assert broken(offer, offer.default_schedule(NOW), NOW) == []
        assert offer.accept_before < START


def test_households_of_any_habits_can_offer() -> None:
    for household in read_households(EXAMPLES / "households.json"):
        assert len(list(household.offers(day(of=habits({}, otherwise=0))))) == 4


def test_the_weather_is_that_of_the_last_whole_day(tmp_path: Path) -> None:
    file = tmp_path / "air.csv"
    rows = [f"{n},{datetime(2024, 1, 1) + timedelta(hours=n)},{n}.5" for n in range(40)]  # noqa: DTZ001
    file.write_text("\n".join([",dt,tempC", *rows]))
    assert last_day(file, START.time()) == tuple(n + 0.5 for n in range(12, 36) for _ in range(4))
    file.write_text("\n".join([",dt,tempC", *rows[:35]]))
    with pytest.raises(LookupError, match="no whole day"):
        last_day(file, START.time())


def test_the_temperatures_of_the_demonstration_hold_a_winter_day() -> None:
    outdoor = last_day(EXAMPLES / "data/temperature_a_hourly_celsius.csv", START.time())
    assert len(outdoor) == 96
    assert max(outdoor) < 10

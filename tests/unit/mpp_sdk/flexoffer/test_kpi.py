from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.feasibility import violations
from mpp_sdk.flexoffer.kpi import (
    Adaptability,
    AdaptationLevel,
    adaptability,
    adaptation_levels,
    earnings,
    mean_variation,
    peak,
    projections,
)
from mpp_sdk.flexoffer.model import EnergyRange, FlexOffer, Polytope, Profile, Schedule, Slice
from mpp_sdk.flexoffer.timeseries import TimeSeries, total
from tests.unit.mpp_sdk.flexoffer.examples import NOW, QUARTER, TEN, offer

HOUR = timedelta(hours=1)
MWH = 1_000_000


def series(*values: float, start: datetime = TEN, interval: timedelta = HOUR) -> TimeSeries:
    return TimeSeries(start, interval, np.array(values, dtype=float))


@st.composite
def small_offers(draw: st.DrawFn) -> FlexOffer:
    """Draw an offer of which all schedules can be listed, in slices of 15 minutes."""
    slices, bounds = [], []
    for _ in range(draw(st.integers(1, 3))):
        lower = draw(st.integers(-2, 2))
        upper = draw(st.integers(lower, 2))
        slices.append(Slice(lower, upper))
        bounds.append(st.integers(lower, upper))
    default = [draw(each) for each in bounds]
    low = draw(st.integers(sum(one.lower for one in slices), sum(default)))
    high = draw(st.integers(sum(default), sum(one.upper for one in slices)))
    constraint = draw(st.sampled_from((None, EnergyRange(low, high))))
    return offer(
        Profile(tuple(slices), constraint, lead=draw(st.integers(0, len(slices) - 1))),
        default=default,
        later=draw(st.integers(0, 6)) * QUARTER,
    )


def all_schedules(one: FlexOffer) -> list[Schedule]:
    starts = one.starts(NOW)
    moments = [starts.earliest + n * QUARTER for n in range(starts.flexibility // QUARTER + 1)]
    ranges = [range(part.lower, part.upper + 1) for part in one.profile.slices]
    schedules = [Schedule(moment, energies) for moment in moments for energies in product(*ranges)]
    return [each for each in schedules if not violations(one, each, NOW)]


@settings(max_examples=100, deadline=None)
@given(small_offers())
def test_the_variation_of_an_hour_is_that_of_all_schedules(one: FlexOffer) -> None:
    start, end = TEN - HOUR, TEN + 3 * HOUR
    hours = np.array(
        [total([(one, each)], start, end, QUARTER).hourly().values for each in all_schedules(one)]
    )
    found = adaptability([one], start, end, 1.0, NOW)
    assert [each.hour for each in found] == [start + n * HOUR for n in range(4)]
    expected = (hours.max(0) - hours.min(0)) / MWH
    assert [each.variation for each in found] == pytest.approx(expected.tolist(), abs=1e-15)


def test_variations_add_up_and_are_set_beside_the_peak() -> None:
    shaped = offer(Profile((Slice(-1_000, 3_000),)), default=[0])
    moved = offer(Profile((Slice(2_000, 2_000),)), default=[2_000], later=HOUR)
    found = adaptability([shaped, moved], TEN, TEN + 2 * HOUR, 0.01, NOW)
    assert [each.variation for each in found] == pytest.approx([0.006, 0.002])
    assert [each.level for each in found] == pytest.approx([0.6, 0.2])
    assert mean_variation(found) == pytest.approx(0.004)
    assert mean_variation([]) == 0.0
    assert Adaptability(TEN, 0.006, 0.0).level is None


def test_an_hour_can_take_the_least_of_one_profile_and_the_most_of_another() -> None:
    more, less = Profile((Slice(0, 1_000),)), Profile((Slice(-500, 0),))
    for profiles in ((more, less), (less, more)):
        (found,) = adaptability([offer(*profiles, default=[0])], TEN, TEN + HOUR, 1.0, NOW)
        assert found.variation == pytest.approx(0.0015)


def test_a_polytope_bounds_what_counts_in_an_hour() -> None:
    # Two kWh in five quarters, of which the last one lies in the next hour.
    together = Polytope(((1.0,) * 5,), (2.0,))
    one = offer(Profile((Slice(0, 1_000),) * 5, polytope=together), default=[0] * 5)
    found = adaptability([one], TEN, TEN + 2 * HOUR, 1.0, NOW)
    assert [each.variation for each in found] == pytest.approx([0.002, 0.001], abs=1e-9)


def test_a_slice_across_hours_counts_by_its_share() -> None:
    half = TEN + 2 * QUARTER
    one = offer(Profile((Slice(0, 4_000, 4),)), default=[0], later=2 * QUARTER, start=half)
    found = adaptability([one], TEN, TEN + 2 * HOUR, 1.0, NOW)
    assert [each.variation for each in found] == pytest.approx([0.004, 0.002])


def test_hours_are_those_that_the_period_touches() -> None:
    found = adaptability([], TEN + QUARTER, TEN + HOUR + QUARTER, 1.0, NOW)
    assert [each.hour for each in found] == [TEN, TEN + HOUR]
    assert found[0].hour.tzinfo is UTC
    for peak_demand, end in ((nan, TEN + HOUR), (1.0, TEN), (1.0, TEN.replace(tzinfo=None))):
        with pytest.raises(InvalidInput):
            adaptability([], TEN, end, peak_demand, NOW)


def test_projections_grow_until_buyers_have_what_they_want() -> None:
    found = projections(2.0, 0.5, Decimal("40"), wanted=20.0)
    assert [each.times for each in found] == [10, 100, 1_000]
    assert [each.variation for each in found] == [20.0, 200.0, 2_000.0]
    assert [each.traded for each in found] == [5.0, 20.0, 20.0]
    assert [each.deals for each in found] == [400, 1_600, 1_600]
    assert [each.is_saturated for each in found] == [False, True, True]
    assert all("20 MWh/h" in each.assumption for each in found)


def test_projections_without_a_limit_are_proportional_and_say_so() -> None:
    found = projections(2.0, 0.5, Decimal("-40"))
    assert [each.deals for each in found] == [-400, -4_000, -40_000]
    assert not any(each.is_saturated for each in found)
    assert all("nothing saturates" in each.assumption for each in found)
    assert [each.traded for each in projections(2.0, 0.0, Decimal(0), wanted=0.0)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("variation", "traded", "deals", "wanted"),
    [
        (nan, 0.0, "1", None),
        (1.0, -1.0, "1", None),
        (1.0, 2.0, "1", None),
        (1.0, 1.0, "1", 0.5),
        (1.0, 1.0, "1", inf),
        (1.0, 1.0, "NaN", None),
    ],
)
def test_projections_of_what_cannot_be_are_refused(
    variation: float, traded: float, deals: str, wanted: float | None
) -> None:
    with pytest.raises(InvalidInput):
        projections(variation, traded, Decimal(deals), wanted)


def test_earnings_are_projected_to_a_megawatt_and_a_year() -> None:
    found = earnings(Decimal("80"), Decimal("20"), TEN, TEN + 876 * HOUR, flexible=0.5)
    assert (found.total, found.per_mw_year) == (Decimal(100), Decimal(2_000))
    nothing = earnings(Decimal(0), Decimal(0), TEN, TEN + HOUR, flexible=0.0)
    assert nothing.per_mw_year is None
    for revenues, end, flexible in (
        ("NaN", TEN + HOUR, 1.0),
        ("1", TEN, 1.0),
        ("1", TEN + HOUR, -1.0),
        ("1", TEN + HOUR, nan),
    ):
        with pytest.raises(InvalidInput):
            earnings(Decimal(revenues), Decimal(0), TEN, end, flexible)


def test_adaptation_is_what_was_planned_and_what_came_of_it() -> None:
    found = adaptation_levels(
        series(*[250_000] * 8, interval=QUARTER),
        series(1_500_000, 500_000),
        series(1_250_000, start=TEN + HOUR),
    )
    assert found == [
        AdaptationLevel(TEN, 1.0, 1.5, None),
        AdaptationLevel(TEN + HOUR, 1.0, 0.5, 1.25),
    ]
    assert [(each.planned, each.realised) for each in found] == [(0.5, None), (-0.5, 0.25)]


def test_the_peak_is_that_of_hours_that_are_complete() -> None:
    assert peak(series(MWH, nan, 3 * MWH)) == 3.0
    assert peak(series(*[nan] + [MWH] * 7, interval=QUARTER)) == 4.0
    with pytest.raises(InvalidInput):
        peak(series(nan))

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.model import INTERVAL, Profile, Schedule, Slice
from mpp_sdk.flexoffer.timeseries import TimeSeries, baseline, total
from mpp_sdk.metering.model import Direction, PointOfDelivery, Quality, Reading, ReadingSeries
from tests.flexoffers import strategies
from tests.unit.mpp_sdk.flexoffer.examples import NOW, QUARTER, TEN, offer

HOUR = timedelta(hours=1)
NAN = float("nan")


def series(*values: float, start: datetime = TEN, interval: timedelta = QUARTER) -> TimeSeries:
    return TimeSeries(start, interval, np.array(values))


def same(one: TimeSeries, *values: float) -> bool:
    return np.array_equal(one.values, np.array(values), equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_total_is_the_sum_of_all_in_each_interval(data: st.DataObject) -> None:
    drawn = st.lists(strategies.offers(intervals=(INTERVAL,), scales=("both",)), max_size=4)
    some = [(one, data.draw(strategies.schedules(one))) for one in data.draw(drawn)]
    expected: dict[datetime, float] = defaultdict(float)
    for one, schedule in some:
        profile = one.profiles[schedule.profile]
        moment = schedule.start - profile.lead * INTERVAL
        for energy, part in zip(schedule.energies, profile.slices, strict=True):
            for _ in range(part.duration):
                expected[moment] += energy / part.duration
                moment += INTERVAL
    start = min(expected, default=TEN)
    found = total(some, start, max(expected, default=TEN) + INTERVAL, INTERVAL)
    for moment, energy in zip(found.starts, found.values.tolist(), strict=True):
        assert abs(energy - expected[moment]) <= len(some)  # slices are spread in whole Wh
    assert found.values.sum() == pytest.approx(sum(schedule.total for _, schedule in some))


def test_slices_are_cut_where_the_period_ends_and_stay_whole() -> None:
    one = offer(Profile((Slice(0, 10, 4),)), default=[0])
    found = total([(one, Schedule(TEN, (10.0,)))] * 2, TEN + QUARTER, TEN + 3 * QUARTER, QUARTER)
    assert same(found, 6, 4)
    assert same(total([(one, Schedule(TEN, (10.0,)))], TEN - HOUR, TEN, QUARTER), 0, 0, 0, 0)


def test_a_lead_lies_before_the_start() -> None:
    one = offer(Profile((Slice(0, 1), Slice(0, 9)), lead=1), default=[1, 9])
    assert same(
        total([(one, one.default_schedule(NOW))], TEN - QUARTER, TEN + QUARTER, QUARTER), 1, 9
    )


def test_baselines_are_where_the_defaults_stand() -> None:
    one = offer(Profile((Slice(0, 9),)), default=[5], later=HOUR, start=TEN + QUARTER)
    assert same(baseline([(one, NOW)], TEN, TEN + 2 * QUARTER, QUARTER), 0, 5)


def test_offers_of_another_interval_and_periods_off_the_grid_are_refused() -> None:
    one = offer(Profile((Slice(0, 9),)), default=[5])
    for arguments in (
        (TEN, TEN + HOUR, HOUR),
        (TEN, TEN + timedelta(minutes=20), QUARTER),
        (TEN, TEN - QUARTER, QUARTER),
        (TEN + timedelta(minutes=1), TEN + timedelta(minutes=16), QUARTER),
    ):
        with pytest.raises(InvalidInput):
            baseline([(one, NOW)], *arguments)


def test_hours_are_missing_where_any_of_them_is() -> None:
    found = series(1, 2, 3, 4, 5, 6, NAN, 8, 9).hourly()
    assert (found.start, found.interval) == (TEN, HOUR)
    assert same(found, 10, NAN, NAN)
    later = series(2, 3, 4, 5, start=TEN + QUARTER).hourly()
    assert (later.start, later.values.size) == (TEN, 2)
    assert same(series(7, interval=HOUR).hourly(), 7)


def test_between_takes_the_intervals_that_begin_within() -> None:
    one = series(1, 2, 3)
    assert same(one.between(TEN - QUARTER, TEN + 2 * QUARTER), NAN, 1, 2)
    minute = timedelta(minutes=1)
    found = one.between(TEN + minute, TEN + QUARTER + minute)
    assert found.start == TEN + QUARTER
    assert same(found, 2)
    assert same(one.between(TEN, TEN + minute), 1)
    assert len(one.between(TEN + minute, TEN + QUARTER)) == len(one.between(TEN, TEN)) == 0
    assert same(one.between(TEN + HOUR, TEN + HOUR + QUARTER), NAN)


def test_series_are_refused_that_are_none() -> None:
    for values, rule in (
        ({}, "required"),
        ({TEN: 1.0, TEN + timedelta(minutes=1): 2.0}, "onTheGrid"),
        ({TEN.replace(tzinfo=None): 1.0}, "offset"),
        ({TEN: inf}, "finite"),
    ):
        with pytest.raises(InvalidInput) as refused:
            TimeSeries.of(values, QUARTER)
        assert refused.value.errors[0].rule == rule
    with pytest.raises(InvalidInput):
        series(1, start=TEN + timedelta(minutes=1))
    with pytest.raises(InvalidInput):
        series(1, interval=timedelta(minutes=7))
    with pytest.raises(InvalidInput):
        series(1, interval=timedelta(minutes=45)).hourly()
    with pytest.raises(InvalidInput):
        series(1, start=datetime(2026, 11, 22))  # noqa: DTZ001


def test_readings_count_by_their_sign_and_unit() -> None:
    pod = PointOfDelivery("571313000000000001")

    def readings(direction: Direction, *quantities: str | None) -> ReadingSeries:
        return ReadingSeries(
            pod,
            direction,
            QUARTER,
            tuple(
                Reading(TEN + number * QUARTER, None, Quality.NOT_AVAILABLE)
                if quantity is None
                else Reading(TEN + number * QUARTER, Decimal(quantity))
                for number, quantity in enumerate(quantities)
            ),
        )

    net = TimeSeries.of_readings(
        readings(Direction.CONSUMPTION, "0.5", "0.1", None, "1"),
        readings(Direction.PRODUCTION, "0.2", "0.4", "0.3"),
    )
    assert net.start == TEN
    assert same(net, 300, -300, NAN, NAN)
    with pytest.raises(InvalidInput):
        TimeSeries.of_readings()
    assert TEN.tzinfo is UTC

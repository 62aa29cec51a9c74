"""What is told from readings: a usual day, and when its people are at home."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest

from examples.devices.habits import Habits
from tests.unit.examples.devices.days import habits

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_hour_is_used_evenly_and_days_are_averaged() -> None:
    readings = [(MIDNIGHT + 7 * HOUR, Decimal("0.4")), (MIDNIGHT + 31 * HOUR, Decimal("0.8"))]
    assert Habits.of(readings, HOUR).usual[28:32] == (150,) * 4


def test_only_the_last_four_weeks_count() -> None:
    old = [(MIDNIGHT + 7 * HOUR, Decimal(9))]
    new = [(MIDNIGHT + 7 * HOUR + timedelta(weeks=4), Decimal("0.4"))]
    assert set(Habits.of(old + new, HOUR).usual) == {100}


def test_a_time_without_readings_has_the_mean_and_missing_values_none() -> None:
    readings = [
        (MIDNIGHT, Decimal("0.1")),
        (MIDNIGHT + HOUR, None),
        (MIDNIGHT + 2 * HOUR, Decimal("0.3")),
    ]
    usual = Habits.of(readings, HOUR).usual
    assert (usual[0], usual[4], usual[8], usual[95]) == (25, 50, 75, 50)


def test_no_readings_tell_no_habits() -> None:
    with pytest.raises(LookupError, match="no readings"):
        Habits.of([(MIDNIGHT, None)], HOUR)


def test_a_usual_day_can_begin_at_any_quarter_hour() -> None:
    some = Habits(tuple(range(96)))
    assert some.from_time(time(12, 15)) == (*range(49, 96), *range(49))


def test_arrival_and_departure_are_where_the_load_has_risen_half_way() -> None:
    some = habits({5: 140, 7: 160, 8: 300, 18: 150, 19: 320, 20: 500}, otherwise=50)
    assert (some.departure(), some.arrival(), some.dinner()) == (time(8), time(19), time(20))


def test_a_household_without_a_rise_has_an_evening_and_a_morning_all_the_same() -> None:
    flat = habits({})
    assert (flat.departure(), flat.arrival(), flat.dinner()) == (time(5), time(16), time(17))

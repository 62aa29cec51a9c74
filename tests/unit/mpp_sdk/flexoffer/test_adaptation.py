from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.adaptation import (
    SIMILAR_DAYS,
    TESTED_DAYS,
    History,
    Method,
    evaluate,
    most_probable,
)
from mpp_sdk.flexoffer.timeseries import TimeSeries

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
TUESDAY = date(2026, 7, 14)
DAYS = (TUESDAY - FIRST.date()).days + 5


def at(day: date, hour: int, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, fold=fold, tzinfo=zone).astimezone(UTC)


def by_the_clock(start: datetime = FIRST, days: int = DAYS) -> NDArray[np.float64]:
    """Return a thousand for each hour on the clock in Berlin, and a million more at weekends."""
    local = [(start + n * HOUR).astimezone(BERLIN) for n in range(24 * days)]
    return np.array([1e3 * one.hour + 1e6 * (one.weekday() >= 5) for one in local])


def history(values: NDArray[np.float64], start: datetime = FIRST) -> History:
    return History(consumption=TimeSeries(start, HOUR, values), zone=BERLIN)


def changed(known: History, *changes: tuple[datetime, float]) -> History:
    values = known.consumption.values.copy()
    for moment, value in changes:
        values[(moment - known.consumption.start) // HOUR] = value
    return replace(known, consumption=replace(known.consumption, values=values))


HABIT = history(by_the_clock())
EVENING = at(TUESDAY, 18)


def test_a_habit_is_expected_and_what_differs_is_the_adaptation() -> None:
    done = changed(HABIT, (EVENING, 11_000), (EVENING + HOUR, 20_000))
    found = evaluate(done, EVENING, EVENING + 2 * HOUR)
    assert found.expectation.consumption.values.tolist() == [18_000, 19_000]
    assert found.realised.values.tolist() == [-7_000, 1_000]
    assert (found.total, found.band.lower, found.band.upper) == (-6_000, -6_000, -6_000)
    assert found.expectation.error.root_mean_square == 0
    assert found.expectation.error.days == TESTED_DAYS
    assert found.expectation.method is Method.SIMILAR_DAYS
    assert found.missing == ()


def test_working_days_are_matched_with_working_days_and_rest_days_with_each_other() -> None:
    expected = most_probable(HABIT, EVENING, EVENING + HOUR)
    assert expected.days[-3:] == (date(2026, 7, 9), date(2026, 7, 10), date(2026, 7, 13))
    assert len(expected.days) == SIMILAR_DAYS
    saturday = at(TUESDAY + 4 * DAY, 18)
    expected = most_probable(HABIT, saturday, saturday + HOUR)
    assert expected.consumption.values.tolist() == [1_018_000]
    assert expected.days[-2:] == (date(2026, 7, 11), date(2026, 7, 12))
    holiday = replace(HABIT, holidays=frozenset({TUESDAY, TUESDAY - DAY}))
    expected = most_probable(holiday, EVENING, EVENING + HOUR)
    assert expected.days[-3:] == (date(2026, 7, 11), date(2026, 7, 12), date(2026, 7, 13))


def test_days_of_other_interventions_and_with_missing_readings_are_left_out() -> None:
    yesterday, before = EVENING - DAY, EVENING - 5 * DAY
    odd = changed(HABIT, (yesterday, 500_000), (before, float("nan")))
    assert most_probable(odd, EVENING, EVENING + HOUR).consumption.values[0] > 60_000
    known = replace(odd, interventions=frozenset({yesterday.date()}))
    expected = most_probable(known, EVENING, EVENING + HOUR)
    assert expected.consumption.values.tolist() == [18_000]
    assert {yesterday.date(), before.date()}.isdisjoint(expected.days)


def test_nothing_from_the_start_on_is_looked_at() -> None:
    changes = [(EVENING + n * HOUR, 9e9) for n in range(24)]
    assert most_probable(changed(HABIT, *changes), EVENING, EVENING + HOUR).consumption.values == (
        most_probable(HABIT, EVENING, EVENING + HOUR).consumption.values
    )


def levels(rng: np.random.Generator, days: int = DAYS) -> NDArray[np.float64]:
    """Return a load whose every day has a level of its own, which all of its hours share."""
    return np.repeat(1_000 + 300 * rng.standard_normal(days), 24)


def test_a_day_that_began_high_is_expected_to_stay_high() -> None:
    known = history(levels(np.random.default_rng(1)))
    found = evaluate(known, EVENING, EVENING + 2 * HOUR)
    level = known.consumption.between(EVENING, EVENING + HOUR).values[0]
    assert found.total == pytest.approx(0, abs=1)
    assert found.expectation.consumption.values.tolist() == pytest.approx([level] * 2, abs=1)
    assert abs(found.expectation.adjustment) > 1
    assert found.expectation.error.root_mean_square < 1


def test_what_began_the_day_does_not_count_where_it_tells_nothing() -> None:
    rng = np.random.default_rng(2)
    values = 1_000 + 300 * rng.standard_normal(24 * DAYS)
    # Before the intervention it is exactly as it will not be after it, day for day.
    known = history(values)
    for day in range(DAYS):
        start = at(FIRST.date() + day * DAY, 18)
        mean = known.consumption.between(start - 4 * HOUR, start - HOUR).values.mean()
        known = changed(known, (start, 2_000 - mean))
    assert most_probable(known, EVENING, EVENING + HOUR).adjustment == 0


def test_the_last_hour_before_is_not_what_a_day_is_adjusted_by() -> None:
    known = history(levels(np.random.default_rng(1)))
    prepared = changed(known, (EVENING - HOUR, 1e6), (EVENING - 5 * HOUR, 1e6))
    assert most_probable(prepared, EVENING, EVENING + HOUR).adjustment == pytest.approx(
        most_probable(known, EVENING, EVENING + HOUR).adjustment
    )


def test_missing_readings_of_the_day_are_done_without() -> None:
    known = history(levels(np.random.default_rng(1)))
    gap = float("nan")
    partly = changed(known, (EVENING - 3 * HOUR, gap), (EVENING + HOUR, gap))
    found = evaluate(partly, EVENING, EVENING + 2 * HOUR)
    assert found.missing == (EVENING + HOUR,)
    assert np.isnan(found.realised.values).tolist() == [False, True]
    assert np.isnan(found.lower.values).tolist() == [False, True]
    assert found.total == pytest.approx(found.realised.values[0])
    assert found.expectation.adjustment == pytest.approx(
        most_probable(known, EVENING, EVENING + HOUR).adjustment, abs=1
    )
    blind = changed(known, *((EVENING - n * HOUR, gap) for n in range(2, 5)))
    assert most_probable(blind, EVENING, EVENING + HOUR).adjustment == 0


def test_days_are_matched_by_the_clock_on_the_wall_when_clocks_change() -> None:
    # Clocks go forward on 2026-03-29 and back on 2026-10-25, both Sundays.
    spring = history(
        by_the_clock(datetime(2025, 9, 1, tzinfo=UTC), 300), datetime(2025, 9, 1, tzinfo=UTC)
    )
    monday = date(2026, 3, 30)
    start = at(monday, 7)
    expected = most_probable(spring, start, start + 2 * HOUR)
    assert expected.consumption.values.tolist() == [7_000, 8_000]
    # The night without the hour from two to three is no day to be compared for it.
    rest = at(date(2026, 4, 5), 2)
    expected = most_probable(spring, rest, rest + HOUR)
    assert expected.consumption.values.tolist() == [1_002_000]
    assert date(2026, 3, 29) not in expected.days
    assert date(2026, 3, 22) in expected.days


def test_an_hour_that_clocks_show_twice_counts_with_its_mean() -> None:
    start = datetime(2026, 4, 1, tzinfo=UTC)
    autumn = history(by_the_clock(start, 240), start)
    sunday = date(2026, 10, 25)
    first, second = at(sunday, 2), at(sunday, 2, fold=1)
    assert second - first == HOUR
    # On the day itself both of them are expected to be as that hour was.
    expected = most_probable(autumn, first, first + 3 * HOUR)
    assert expected.consumption.values.tolist() == [1_002_000, 1_002_000, 1_003_000]
    # The first of the two is no past day for the second one.
    assert sunday not in most_probable(autumn, second, second + HOUR).days
    # And later the day counts once.
    differing = changed(autumn, (first, 1_002_100), (second, 1_002_300))
    next_one = at(sunday + 7 * DAY, 2)
    expected = most_probable(differing, next_one, next_one + HOUR)
    assert sunday in expected.days
    assert expected.consumption.values.tolist() == pytest.approx([1_002_020])


def test_an_intervention_may_go_past_midnight() -> None:
    start = at(TUESDAY, 22)
    done = changed(HABIT, (start + 2 * HOUR, 700))
    found = evaluate(done, start, start + 4 * HOUR)
    assert found.expectation.consumption.values.tolist() == [22_000, 23_000, 0, 1_000]
    assert found.total == 700
    # Friday nights go on into Saturday: they are not like the nights of other working days.
    assert {day.weekday() for day in found.expectation.days} == {0, 1, 2, 3}


def warming(rng: np.random.Generator) -> History:
    """Return a load that is 50 Wh for each degree that the last 24 hours were too cold."""
    celsius = np.repeat(rng.uniform(-10, 30, DAYS), 24)
    means = np.convolve(celsius, np.ones(24) / 24)[: len(celsius)]
    load = 200 + 50 * np.maximum(15.5 - means, 0) + 20 * np.maximum(means - 22, 0)
    return replace(history(load), temperature=TimeSeries(FIRST, HOUR, celsius))


def test_a_load_that_follows_the_temperature_is_expected_by_it() -> None:
    known = warming(np.random.default_rng(3))
    found = evaluate(known, EVENING, EVENING + HOUR)
    assert found.expectation.method is Method.TEMPERATURE
    assert found.expectation.error.days == TESTED_DAYS
    assert found.total == pytest.approx(0, abs=1e-6)
    assert found.expectation.error.root_mean_square == pytest.approx(0, abs=1e-6)
    without = evaluate(replace(known, temperature=None), EVENING, EVENING + HOUR)
    assert without.expectation.error.root_mean_square > 50


def test_a_past_day_is_predicted_by_the_others_alone() -> None:
    odd = EVENING - 7 * DAY
    known = warming(np.random.default_rng(3))
    value = known.consumption.between(odd, odd + HOUR).values[0]
    found = evaluate(changed(known, (odd, value + 9_000)), EVENING, EVENING + HOUR, 0.95)
    # All the others lie on the line, so that the odd day is off by all that is odd of it.
    assert found.band.lower == pytest.approx(found.total - 9_000, abs=50)


def test_what_a_past_day_says_of_the_adjustment_is_not_used_for_itself() -> None:
    odd = EVENING - 7 * DAY
    known = history(levels(np.random.default_rng(1)))
    mild = TimeSeries(FIRST, HOUR, np.full(24 * DAYS, 18.0))
    high = changed(known, *((odd - n * HOUR, 4_000.0) for n in range(2, 5)))
    found = evaluate(replace(high, temperature=mild), EVENING, EVENING + HOUR, 0.95)
    # By the others it would have stayed some 3,000 high, which it did not.
    assert found.band.upper > found.total + 2_000


def test_days_without_temperature_are_left_out_and_today_needs_one() -> None:
    known = warming(np.random.default_rng(3))
    assert known.temperature is not None
    celsius = known.temperature.values.copy()
    celsius[(EVENING - DAY - FIRST) // HOUR] = np.nan
    gap = replace(known, temperature=replace(known.temperature, values=celsius))
    later = EVENING + DAY
    assert (EVENING - DAY).date() not in most_probable(gap, later, later + HOUR).days
    celsius[(EVENING - FIRST) // HOUR] = np.nan
    with pytest.raises(InvalidInput) as refused:
        most_probable(
            replace(known, temperature=replace(known.temperature, values=celsius)),
            EVENING,
            EVENING + HOUR,
        )
    assert refused.value.errors[0].pointer == "temperature"


@pytest.mark.parametrize("noise", ["normal", "skewed"])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_the_band_covers_the_truth_as_often_as_it_says(noise: str, coverage: float) -> None:
    rng = np.random.default_rng(4)
    worlds, change = 300, -400.0
    covered, stated = [], []
    for _ in range(worlds):
        drawn = rng.standard_normal(24 * DAYS)
        hourly = drawn if noise == "normal" else rng.exponential(size=24 * DAYS) ** 2
        truth = levels(rng) + 300 * hourly
        start = (EVENING - FIRST) // HOUR
        truth[start : start + 2] += change / 2
        found = evaluate(history(truth), EVENING, EVENING + 2 * HOUR, coverage)
        covered.append(found.band.lower <= change <= found.band.upper)
        stated.append(found.band.coverage)
    one = evaluate(history(truth), EVENING, EVENING + HOUR, coverage)
    assert [*one.lower.values, *one.upper.values] == [one.band.lower, one.band.upper]
    assert coverage <= stated[0] < coverage + 0.05
    deviation = (stated[0] * (1 - stated[0]) / worlds) ** 0.5
    # Days that are averaged over days they share are a little less than independent.
    assert abs(np.mean(covered) - stated[0]) < 4 * deviation


def test_a_band_says_when_past_days_are_too_few_for_what_was_asked() -> None:
    known = history(levels(np.random.default_rng(5)))
    # 17 working days: ten to average and seven to test.
    short = replace(known, consumption=known.consumption.between(EVENING - 23 * DAY, EVENING + DAY))
    found = evaluate(short, EVENING, EVENING + HOUR)
    assert found.expectation.error.days in (6, 7)
    n = found.expectation.error.days
    assert found.band.coverage == pytest.approx(1 - 2 / (n + 1))


def test_what_cannot_be_evaluated_is_refused() -> None:
    short = replace(HABIT, consumption=HABIT.consumption.between(EVENING - 10 * DAY, EVENING + DAY))
    nothing = changed(HABIT, (EVENING, float("nan")))
    cases = [
        (short, EVENING, EVENING + HOUR, 0.9, "pastDays"),
        (replace(short, temperature=HABIT.consumption), EVENING, EVENING + HOUR, 0.9, None),
        (HABIT, EVENING, EVENING, 0.9, "range"),
        (HABIT, EVENING, EVENING + 25 * HOUR, 0.9, "range"),
        (HABIT, EVENING, EVENING + timedelta(minutes=90), 0.9, "onTheGrid"),
        (HABIT, EVENING.replace(tzinfo=None), EVENING + HOUR, 0.9, "offset"),
        (HABIT, EVENING, EVENING + HOUR, 1.0, "range"),
        (HABIT, EVENING, EVENING + HOUR, float("nan"), "range"),
        (nothing, EVENING, EVENING + HOUR, 0.9, "required"),
        (HABIT, at(date(2025, 1, 1), 18), at(date(2025, 1, 1), 19), 0.9, "required"),
    ]
    for known, start, end, coverage, rule in cases:
        if rule is None:
            assert evaluate(known, start, end, coverage).expectation.error.days >= 5
            continue
        with pytest.raises(InvalidInput) as refused:
            evaluate(known, start, end, coverage)
        assert refused.value.errors[0].rule == rule

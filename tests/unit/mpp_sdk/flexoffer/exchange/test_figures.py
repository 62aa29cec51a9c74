"""Series of any intervals on one grid: nothing is lost, and nothing is where it was not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.exchange.figures import check_period, on_one_grid
from mpp_sdk.flexoffer.timeseries import TimeSeries

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)


def series(minutes: int, *values: float, start: datetime = START) -> TimeSeries:
    return TimeSeries(start, timedelta(minutes=minutes), np.array(values, dtype=float))


@pytest.mark.parametrize(
    ("one", "energies"),
    [
        (series(15, 1, 2, 3, 4), [1, 2, 3, 4]),
        (series(60, 8), [2, 2, 2, 2]),
        (series(5, *[1] * 12), [3, 3, 3, 3]),
        (series(20, 4, 8, 0), [3, 5, 4, 0]),  # 15 of 20 min; 5 and 10; 10; nothing
        (series(15, 1, np.nan, 3), [1, 0, 3, 0]),
        (series(15, 7, 1, start=START - QUARTER), [1, 0, 0, 0]),
    ],
)
def test_energy_is_spread_evenly_over_its_interval(one: TimeSeries, energies: list[float]) -> None:
    assert on_one_grid([one], START, START + HOUR).values.tolist() == energies


def test_series_sum_up_and_none_is_nothing() -> None:
    found = on_one_grid([series(15, 1, 2), series(60, 8)], START, START + HOUR)

    assert found.values.tolist() == [3, 4, 2, 2]
    assert on_one_grid([], START, START + HOUR).values.tolist() == [0, 0, 0, 0]


def test_the_intervals_that_a_period_touches_are_whole() -> None:
    minute = timedelta(minutes=1)

    found = on_one_grid([series(60, 8)], START + minute, START + HOUR - minute)

    assert (found.start, found.end) == (START, START + HOUR)


@given(
    data=st.lists(
        st.tuples(
            st.sampled_from([1, 5, 10, 15, 20, 30, 60]),
            st.integers(-3, 3),
            st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6),
        ),
        max_size=5,
    )
)
def test_all_energy_is_somewhere(data: list[tuple[int, int, list[int]]]) -> None:
    many = [
        series(minutes, *values, start=START + shift * timedelta(minutes=minutes))
        for minutes, shift, values in data
    ]

    found = on_one_grid(many, START - 24 * HOUR, START + 24 * HOUR)

    assert found.values.sum() == pytest.approx(sum(sum(one) for _, _, one in data), abs=1e-3)


@pytest.mark.parametrize(
    ("start", "end", "pointer", "rule"),
    [
        (START, START, "to", "endAfterStart"),
        (START, START + timedelta(days=367), "to", "longest"),
        (datetime(1, 1, 1, tzinfo=UTC), START, "from", "range"),
        (START, datetime(9999, 12, 31, 23, tzinfo=UTC), "to", "range"),
    ],
)
def test_a_period_that_cannot_be_answered_is_refused(
    start: datetime, end: datetime, pointer: str, rule: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_period(start, end, ("from", "to"))

    assert [(one.pointer, one.rule) for one in refused.value.errors] == [(pointer, rule)]

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.metering.moments import (
    MomentWithoutOffset,
    day_bounds,
    format_bound,
    format_moment,
    format_resolution,
    parse_moment,
    parse_resolution,
)


@pytest.mark.parametrize("text", ["PT15M", "P0Y0M0DT0H15M0.000S", "PT900S", "P0DT15M", "PT0H15M"])
def test_forms_of_a_quarter_of_an_hour_are_equal(text: str) -> None:
    assert parse_resolution(text) == timedelta(minutes=15)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1",
        "15M",
        "PT15",
        "PT0S",
        "P1M",
        "P1Y",
        "PT0.5S",
        "-PT15M",
        "PT15M ",
        "P1DT",
        "PT\u0661\u0665M",
        "P999999999D" * 2,
        "P999999999DT999999999H",
    ],
)
def test_what_is_no_resolution_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_resolution(text)


@given(st.integers(min_value=1, max_value=400 * 24 * 3600))
def test_a_resolution_is_read_as_it_is_written(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    assert parse_resolution(format_resolution(length)) == length


def test_an_hour_and_a_day_are_written_short() -> None:
    assert format_resolution(timedelta(hours=1)) == "PT1H"
    assert format_resolution(timedelta(days=1)) == "P1D"


def test_a_moment_is_told_in_utc() -> None:
    moment = parse_moment("2024-06-29T00:00+02:00")
    assert moment == datetime(2024, 6, 28, 22, tzinfo=UTC)
    assert format_bound(moment) == "2024-06-28T22:00Z"
    assert format_moment(moment) == "2024-06-28T22:00:00Z"


def test_a_bound_off_the_minute_keeps_its_seconds() -> None:
    assert format_bound(datetime(2024, 6, 28, 22, 0, 5, tzinfo=UTC)) == "2024-06-28T22:00:05Z"


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(MomentWithoutOffset):
        parse_moment("2024-06-28T22:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-06-28",
        "20240628T220000Z",
        "2024-06-28 22:00Z",
        "2024-13-01T00:00Z",
        "now",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
        "2024-06-28T22:00z",
        "2024-06-28T24:00Z",
        "2024-06-28T22:00+25:00",
        "2024-W26-5T22:00Z",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (some of the words are those of datetime)
        parse_moment(text)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2024, 3, 31), "Europe/Madrid", 23),
        (date(2024, 10, 27), "Europe/Madrid", 25),
        (date(2024, 6, 1), "Europe/Madrid", 24),
        (date(2024, 3, 31), "UTC", 24),
        (date(2018, 11, 4), "America/Sao_Paulo", 23),  # its midnight does not exist
        (date(2024, 10, 27), "Atlantic/Azores", 25),  # its midnight comes twice
    ],
)
def test_a_day_has_the_hours_that_its_clocks_show(day: date, zone: str, hours: int) -> None:
    start, end = day_bounds(day, ZoneInfo(zone))
    assert end - start == timedelta(hours=hours)
    assert start.astimezone(ZoneInfo(zone)).date() == day
    assert (start - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() < day
    assert day_bounds(day + timedelta(days=1), ZoneInfo(zone))[0] == end

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpp_sdk.database import open_database
from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.model import (
    Direction,
    PointOfDelivery,
    Quality,
    Reading,
    ReadingSeries,
    Unit,
)
from mpp_sdk.metering.moments import day_bounds
from mpp_sdk.metering.store import MeteringStore, Page

START = datetime(2024, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def store(database_url: str) -> Iterator[MeteringStore]:
    yield from make(database_url)


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeteringStore]:
    yield from make(f"sqlite:///{tmp_path_factory.mktemp('other') / 'other.db'}")


def make(url: str) -> Iterator[MeteringStore]:
    engine = open_database(url)
    store = MeteringStore(engine)
    store.create()
    yield store
    engine.dispose()


def series(
    *quantities: str, pod: str = "a", resolution: timedelta = HOUR, **changes: Any
) -> ReadingSeries:
    start = changes.pop("start", START)
    readings = tuple(
        Reading(start + n * resolution, Decimal(quantity)) for n, quantity in enumerate(quantities)
    )
    made = ReadingSeries(PointOfDelivery(pod), Direction.CONSUMPTION, resolution, readings)
    return replace(made, **changes)


def test_readings_come_back_as_they_were(store: MeteringStore) -> None:
    missing = Reading(START + 9 * HOUR, None, Quality.NOT_AVAILABLE)
    first = series("0.028999999999999998", "1.50", "0", "123456789012345678.9")
    first = replace(first, pod=PointOfDelivery("a", "A10"), readings=(*first.readings, missing))
    assert store.upsert([first]) == 5
    (back,) = store.read("a", START, START + DAY)
    assert back == first
    assert [str(one.quantity) for one in back.readings[:2]] == ["0.028999999999999998", "1.50"]


def test_a_period_holds_its_start_and_not_its_end(store: MeteringStore) -> None:
    store.upsert([series("0", "1", "2", "3")])
    (back,) = store.read("a", START + HOUR, START + 3 * HOUR)
    assert [one.quantity for one in back.readings] == [1, 2]
    assert store.read("a", START + 5 * HOUR, START + 9 * HOUR) == ()
    assert store.read("b", START, START + DAY) == ()


@pytest.mark.parametrize("end", [START, START - HOUR, (START + DAY).replace(tzinfo=None)])
def test_a_period_that_is_none_is_refused(store: MeteringStore, end: datetime) -> None:
    with pytest.raises(InvalidInput):
        store.read("a", START, end)
    with pytest.raises(InvalidInput):
        store.page("a", START, end, 5)


def test_a_value_validated_later_replaces_the_earlier_one(store: MeteringStore) -> None:
    store.upsert([series("1", "1", "1")], validated_at=START)
    store.upsert([series("2", "2")], validated_at=START + HOUR)
    store.upsert([series("3")], validated_at=START + HOUR / 2)  # late on its way
    store.upsert([series("4", start=START + HOUR)], validated_at=START + HOUR)
    (back,) = store.read("a", START, START + DAY)
    assert [one.quantity for one in back.readings] == [2, 4, 1]
    assert store.count() == 3


def test_series_of_a_point_are_kept_apart(store: MeteringStore) -> None:
    kinds = [
        series("1"),
        series("2", direction=Direction.PRODUCTION),
        series("3", resolution=QUARTER),
        series("4", unit=Unit.WATT_HOUR),
        series("5", product="8716867000047"),
    ]
    store.upsert(kinds)
    assert sorted(store.read("a", START, START + DAY), key=str) == sorted(kinds, key=str)


def test_points_are_listed_counted_and_deleted(store: MeteringStore) -> None:
    store.upsert([series("1", "2", pod="b"), series("1", pod="a")])
    store.upsert([replace(series("3", pod="b"), pod=PointOfDelivery("b", "A10"))])
    store.upsert([series("4", pod="b")])  # does not forget the coding scheme
    assert store.pods() == (PointOfDelivery("a"), PointOfDelivery("b", "A10"))
    assert (store.count(), store.count("a"), store.count("b"), store.count("c")) == (3, 1, 2, 0)
    assert store.delete("b") == 2
    assert store.delete("b") == 0
    assert store.pods() == (PointOfDelivery("a"),)
    assert store.count() == 1


def test_equal_readings_have_equal_digests_in_any_store(
    store: MeteringStore, other: MeteringStore
) -> None:
    both = [series("1.50", "2"), series("3", direction=Direction.PRODUCTION)]
    store.upsert(both, validated_at=START)
    for one in reversed(both):
        other.upsert([one])
    assert store.digest("a") == other.digest("a")
    other.upsert([series("1.5")])
    assert store.digest("a") == other.digest("a")


@pytest.mark.parametrize(
    "change",
    [
        series("1.51"),
        series("1", start=START + 5 * HOUR),
        series("1", direction=Direction.PRODUCTION),
        series("1", resolution=QUARTER),
        series("1", unit=Unit.WATT_HOUR),
        series("1", product="x"),
        series(readings=(Reading(START, Decimal("1.5"), Quality.ESTIMATED),)),
        series(readings=(Reading(START, None, Quality.NOT_AVAILABLE),)),
    ],
)
def test_any_difference_changes_the_digest(other: MeteringStore, change: ReadingSeries) -> None:
    other.upsert([series("1.5", "2")])
    before = other.digest("a")
    other.upsert([change])
    assert other.digest("a") != before


def test_a_digest_can_be_of_a_period(other: MeteringStore) -> None:
    other.upsert([series("1", "2")])
    before = other.digest("a", START, START + HOUR)
    other.upsert([series("3", start=START + HOUR)])
    assert other.digest("a", START, START + HOUR) == before
    assert other.digest("a") != before


def pages(store: MeteringStore, start: datetime, end: datetime, max_points: int) -> list[Page]:
    found = [store.page("a", start, end, max_points)]
    while (begin := found[-1].next_start) is not None:
        assert len(found) < 1000
        found.append(store.page("a", begin, end, max_points))
    return found


def test_a_period_comes_in_pages(store: MeteringStore) -> None:
    store.upsert([series(*map(str, range(10)))])
    found = pages(store, START, START + DAY, 4)
    assert [len(page.series[0].readings) for page in found] == [4, 4, 2]
    assert [page.next_start for page in found] == [START + 4 * HOUR, START + 8 * HOUR, None]
    assert found[-1].end == START + DAY
    assert len(pages(store, START, START + 10 * HOUR, 10)) == 1


def test_an_empty_period_is_one_empty_page(other: MeteringStore) -> None:
    assert other.page("a", START, START + DAY, 1) == Page((), START, START + DAY, None)


def test_a_page_holds_at_least_a_point(other: MeteringStore) -> None:
    with pytest.raises(ValueError, match="at least one"):
        other.page("a", START, START + DAY, 0)


def test_an_interval_is_never_split_between_pages(store: MeteringStore) -> None:
    store.upsert([series("1", "2"), series(*"12345678", resolution=QUARTER)])
    found = pages(store, START, START + DAY, 7)
    assert [page.start for page in found] == [START, START + HOUR]
    # Even the first whole interval has more than three, and comes whole.
    assert [page.start for page in pages(store, START, START + DAY, 3)] == [START, START + HOUR]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hourly=st.sets(st.integers(0, 30), max_size=20),
    quarterly=st.sets(st.integers(0, 120), max_size=40),
    max_points=st.integers(1, 25),
)
def test_pages_hold_each_reading_once(
    other: MeteringStore, hourly: set[int], quarterly: set[int], max_points: int
) -> None:
    other.delete("a")
    for numbers, resolution in ((hourly, HOUR), (quarterly, QUARTER)):
        readings = (Reading(START + n * resolution, Decimal(n)) for n in sorted(numbers))
        other.upsert([series(resolution=resolution, readings=tuple(readings))])
    end = START + 2 * DAY
    found = pages(other, START, end, max_points)
    told = [
        (one.resolution, item.start)
        for page in found
        for one in page.series
        for item in one.readings
    ]
    assert len(told) == len(set(told)) == len(hourly) + len(quarterly)
    for before, after in itertools.pairwise(found):
        assert before.start < before.end == before.next_start == after.start
        assert all(one.end is None or one.end <= before.end for one in before.series)
    # A page is larger than asked only where a single interval of an hour is.
    assert all(
        sum(len(one.readings) for one in page.series) <= max(max_points, 5) for page in found
    )


@pytest.mark.parametrize(("day", "count"), [(date(2013, 3, 31), 46), (date(2013, 10, 27), 50)])
def test_a_day_of_clock_change_has_its_half_hours(
    other: MeteringStore, day: date, count: int
) -> None:
    start = datetime(2013, 1, 1, tzinfo=UTC)
    other.upsert([series(*["1"] * 17520, start=start, resolution=2 * QUARTER)])
    (found,) = other.read("a", *day_bounds(day, ZoneInfo("Europe/London")))
    assert len(found.readings) == count


def test_a_hundred_thousand_readings_are_stored_at_once(store: MeteringStore) -> None:
    many = series(*map(str, range(100_000)), resolution=QUARTER)
    assert store.upsert([many]) == 100_000
    assert store.count() == 100_000

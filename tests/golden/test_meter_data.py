"""Readings of real households, imported to known values; also what their ORIGIN note claims."""

import csv
import gzip
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.importers import CsvLayout, parse_csv, parse_s02
from mpp_sdk.metering.model import Direction, PointOfDelivery, Quality, ReadingSeries

DATA = Path(__file__).parents[2] / "examples/data"
HALF_HOUR = timedelta(minutes=30)
IN_UTC = CsvLayout(zone=ZoneInfo("UTC"), repeated_rows=True)


def content(name: str) -> bytes:
    return gzip.decompress((DATA / name).read_bytes())


def household(letter: str) -> ReadingSeries:
    data = content(f"household_{letter}_half_hourly_kwh.csv.gz")
    return parse_csv(data, PointOfDelivery(letter), layout=IN_UTC)


def gaps(starts: Iterable[datetime], step: timedelta) -> list[tuple[datetime, int]]:
    """Return the start ahead of each gap, and how many intervals are missing in it."""
    return [
        (before, (after - before) // step - 1)
        for before, after in pairwise(starts)
        if after - before != step
    ]


def test_the_day_of_crevillent() -> None:
    consumption, production = parse_s02((DATA / "stg_s02_report.xml").read_bytes())
    for series, direction in (
        (consumption, Direction.CONSUMPTION),
        (production, Direction.PRODUCTION),
    ):
        assert series.pod == PointOfDelivery("ZIVxxxxxxxxxx")
        assert series.direction is direction
        assert series.iso_resolution == "PT1H"
        assert len(series.readings) == 23
        assert series.start == datetime(2018, 1, 18, 2, tzinfo=UTC)
        assert series.end == datetime(2018, 1, 19, 1, tzinfo=UTC)
        assert {reading.quality for reading in series.readings} == {Quality.AS_PROVIDED}
        assert gaps([one.start for one in series.readings], timedelta(hours=1)) == []
    assert consumption.readings[0].quantity == Decimal("0.933")
    assert consumption.readings[-1].quantity == Decimal("0.604")
    assert sum(value or 0 for _, value in consumption.signed) == Decimal("16.316")
    assert sum(value or 0 for _, value in production.signed) == 0


def test_household_a_has_offsets_and_no_gap() -> None:
    series = parse_csv(content("household_a_hourly_kwh.csv.gz"), PointOfDelivery("a"))
    assert len(series.readings) == 23_508
    assert series.resolution == timedelta(hours=1)
    assert series.start == datetime(2020, 4, 1, 1, tzinfo=UTC)
    assert series.end == datetime(2022, 12, 6, 13, tzinfo=UTC)
    assert gaps([one.start for one in series.readings], timedelta(hours=1)) == []
    assert str(series.readings[-1].quantity) == "0.028999999999999998"


def test_household_b_has_five_gaps() -> None:
    series = household("b")
    assert len(series.readings) == 22_521
    assert series.resolution == HALF_HOUR
    found = gaps([one.start for one in series.readings], HALF_HOUR)
    assert [missing for _, missing in found] == [1, 1, 48, 1, 1]
    assert found[2][0] == datetime(2012, 11, 8, tzinfo=UTC)


@pytest.mark.parametrize("letter", ["b", "c"])
def test_local_time_of_the_united_kingdom_does_not_fit(letter: str) -> None:
    data = content(f"household_{letter}_half_hourly_kwh.csv.gz")
    layout = CsvLayout(zone=ZoneInfo("Europe/London"), repeated_rows=True)
    with pytest.raises(InvalidInput, match=r"has no 201[23]-03-[0-9]*T01:00:00"):
        parse_csv(data, PointOfDelivery(letter), layout=layout)


@pytest.mark.parametrize(("letter", "repeated"), [("b", 15), ("c", 24)])
def test_rows_said_twice_are_refused_unless_allowed(letter: str, repeated: int) -> None:
    data = content(f"household_{letter}_half_hourly_kwh.csv.gz")
    with pytest.raises(InvalidInput, match="is also in row"):
        parse_csv(data, PointOfDelivery(letter), layout=CsvLayout(zone=ZoneInfo("UTC")))
    rows = data.decode().splitlines()[1:]
    assert len(rows) - len(household(letter).readings) == repeated


@pytest.mark.parametrize(
    "clocks_go_back", [datetime(2012, 10, 28, tzinfo=UTC), datetime(2013, 10, 27, tzinfo=UTC)]
)
def test_the_evening_of_household_b_comes_an_hour_earlier_in_summer(
    clocks_go_back: datetime,
) -> None:
    before = peak_hour(clocks_go_back - timedelta(days=28), clocks_go_back)
    after = peak_hour(clocks_go_back, clocks_go_back + timedelta(days=28))
    assert after - before == 1


def peak_hour(start: datetime, end: datetime) -> int:
    """Return the evening hour, in UTC, in which household b uses most."""
    used = dict.fromkeys(range(17, 23), Decimal(0))
    for reading in household("b").between(start, end).readings:
        if reading.start.hour in used:
            used[reading.start.hour] += reading.quantity or 0
    return max(used, key=lambda hour: used[hour])


def test_household_c_has_day_and_month_exchanged_up_to_the_twelfth() -> None:
    rows = csv.DictReader(io.StringIO(content("household_c_half_hourly_kwh.csv.gz").decode()))
    as_written = {datetime.fromisoformat(row["start"]) for row in rows}
    assert len(as_written) == 35_444
    assert len(gaps(sorted(as_written), HALF_HOUR)) == 27
    put_back = sorted(
        at.replace(day=at.month, month=at.day) if at.day <= 12 else at for at in as_written
    )
    assert [missing for _, missing in gaps(put_back, HALF_HOUR)] == [1, 1, 1]
    assert put_back[0].isoformat() == "2012-02-20T13:00:00"
    assert put_back[-1].isoformat() == "2014-02-28T00:00:00"
    assert len(household("c").readings) == 35_444

"""Market documents of others, read to known values and written again without loss."""

import gzip
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mpp_sdk.metering.cim import (
    MarketParticipant,
    NotifyValidatedMeasureData,
    Rendering,
    RequestValidatedMeasureData,
    ValidatedHistoricalData,
    historical_series,
    measure_series,
    parse,
    parse_json,
    parse_xml,
    readings_of,
    render,
    to_json,
    to_xml,
)
from mpp_sdk.metering.importers import CsvLayout, parse_csv
from mpp_sdk.metering.model import (
    Direction,
    PointOfDelivery,
    Quality,
    Reading,
    ReadingSeries,
    Unit,
)
from mpp_sdk.metering.moments import day_bounds

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/data"
CIM = ROOT / "tests/data/cim"
FILES = sorted([*CIM.glob("*.xml"), *CIM.glob("*.json"), *EXAMPLES.glob("notify*.xml")])
LONDON = ZoneInfo("Europe/London")


def rendering_of(path: Path) -> Rendering:
    return Rendering.JSON if path.suffix == ".json" else Rendering.XML


def test_every_file_is_there() -> None:
    assert [path.name for path in FILES] == [
        "notify_validated_measure_data.xml",
        "notify_validated_measure_data.json",
        "request_validated_measure_data.xml",
        "validated_historical_data.xml",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_comes_back_from_both_renderings(path: Path) -> None:
    document = parse(path.read_bytes(), rendering_of(path))
    for first in Rendering:
        once = parse(render(document, first), first)
        assert once == document
        for second in Rendering:
            assert parse(render(once, second), second) == document


def test_the_notification_in_xml_has_these_values() -> None:
    document = parse_xml((EXAMPLES / "notify_validated_measure_data.xml").read_bytes())
    assert isinstance(document, NotifyValidatedMeasureData)
    header = document.header
    assert (header.mrid, header.type, header.process_type) == ("111131835", "E66", "E23")
    assert header.business_sector == "23"
    assert header.sender == MarketParticipant("5790001330552", "A10", "MDR")
    assert header.receiver == MarketParticipant("5790000432752", "A10", "DGL")
    assert header.created_at == datetime(2024, 7, 30, 7, 30, 54, tzinfo=UTC)
    first, second = document.series
    assert (first.mrid, second.mrid) == ("4413675032_5080574373", "4413675032_5080574374")
    assert first.pod == PointOfDelivery("571313000000002000", "A10")
    assert first.direction is Direction.PRODUCTION
    assert first.unit is Unit.KILOWATT_HOUR
    assert first.product == "8716867000030"
    assert first.original_transaction_id == "C1875000"
    assert first.registered_at == datetime(2022, 12, 17, 7, 30, tzinfo=UTC)
    (period,) = first.periods
    assert period.start == datetime(2024, 6, 28, 22, tzinfo=UTC)
    assert period.end == datetime(2024, 6, 29, 22, tzinfo=UTC)
    assert period.resolution == timedelta(hours=1)
    expected = [
        Reading(period.start + n * timedelta(hours=1), Decimal(56), Quality.ESTIMATED)
        for n in range(6)
    ]
    assert list(period.readings) == expected
    (series,) = readings_of(document.series)
    assert len(series.readings) == 12
    assert {value for _, value in series.signed} == {Decimal(-56)}


def test_the_notification_in_json_has_these_values() -> None:
    document = parse_json((CIM / "notify_validated_measure_data.json").read_bytes())
    assert isinstance(document, NotifyValidatedMeasureData)
    assert (
        document.header
        == parse_xml((EXAMPLES / "notify_validated_measure_data.xml").read_bytes()).header
    )
    (period,) = document.series[0].periods
    values = [(reading.quantity, reading.quality.value) for reading in period.readings]
    assert values == [
        (Decimal(242), "A03"),
        (Decimal(242), "A04"),
        (Decimal(222), "A04"),
        (Decimal(202), "A04"),
        (Decimal(191), "A05"),
        (None, "A02"),
    ]


def test_the_request_has_these_values() -> None:
    document = parse_xml((CIM / "request_validated_measure_data.xml").read_bytes())
    assert isinstance(document, RequestValidatedMeasureData)
    assert document.header.type == "E73"
    assert document.header.sender.role == "DDQ"
    (asked,) = document.series
    assert asked.mrid == "1568914"
    assert asked.pod == PointOfDelivery("579999993331812345", "A10")
    assert asked.start == datetime(2022, 7, 17, 22, tzinfo=UTC)
    assert asked.end == datetime(2022, 8, 17, 22, tzinfo=UTC)


def test_the_european_envelope_has_these_values() -> None:
    document = parse_xml((CIM / "validated_historical_data.xml").read_bytes())
    assert isinstance(document, ValidatedHistoricalData)
    envelope, header = document.envelope, document.header
    assert envelope.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (envelope.connection_id, envelope.data_need_id) == ("cid", "dnid")
    assert (envelope.permission_id, envelope.region_connector) == ("pid", "be-fluvius")
    assert envelope.document_type == "validated-historical-data-market-document"
    assert envelope.region_country == "NBE"
    assert (header.revision_number, header.type, header.process_type) == ("104", "A45", "A16")
    assert header.period is not None
    assert header.period[1] - header.period[0] == timedelta(minutes=30)
    assert header.sender == MarketParticipant("Fluvius", "NBE", "A26")
    assert {series.commodity for series in document.series} == {"2"}
    assert {series.reason_codes for series in document.series} == {("999",)}
    consumption, production = readings_of(document.series)
    assert consumption.resolution == production.resolution == timedelta(minutes=15)
    start = datetime(2024, 12, 1, tzinfo=UTC)
    assert list(consumption.signed) == [
        (start, Decimal("0.009")),
        (start + timedelta(minutes=15), Decimal("0.01")),
    ]
    assert list(production.signed) == [(start, Decimal("-0.01"))]
    assert production.readings[0].quality is Quality.AS_PROVIDED


@pytest.fixture(scope="module")
def year() -> ReadingSeries:
    """Return the year 2013, in London, of household b: 17,520 half-hours of real readings."""
    data = gzip.decompress((EXAMPLES / "household_b_half_hourly_kwh.csv.gz").read_bytes())
    layout = CsvLayout(zone=ZoneInfo("UTC"), repeated_rows=True)
    series = parse_csv(data, PointOfDelivery("571313000000002000", "A10"), layout=layout)
    start, end = day_bounds(date(2013, 1, 1), LONDON)[0], day_bounds(date(2014, 1, 1), LONDON)[0]
    return series.between(start, end)


@pytest.mark.parametrize("rendering", Rendering)
@pytest.mark.parametrize("historical", [False, True], ids=["notification", "envelope"])
def test_a_year_of_half_hours_comes_back(
    year: ReadingSeries, rendering: Rendering, historical: bool
) -> None:
    assert len(year.readings) == 17_520
    name = "validated_historical_data.xml" if historical else "notify_validated_measure_data.json"
    path = CIM / name
    document = parse(path.read_bytes(), rendering_of(path))
    assert not isinstance(document, RequestValidatedMeasureData)
    make = historical_series if historical else measure_series
    document = replace(document, series=(make("1", year),))
    data = render(document, rendering)
    back = parse(data, rendering)
    assert back == document
    assert not isinstance(back, RequestValidatedMeasureData)
    (series,) = readings_of(back.series)
    assert series == year
    assert [str(one.quantity) for one in series.readings] == [
        str(one.quantity) for one in year.readings
    ]
    for day, count in ((date(2013, 3, 31), 46), (date(2013, 10, 27), 50), (date(2013, 7, 1), 48)):
        assert len(series.between(*day_bounds(day, LONDON)).readings) == count


def test_both_renderings_of_a_year_are_the_same_document(year: ReadingSeries) -> None:
    document = parse_json((CIM / "notify_validated_measure_data.json").read_bytes())
    assert isinstance(document, NotifyValidatedMeasureData)
    document = replace(document, series=(measure_series("1", year),))
    assert parse_json(to_json(document)) == parse_xml(to_xml(document))

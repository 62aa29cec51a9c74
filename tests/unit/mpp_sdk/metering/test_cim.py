import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.cim import (
    MarketDocument,
    NotifyValidatedMeasureData,
    Period,
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
from mpp_sdk.metering.model import (
    Direction,
    PointOfDelivery,
    Quality,
    Reading,
    ReadingSeries,
    Unit,
)

ROOT = Path(__file__).parents[4]
NOTIFY_XML = (ROOT / "examples/data/notify_validated_measure_data.xml").read_bytes()
NOTIFY_JSON = (ROOT / "tests/data/cim/notify_validated_measure_data.json").read_bytes()
REQUEST_XML = (ROOT / "tests/data/cim/request_validated_measure_data.xml").read_bytes()
ENVELOPE_XML = (ROOT / "tests/data/cim/validated_historical_data.xml").read_bytes()
START = datetime(2024, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
NAME = "NotifyValidatedMeasureData_MarketDocument"


def refused(read: Callable[[bytes], object], data: bytes) -> tuple[str, str]:
    """Return pointer and rule of the only field that is complained of."""
    with pytest.raises(InvalidInput) as error:
        read(data)
    (field,) = error.value.errors
    json.dumps([field.pointer, field.rule, field.detail], ensure_ascii=False).encode()
    return field.pointer, field.rule


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def edited(edit: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(NOTIFY_JSON.decode("utf-8-sig"))
    edit(document[NAME])
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/a.dtd'><a/>",
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        b"<!DOCTYPE a [<!ATTLIST a codingScheme CDATA 'A10'>]><a/>",
    ],
)
def test_document_types_and_entities_are_refused(data: bytes) -> None:
    assert refused(parse_xml, data) == ("", "noDocumentType")


def test_a_bomb_is_refused_before_it_is_parsed() -> None:
    levels = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(20))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "boom">{levels}]><a>&l20;</a>'.encode()
    assert refused(parse_xml, bomb) == ("", "noDocumentType")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"<a",
        b"<a>&b;</a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a x='1' x='2'/>",
        b"<a>\x00</a>",
        b"<a>&#0;</a>",
        b"<a>" * 300 + b"</a>" * 300,
    ],
)
def test_what_is_not_xml_is_refused(data: bytes) -> None:
    assert refused(parse_xml, data) == ("", "xml")


@pytest.mark.parametrize(
    "data",
    [
        "<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16"),
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>",
        b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE a+AD4-<a/>",
        b"<a>\xff</a>",
    ],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    assert refused(parse_xml, data) == ("", "encoding")


def test_json_of_another_encoding_is_refused() -> None:
    assert refused(parse_json, NOTIFY_JSON.decode("utf-8-sig").encode("utf-16")) == ("", "encoding")


def test_the_byte_order_mark_makes_no_difference() -> None:
    for read, data in ((parse_xml, NOTIFY_XML), (parse_json, NOTIFY_JSON)):
        assert data.startswith(b"\xef\xbb\xbf")
        assert read(data) == read(data[3:])


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b'{"a": 01}', "json"),
        (b'{"a": 1, "a": 2}', "duplicateKey"),
        (b'{"' + NAME.encode() + b'": {"mRID": "1", "mRID": "1"}}', "duplicateKey"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "duplicateKey"),
        (b'{"a": NaN}', "number"),
        (b'{"a": -Infinity}', "number"),
        (b"[" * 100_000, "depth"),
        (b'{"a":' * 100_000, "depth"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "json"),
        (b'{"a": 1e99999999999999999999}', "json"),
        (b"[]", "type"),
        (b"{}", "type"),
        (b'"text"', "type"),
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes, rule: str) -> None:
    assert refused(parse_json, data)[1] == rule


def test_nesting_that_no_market_document_has_is_refused() -> None:
    def nest(document: dict[str, Any]) -> None:
        inner: object = "x"
        for _ in range(40):
            inner = {"Series": inner}
        document["Series"] = inner

    assert refused(parse_json, edited(nest))[1] == "depth"


def test_a_document_of_another_kind_is_refused() -> None:
    other = changed(NOTIFY_XML, b":0:1", b":0:2")
    assert refused(parse_xml, other) == (f"/{NAME}", "namespace")
    assert refused(parse_xml, b"<Publication_MarketDocument/>")[1] == "unsupported"
    assert refused(parse_json, b'{"\\ud800/~": {}}')[1] == "unsupported"


XML_FAULTS = [
    (b"T07:30:54Z", b"T07:30:54", "/createdDateTime", "offset"),
    (b"2024-07-30T07:30:54Z", b"yesterday", "/createdDateTime", "format"),
    (b"2024-06-29T22:00Z</cim:end>", b"2024-06-28T22:00Z</cim:end>", "/end", "endAfterStart"),
    (b"2024-06-29T22:00Z</cim:end>", b"2023-06-28T22:00Z</cim:end>", "/end", "endAfterStart"),
    (b"2024-06-28T22:00Z</cim:start>", b"2024-06-28T22:00</cim:start>", "/start", "offset"),
    (b"PT1H", b"PT7H", "/resolution", "resolutionDividesPeriod"),
    (b"PT1H", b"P1M", "/resolution", "format"),
    (b"PT1H", b"PT0S", "/resolution", "format"),
    (b"<cim:position>2<", b"<cim:position>25<", "/Point/1/position", "position"),
    (b"<cim:position>2<", b"<cim:position>0<", "/Point/1/position", "position"),
    (b"<cim:position>2<", b"<cim:position>-1<", "/Point/1/position", "position"),
    (b"<cim:position>2<", b"<cim:position>1.5<", "/Point/1/position", "position"),
    (b"<cim:position>2<", b"<cim:position>99999999999999<", "/Point/1/position", "position"),
    (b"<cim:position>2<", b"<cim:position>1<", "/Point/1/position", "unique"),
    (b"<cim:quality>A03<", b"<cim:quality>A99<", "/Point/0/quality", "enum"),
    (b"<cim:quality>A03<", b"<cim:quality>A02<", "/Point/0/quantity", "quantityAvailable"),
    (b"<cim:quantity>56</cim:quantity>", b"", "/Point/0", "quantityAvailable"),
    (b"<cim:quantity>56<", b"<cim:quantity>-56<", "/Point/0/quantity", "quantity"),
    (b"<cim:quantity>56<", b"<cim:quantity>NaN<", "/Point/0/quantity", "format"),
    (b"<cim:quantity>56<", b"<cim:quantity>5_6<", "/Point/0/quantity", "format"),
    (b"<cim:quantity>56<", b"<cim:quantity>1e3<", "/Point/0/quantity", "format"),
    (b"<cim:quantity>56<", b"<cim:quantity><", "/Point/0/quantity", "format"),
    (b"KWH", b"BANANA", "/quantity_Measure_Unit.name", "enum"),
    (b"<cim:type>E66</cim:type>", b"", "/type", "required"),
    (b"<cim:type>E66</cim:type>", b"<cim:type>E66</cim:type>" * 2, "/type", "unique"),
    (b"<cim:type>E66</cim:type>", b"<cim:type> </cim:type>", "/type", "text"),
    (b"<cim:type>E66<", b"<cim:type codingScheme='A10'>E66<", "/type", "unsupported"),
    (b"<cim:type>E66<", b"<cim:type other='A10'>E66<", "/type", "unsupported"),
    (b"<cim:type>E66</cim:type>", b"<cim:type>E66</cim:type><cim:x/>", "/x", "unsupported"),
    (b"<cim:type>E66</cim:type>", b"<cim:type>E66</cim:type><x/>", NAME, "unsupported"),
    (b"<cim:type>E66</cim:type>", b"<cim:type><cim:a>1</cim:a></cim:type>", "/type", "type"),
    (b"<cim:type>E66</cim:type>", b"<cim:type>E66</cim:type>text", NAME, "type"),
    (
        b"<cim:Period>",
        b"<cim:curveType>A03</cim:curveType><cim:Period>",
        "/curveType",
        "unsupported",
    ),
    (b"<cim:Series>", b"<cim:Series codingScheme='A10'>", "/Series/0", "unsupported"),
]


@pytest.mark.parametrize(("old", "new", "pointer", "rule"), XML_FAULTS)
def test_faults_in_xml_are_refused_where_they_stand(
    old: bytes, new: bytes, pointer: str, rule: str
) -> None:
    found = refused(parse_xml, changed(NOTIFY_XML, old, new))
    assert found[1] == rule
    assert found[0].endswith(pointer)


def series_of(document: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = document["Series"][0]
    return first


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(document: dict[str, Any]) -> None:
        *above, last = path.split("/")
        place: Any = document
        for step in above:
            place = place[int(step)] if step.isdecimal() else place[step]
        place[int(last) if last.isdecimal() else last] = value

    return edit


JSON_FAULTS = [
    ("createdDateTime", "2024-07-30T07:30:54", "offset"),
    ("createdDateTime", 5, "type"),
    ("createdDateTime", None, "type"),
    ("mRID", 111131835, "type"),
    ("mRID", "\x00", "text"),
    ("mRID", "\ud800", "text"),
    ("mRID", {"value": {"value": "1"}}, "type"),
    ("mRID", {"value": "1", "codingScheme": 1}, "type"),
    ("mRID", {"value": "1", "codingScheme": "A10"}, "unsupported"),
    ("mRID", {"value": "1", "other": "A10"}, "type"),
    ("mRID", [["1"]], "type"),
    ("mRID", ["1", "2"], "unique"),
    ("extra/~", "1", "unsupported"),
    ("Series/0/Period/resolution", "PT5H", "resolutionDividesPeriod"),
    ("Series/0/Period/Point/0/quantity", True, "type"),
    ("Series/0/Period/Point/0/quantity", "many", "format"),
    ("Series/0/Period/Point/0/quantity", -1, "quantity"),
    ("Series/0/Period/Point/0/quantity", 1e300, "quantity"),
    ("Series/0/Period/Point/1/position", {"value": 1}, "unique"),
    ("Series/0/Period/Point/0/position", {"value": 1.0}, "position"),
    ("Series/0/Period/Point/0/position", {"value": 25}, "position"),
    ("Series/0/Period/Point/0/quality", {"value": "A00"}, "enum"),
    ("Series/0/quantity_Measure_Unit.name", {"value": "KWT"}, "enum"),
    ("Series/0/Period/timeInterval/end", {"value": "2024-06-28T22:00Z"}, "endAfterStart"),
    ("Series/0/flowDirection.direction", {"value": "A03"}, "enum"),
]


@pytest.mark.parametrize(("path", "value", "rule"), JSON_FAULTS)
def test_faults_in_json_are_refused_where_they_stand(path: str, value: object, rule: str) -> None:
    if path == "extra/~":
        data = edited(lambda document: document.update({path: value}))
        place = "extra~1~0"
    else:
        data, place = edited(put(path, value)), path
    pointer, found = refused(parse_json, data)
    assert found == rule
    assert pointer.startswith(f"/{NAME}/{place}")


def test_a_point_that_says_nothing_of_its_quality_is_as_provided() -> None:
    document = parse_json(NOTIFY_JSON)
    assert isinstance(document, NotifyValidatedMeasureData)
    points = document.series[0].periods[0].readings
    assert [point.quality for point in points] == [
        Quality.ESTIMATED,
        Quality.AS_PROVIDED,
        Quality.AS_PROVIDED,
        Quality.AS_PROVIDED,
        Quality.INCOMPLETE,
        Quality.NOT_AVAILABLE,
    ]


def test_positions_may_come_in_any_order() -> None:
    def swap(document: dict[str, Any]) -> None:
        points = series_of(document)["Period"]["Point"]
        points.reverse()

    assert parse_json(edited(swap)) == parse_json(NOTIFY_JSON)


def test_a_request_with_its_end_before_its_start_is_refused() -> None:
    data = changed(REQUEST_XML, b"2022-08-17", b"2022-07-16")
    pointer, rule = refused(parse_xml, data)
    assert rule == "endAfterStart"
    assert pointer.endswith("/Series/0/end_DateAndOrTime.dateTime")


def test_a_point_of_exchange_has_no_direction() -> None:
    document = parse_xml(NOTIFY_XML.replace(b">E18<", b">E20<"))
    assert isinstance(document, NotifyValidatedMeasureData)
    with pytest.raises(InvalidInput) as error:
        readings_of(document.series)
    assert error.value.errors[0].rule == "direction"


def test_periods_that_overlap_are_refused() -> None:
    document = parse_xml(NOTIFY_XML)
    assert isinstance(document, NotifyValidatedMeasureData)
    with pytest.raises(InvalidInput) as error:
        readings_of((document.series[0], document.series[0]))
    assert error.value.errors[0].rule == "overlap"


@pytest.mark.parametrize(
    ("end", "resolution", "offsets"),
    [
        (0, 15, []),
        (-60, 15, []),
        (60, 7, []),
        (60, 0, []),
        (60, 15, [60]),
        (60, 15, [-15]),
        (60, 15, [5]),
        (60, 15, [15, 15]),
        (60, 15, [15, 0]),
    ],
)
def test_a_period_keeps_its_grid(end: int, resolution: int, offsets: list[int]) -> None:
    readings = tuple(Reading(START + timedelta(minutes=at), Decimal(1)) for at in offsets)
    with pytest.raises(InvalidInput):
        Period(START, START + timedelta(minutes=end), timedelta(minutes=resolution), readings)


def envelope() -> ValidatedHistoricalData:
    document = parse_xml(ENVELOPE_XML)
    assert isinstance(document, ValidatedHistoricalData)
    return document


def notification() -> NotifyValidatedMeasureData:
    document = parse_xml(NOTIFY_XML)
    assert isinstance(document, NotifyValidatedMeasureData)
    return document


TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co", "Zs", "Zl", "Zp"]),
    min_size=1,
    max_size=20,
)
QUANTITIES = st.decimals(min_value=0, max_value=10**9, allow_nan=False, places=9) | st.just(
    Decimal("0.028999999999999998")
)
POINTS = st.dictionaries(
    st.integers(0, 500),
    st.tuples(st.none() | QUANTITIES, st.sampled_from(Quality)),
    min_size=1,
    max_size=30,
)


@st.composite
def reading_series(draw: st.DrawFn) -> ReadingSeries:
    resolution = draw(st.sampled_from([QUARTER, 2 * QUARTER, 4 * QUARTER, timedelta(days=1)]))
    readings = []
    for at, (quantity, quality) in sorted(draw(POINTS).items()):
        if quantity is None or quality is Quality.NOT_AVAILABLE:
            quantity, quality = None, Quality.NOT_AVAILABLE
        readings.append(Reading(START + at * resolution, quantity, quality))
    return ReadingSeries(
        PointOfDelivery(draw(TEXTS), draw(st.none() | TEXTS)),
        draw(st.sampled_from(Direction)),
        resolution,
        tuple(readings),
        draw(st.sampled_from(Unit)),
        draw(TEXTS),
    )


@given(reading_series(), st.sampled_from(Rendering), TEXTS)
def test_any_series_comes_back_as_it_was(
    series: ReadingSeries, rendering: Rendering, mrid: str
) -> None:
    notify = replace(notification(), series=(measure_series(mrid, series),))
    historical = replace(envelope(), series=(historical_series(mrid, series),))
    for document in (notify, historical):
        back = parse(render(document, rendering), rendering)
        assert back == document
        assert not isinstance(back, RequestValidatedMeasureData)
        assert readings_of(back.series) == (series,)


def test_readings_that_change_their_grid_make_several_periods() -> None:
    starts = [START, START + QUARTER, START + 3 * QUARTER + timedelta(minutes=5)]
    series = ReadingSeries(
        PointOfDelivery("a"),
        Direction.CONSUMPTION,
        QUARTER,
        tuple(Reading(start, Decimal(1)) for start in starts),
    )
    made = measure_series("1", series)
    assert [len(period.readings) for period in made.periods] == [2, 1]
    assert readings_of((made,)) == (series,)
    document = replace(notification(), series=(made,))
    assert parse_json(to_json(document)) == document
    assert parse_xml(to_xml(document)) == document


def test_a_document_without_series_comes_back() -> None:
    document = replace(notification(), series=())
    assert parse_xml(to_xml(document)) == document
    assert parse_json(to_json(document)) == document


def test_markup_in_ids_is_escaped() -> None:
    pod = PointOfDelivery('<a href="b">&c', '"&<')
    document = notification()
    series = tuple(replace(one, pod=pod) for one in document.series)
    document = replace(document, series=series)
    assert parse_xml(to_xml(document)) == document
    assert parse_json(to_json(document)) == document


def test_json_keeps_the_digits_of_quantities() -> None:
    data = deepcopy(NOTIFY_JSON).replace(b'"quantity": 222', b'"quantity": 0.028999999999999998')
    document = parse_json(data)
    assert b'"quantity":0.028999999999999998,' in to_json(document)
    assert b"<quantity>0.028999999999999998</quantity>" in to_xml(document)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (parse_xml, NOTIFY_XML),
        (parse_xml, ENVELOPE_XML),
        (parse_xml, REQUEST_XML),
        (parse_json, NOTIFY_JSON),
    ],
    ids=["notification.xml", "envelope.xml", "request.xml", "notification.json"],
)
@given(st.data())
def test_damage_is_refused_or_read_and_never_anything_else(
    read: Callable[[bytes], MarketDocument], data: bytes, draw: st.DataObject
) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(damaged) - 1))
        length = draw.draw(st.integers(0, 30))
        damaged[at : at + length] = draw.draw(
            st.binary(max_size=4)
            | st.sampled_from(
                [b"{", b"}", b"[", b"9", b"-", b"<", b"/>", b"&lt;", b"\\ud800", b"null"]
            )
        )
    try:
        document = read(bytes(damaged))
    except InvalidInput as error:
        told = [[one.pointer, one.rule, one.detail] for one in error.errors]
        assert told
        json.dumps(told, ensure_ascii=False).encode()
    else:
        assert parse_json(to_json(document)) == document
        assert parse_xml(to_xml(document)) == document

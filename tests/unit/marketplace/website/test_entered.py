"""What people enter, as the contract has it: durations, areas, and texts that are compared."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.website.catalogue.comparing import Line, lines
from marketplace.website.catalogue.geojson import area_of
from marketplace.website.frame.durations import entered, parts
from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.moments import parse_resolution

RING = [[[0, 0], [1, 0], [1, 1], [0, 0]]]
POLYGON = {"type": "Polygon", "coordinates": RING}
MANY = {"type": "MultiPolygon", "coordinates": [RING, RING]}


@pytest.mark.parametrize(
    ("written", "number", "unit"),
    [
        ("PT15M", "15", "minutes"),
        ("PT1H30M", "90", "minutes"),
        ("P1DT2H", "26", "hours"),
        ("P7D", "7", "days"),
        ("PT90S", "90", "seconds"),
        ("", "", "minutes"),
        ("soon", "soon", "minutes"),
    ],
)
def test_a_duration_is_shown_as_a_number_and_its_unit(written: str, number: str, unit: str) -> None:
    assert parts(written) == (number, unit)


def test_what_was_refused_is_shown_as_it_was_entered() -> None:
    assert parts("PT5M", "days") == ("PT5M", "days")
    assert entered("soon", "days") == "soon"
    assert entered("PT5M", "days") == "PT5M"
    assert entered("5", "fortnights") == "5"


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_duration_that_is_entered_as_it_is_shown_is_as_long(
    days: int, hours: int, minutes: int, seconds: int
) -> None:
    written = f"P{days}DT{hours}H{minutes}M{seconds}S"
    if days or hours or minutes or seconds:
        assert parse_resolution(entered(*parts(written))) == parse_resolution(written)


@pytest.mark.parametrize(
    ("given_area", "area"),
    [
        (POLYGON, POLYGON),
        (MANY, MANY),
        ({"type": "Feature", "properties": {"a": 1}, "geometry": POLYGON}, POLYGON),
        ({"type": "GeometryCollection", "geometries": [MANY]}, MANY),
        (
            {
                "type": "FeatureCollection",
                "features": [
                    {"type": "Feature", "geometry": POLYGON},
                    {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}},
                    {"type": "Feature", "geometry": POLYGON},
                ],
            },
            MANY,
        ),
        ({**POLYGON, "bbox": [0, 0, 1, 1]}, POLYGON),
    ],
)
def test_the_polygons_of_what_drawing_tools_export_are_the_area(
    given_area: dict[str, Any], area: dict[str, Any]
) -> None:
    assert area_of(json.dumps(given_area)) == area


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "null",
        '{"type": "Point", "coordinates": [0, 0]}',
        '{"type": "FeatureCollection", "features": "none"}',
        '{"type": "Feature", "geometry": null}',
        "[" * 5_000,
        '{"type": "Polygon", "coordinates": NaN}',
    ],
)
def test_what_is_no_area_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        area_of(text)
    assert [error.pointer for error in refused.value.errors] == ["/area"]


def test_lines_that_changed_are_told_from_those_that_did_not() -> None:
    assert lines("a\nb\nc", "a\nB\nc\nd") == [
        Line("same", "a"),
        Line("gone", "b"),
        Line("new", "B"),
        Line("same", "c"),
        Line("new", "d"),
    ]


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_both_texts_are_in_what_is_told(old: list[str], new: list[str]) -> None:
    found = lines("\n".join(old), "\n".join(new))
    assert [one.text for one in found if one.kind != "new"] == old
    assert [one.text for one in found if one.kind != "gone"] == new


def test_very_long_texts_are_told_whole() -> None:
    found = lines("x\n" * 5_000, "x\n" * 5_001)
    assert {one.kind for one in found} == {"gone", "new"}

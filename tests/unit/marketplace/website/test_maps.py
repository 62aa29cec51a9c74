import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from marketplace.website.maps import SvgMap, Words, draw, draw_picker
from marketplace.website.maps.lines import clipped, path, thinned
from marketplace.website.maps.mercator import Box, Point, stretched, together
from marketplace.website.maps.outlines import outlines
from marketplace.website.maps.view import View

WORDS = Words("Where it is offered", "Spain")
SIZE = (720, 480)
VALENCIA = [[-1.5, 38.8], [0.2, 38.7], [0.3, 40.2], [-1.2, 40.4], [-1.5, 38.8]]
FIJI = [[177, -19], [-179, -19], [-179, -15], [177, -15], [177, -19]]
EVERYWHERE = ["US", "RU", "JP", "AU", "BR", "ZA", "NO", "NZ", "CA", "CN", "IN", "FJ"]
UNION = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"  # all 27


def polygon(*rings: list[list[float]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def parts(drawn: SvgMap, kind: str) -> list[ElementTree.Element]:
    svg = ElementTree.fromstring(drawn.markup)
    return [each for each in svg if each.get("class") == kind]


def rings(d: str) -> list[list[Point]]:
    """Return the rings of a path of the kind that is drawn here, in absolute units."""
    found = []
    for ring in re.findall(r"M([^z]*)z", d):
        x, y, *steps = (float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", ring))
        line = [(x, y)]
        for dx, dy in zip(steps[::2], steps[1::2], strict=True):
            line.append((line[-1][0] + dx, line[-1][1] + dy))
        found.append(line)
    return found


def contains(ring: list[Point], x: float, y: float) -> bool:
    inside = False
    for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def holds(drawn: SvgMap, element: ElementTree.Element, longitude: float, latitude: float) -> bool:
    ((x, y),) = drawn.view.placed([(longitude, stretched(latitude))])
    return sum(contains(ring, x, y) for ring in rings(element.get("d", ""))) % 2 == 1


def test_shows_the_countries_of_a_service_where_they_are_on_the_globe() -> None:
    drawn = draw(
        ["ES", "PT"], None, Words("Map", "", {"ES": "Spain", "PT": "Portugal"}.__getitem__)
    )
    chosen = {each.findtext("title"): each for each in parts(drawn, "map-chosen")}
    assert chosen.keys() == {"Spain", "Portugal"}
    assert holds(drawn, chosen["Spain"], -3.7, 40.4)
    assert not holds(drawn, chosen["Spain"], -8.0, 39.5)
    assert holds(drawn, chosen["Portugal"], -8.0, 39.5)
    (others,) = parts(drawn, "map-land")
    assert holds(drawn, others, 1.4, 43.7)
    assert not holds(drawn, others, -3.7, 40.4)


def test_shows_europe_when_nothing_is_known() -> None:
    drawn = draw([], None, WORDS)
    (others,) = parts(drawn, "map-land")
    for longitude, latitude in ((2.3, 48.9), (14.5, 46.05), (25.5, 62.5)):
        assert holds(drawn, others, longitude, latitude)
    assert not parts(drawn, "map-chosen")
    assert draw(["QQ"], None, WORDS).view == drawn.view


def test_shows_the_mainland_not_what_lies_beyond_an_ocean() -> None:
    view = draw(["FR"], None, WORDS).view
    assert view.west > -15
    assert view.west + view.width / view.scale < 20


def test_draws_an_area_with_its_hole_over_the_country_and_zooms_to_it() -> None:
    hole = [[-0.6, 39.3], [-0.3, 39.3], [-0.3, 39.6], [-0.6, 39.3]]
    drawn = draw(["ES"], polygon(VALENCIA, hole), WORDS)
    (area,) = parts(drawn, "map-area")
    assert area.get("fill-rule") == "evenodd"
    assert holds(drawn, area, -1.0, 39.0)
    assert not holds(drawn, area, -0.4, 39.4)
    assert drawn.view.width / drawn.view.scale < 10
    assert drawn.markup.index("map-chosen") < drawn.markup.index("map-area")


def test_draws_every_part_of_a_multipolygon() -> None:
    east = [[9.0, 45.0], [10.0, 45.0], [10.0, 46.0], [9.0, 45.0]]
    area = {"type": "MultiPolygon", "coordinates": [[VALENCIA], [east]]}
    drawn = draw([], area, WORDS)
    (drawn_area,) = parts(drawn, "map-area")
    assert holds(drawn, drawn_area, -0.5, 39.5)
    assert holds(drawn, drawn_area, 9.7, 45.3)


@pytest.mark.parametrize("countries", [["RU"], ["FJ"], ["US", "JP"], ["NZ", "FJ"], EVERYWHERE])
def test_no_line_runs_across_the_map_at_the_date_line(countries: list[str]) -> None:
    drawn = draw(countries, None, WORDS)
    wide = drawn.view.width / 4
    for each in (*parts(drawn, "map-land"), *parts(drawn, "map-chosen")):
        for ring in rings(each.get("d", "")):
            for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]):
                outside = not (0 < y1 < drawn.view.height and 0 < y2 < drawn.view.height)
                assert abs(x1 - x2) < wide or outside, (each.findtext("title"), x1, x2, y1)


def test_russia_is_whole_on_both_sides_of_the_date_line() -> None:
    drawn = draw(["RU"], None, WORDS)
    (russia,) = parts(drawn, "map-chosen")
    assert holds(drawn, russia, 100, 60)
    assert holds(drawn, russia, 360 - 175, 66.5)


def test_a_country_is_shown_a_turn_further_where_the_map_goes_over_the_date_line() -> None:
    drawn = draw(["US", "JP"], None, WORDS)
    states, japan = sorted(
        parts(drawn, "map-chosen"), key=lambda each: each.findtext("title") != "US"
    )
    assert holds(drawn, states, 360 - 100, 40)
    assert holds(drawn, japan, 138, 36)


def test_an_area_across_the_date_line_is_narrow() -> None:
    drawn = draw(["FJ"], polygon([[float(x), float(y)] for x, y in FIJI]), WORDS)
    (area,) = parts(drawn, "map-area")
    assert holds(drawn, area, 179.5, -17)
    assert holds(drawn, area, 180.5, -17)
    assert not holds(drawn, area, 175, -17)


def test_an_area_around_the_whole_world_is_as_wide_as_that() -> None:
    world = polygon([[-180, -60], [180, -60], [180, 80], [-180, 80], [-180, -60]])
    drawn = draw([], world, WORDS)
    (area,) = parts(drawn, "map-area")
    assert holds(drawn, area, 0, 0)
    assert drawn.view.width / drawn.view.scale >= 360


def test_marks_a_country_that_is_too_small_to_be_seen() -> None:
    malta = [each for each in parts(draw(["DE", "MT"], None, WORDS), "map-chosen")
             if each.findtext("title") == "MT"]  # fmt: skip
    assert [each.tag for each in malta] == ["circle"]
    assert [each.tag for each in parts(draw(["MT"], None, WORDS), "map-chosen")] == ["path"]


@pytest.mark.parametrize("countries", [[], UNION.split(), EVERYWHERE, ["RU"], ["NO", "SE", "FI"]])
def test_a_map_is_less_than_thirty_kilobytes(countries: list[str]) -> None:
    many = [[-10 + 0.01 * each, 40 + (each % 7) * 0.3] for each in range(1999)]
    for area in (None, polygon([*many, many[0]])):
        assert len(draw(countries, area, WORDS).markup.encode()) < 30_000


def test_texts_are_escaped_and_the_markup_is_put_in_place_as_it_is() -> None:
    words = Words("<script>alert(1)</script>", '"&<b>', lambda code: f"<i>{code}</i>")
    drawn = draw(["ES"], None, words)
    page = Environment(autoescape=True).from_string("{{ drawn }}").render(drawn=drawn)
    svg = ElementTree.fromstring(page)
    assert svg.findtext("title") == "<script>alert(1)</script>"
    assert svg.findtext("desc") == '"&<b>'
    assert [each.findtext("title") for each in svg if each.get("class") == "map-chosen"] == [
        "<i>ES</i>"
    ]


def test_nothing_in_it_needs_what_the_content_security_policy_forbids() -> None:
    for drawn in (draw(["ES"], polygon(VALENCIA), WORDS), draw_picker(["ES"], None, WORDS)):
        svg = ElementTree.fromstring(drawn.markup)
        assert svg.get("role") == "img"
        for each in svg.iter():
            assert each.tag in {"svg", "title", "desc", "path", "circle"}
            assert not {name for name in each.attrib if name == "style" or name.startswith("on")}


def test_a_picker_tells_a_script_where_a_corner_is() -> None:
    drawn = draw_picker(["ES"], polygon(VALENCIA), WORDS)
    svg = ElementTree.fromstring(drawn.markup)
    west, top, scale = (float(svg.get(f"data-{name}", "")) for name in ("west", "top", "scale"))
    (area,) = parts(drawn, "map-area")
    (ring,) = rings(area.get("d", ""))
    assert ring[0][0] / scale + west == pytest.approx(-1.5, abs=0.01)
    assert top - ring[0][1] / scale == pytest.approx(stretched(38.8), abs=0.01)


def test_a_picker_shows_the_area_and_the_countries_with_more_around() -> None:
    narrow = draw(["ES"], None, WORDS).view
    wide = draw_picker(["ES"], polygon(VALENCIA), WORDS).view
    assert wide.scale < narrow.scale
    assert wide.turns(outlines().countries["ES"].focus) == [0]


def test_every_country_has_an_outline_and_a_view_of_its_own() -> None:
    known = outlines().countries
    assert len([code for code in known if re.fullmatch("[A-Z]{2}", code)]) > 230
    for code, country in known.items():
        if not code:
            continue
        view = View.around([country.focus], SIZE, 0.08)
        assert any(view.turns(ring.box) for ring in country.rings), code


FINITE = st.floats(-500, 1500)


@given(st.lists(st.tuples(FINITE, FINITE), min_size=3, max_size=30))
def test_what_is_cut_is_inside_and_what_is_inside_is_kept(ring: list[Point]) -> None:
    cut = clipped(ring, 0, 0, 720, 480)
    for x, y in cut:
        assert -1e-6 <= x <= 720 + 1e-6
        assert -1e-6 <= y <= 480 + 1e-6
    if all(0 <= x <= 720 and 0 <= y <= 480 for x, y in ring):
        assert list(cut) == ring


LONGITUDES = st.floats(-180, 180)


@given(st.lists(st.tuples(LONGITUDES, st.floats(0, 90)), min_size=1, max_size=8))
def test_boxes_together_hold_each_of_them(spans: list[tuple[float, float]]) -> None:
    boxes = [Box(west, 0, west + width, 1) for west, width in spans]
    around = together(boxes)
    assert around.east - around.west <= 360 + 90
    for box in boxes:
        offset = (box.west - around.west) % 360
        offset = 0 if offset > 360 - 1e-6 else offset
        assert around.west + offset + (box.east - box.west) <= around.east + 1e-6


def test_two_countries_beside_the_date_line_are_shown_over_it() -> None:
    around = together([Box(170, 0, 178, 1), Box(-178, 0, -170, 1)])
    assert (around.west, around.east) == (170, 190)


def test_a_thinned_line_keeps_its_ends() -> None:
    line = [(0.0, 0.0), (0.4, 0.2), (0.9, 0.1), (1.0, 0.0)]
    assert thinned(line, 2) == [(0.0, 0.0), (1.0, 0.0)]
    assert thinned(line, 0.3) == [(0.0, 0.0), (0.4, 0.2), (0.9, 0.1), (1.0, 0.0)]


def test_a_path_is_written_as_short_as_svg_allows() -> None:
    square = [(1.04, 2.0), (3.0, 2.0), (3.0, -4.0), (1.04, 2.0)]
    assert path([square], 0) == "M1 2l2 0 0-6z"
    assert path([square], 1) == "M1 2l2 0 0-6z"
    assert path([[(0.0, 0.0), (0.2, 0.1), (0.3, 0.0)]], 0) == ""

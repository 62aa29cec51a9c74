"""Maps and charts as a person meets them: with the site's own files, policy, macros and scripts."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import expect

from marketplace.website import __file__ as website
from marketplace.website.frame.headers import secure
from marketplace.website.maps import Words, draw, draw_picker
from tests.browser.conftest import AsPerson
from tests.browser.pages import Served, serving
from tests.browser.person import Person, Setting

FOLDER = Path(website).parent
STATIC = FOLDER / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FILES = (
    *("site.css", "vendor/pico.min.css", "vendor/uplot.min.css", "vendor/uplot.min.js"),
    *("js/area.js", "js/geojson.js", "js/charts.js", "js/copy.js", "js/time.js", "icon.svg"),
)
AREA = {
    "type": "Polygon",
    "coordinates": [[[-1.5, 38.8], [0.2, 38.7], [0.3, 40.2], [-1.2, 40.4], [-1.5, 38.8]]],
}
BOW = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [2, 2]]]}

PAGE = """<!doctype html><html lang="en"><head><title>Figures</title>
{% import "macros/figures.html" as figures %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/vendor/pico.min.css">
{{ figures.chart_styles() }}<link rel="stylesheet" href="/site.css">
<script src="/js/time.js" type="module"></script><script src="/js/copy.js" type="module"></script>
{{ figures.chart_scripts() }}{{ figures.area_script() }}</head>
<body data-zone="Europe/Madrid"><main class="container"><h1>Figures</h1>
<p><time datetime="2020-03-01T12:00:00Z" data-relative>1 Mar 2020, 13:00</time>
<code id="secret">fxs_123</code><button data-copy="secret" data-copied="Copied" hidden>Copy</button>
</p>
{% for kind in ["line", "bars", "stacked"] %}{% call figures.chart(kind, "Deliveries, " ~ kind) %}
<table><thead><tr><th>Hour</th><th>Delivered</th><th>Dead</th></tr></thead><tbody>
<tr><td><time datetime="2026-11-20T22:00:00Z">23:00</time></td>
<td data-value="1200">1,200</td><td>7</td></tr>
<tr><td><time datetime="2026-11-20T23:00:00Z">00:00</time></td>
<td><data value="1300.5">1,300.5</data></td><td></td></tr></tbody></table>
{% endcall %}{% endfor %}
{{ figures.map(map, "Where it is offered") }}
<label for="area">Area</label><textarea id="area">{{ area }}</textarea>
{{ figures.area_picker(picker, "area") }}</main></body></html>"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    app = Flask("figures")
    secure(app, https=False)
    policy = dict(app.test_client().get("/").headers)["Content-Security-Policy"]
    headers = {"Content-Security-Policy": policy}
    answers = {
        f"/{name}": Served((STATIC / name).read_text("utf-8"), 200, TYPES[Path(name).suffix])
        for name in FILES
    }
    templates = Environment(loader=FileSystemLoader(FOLDER / "templates"), autoescape=True)
    templates.globals |= {"_": str, "static_url": lambda name: f"/{name}"}
    page = templates.from_string(PAGE).render(
        map=draw(["ES"], None, Words("Map", "Spain")),
        picker=draw_picker(["ES"], AREA, Words("Area", "")),
        area=json.dumps(AREA),
    )
    with serving({**answers, "/": Served(page, headers=headers)}) as url:
        yield url


@pytest.fixture
def ana(as_person: AsPerson, site: str) -> Person:
    person = as_person(site)
    person.go("/")
    return person


def area_of(person: Person) -> Any:
    return json.loads(person.page.input_value("#area"))


def click_map(person: Person, across: float, along: float) -> None:
    svg = person.page.locator("[data-area-map] svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    assert box is not None
    person.page.mouse.click(box["x"] + across * box["width"], box["y"] + along * box["height"])


def test_a_chart_stands_above_its_table(ana: Person) -> None:
    expect(ana.page.locator("figure canvas")).to_have_count(3)
    table = ana.page.locator("figure table:not(.u-legend)").first
    expect(table).to_be_hidden()
    ana.page.get_by_text("The numbers as a table").first.click()
    expect(table).to_be_visible()


def test_a_chart_is_read_by_the_arrow_keys_in_the_readers_zone(ana: Person) -> None:
    for kind in ("line", "bars", "stacked"):
        figure = ana.page.locator(f"figure[data-chart={kind}]")
        figure.locator(".chart").focus()
        ana.page.keyboard.press("Home")
        said = figure.locator("[aria-live]")
        expect(said).to_contain_text("Hour: 20 Nov 2026, 23:00")
        expect(said).to_contain_text("Delivered: 1,200")
        expect(said).to_contain_text("Dead: 7")
        ana.page.keyboard.press("ArrowRight")
        expect(said).to_contain_text("Hour: 21 Nov 2026, 00:00")
        expect(said).to_contain_text("Delivered: 1,300.5")
        expect(said).to_contain_text("Dead: \N{EN DASH}")


def test_a_chart_follows_light_and_dark_and_the_width_of_the_page(ana: Person) -> None:
    picture = "document.querySelector('figure canvas').toDataURL()"
    light = ana.page.evaluate(picture)
    ana.page.emulate_media(color_scheme="dark")
    ana.page.wait_for_function(f"light => {picture} !== light", arg=light)
    ana.page.set_viewport_size({"width": 390, "height": 844})
    ana.page.wait_for_function("document.querySelector('figure canvas').clientWidth < 390")
    assert ana.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_corners_make_an_area_and_more_of_them_a_multipolygon(ana: Person) -> None:
    status = ana.page.locator("[data-area-status]")
    expect(status).to_have_text("Areas drawn: 1.")
    ana.page.get_by_role("button", name="Clear").click()
    assert ana.page.input_value("#area") == ""
    for corner in ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6)):
        click_map(ana, *corner)
    expect(status).to_contain_text("Corners: 3.")
    ana.page.keyboard.press("Enter")
    area = area_of(ana)
    (ring,) = area["coordinates"]
    assert area["type"] == "Polygon"
    assert ring[0] == ring[-1]
    assert len(ring) == 4
    assert all(-8 < longitude < 3 and 36 < latitude < 44 for longitude, latitude in ring)
    doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    assert doubled > 0, "An outer ring runs anticlockwise."
    for corner in ((0.1, 0.1), (0.2, 0.1), (0.2, 0.2)):
        click_map(ana, *corner)
    ana.page.get_by_role("button", name="Close the area").click()
    assert area_of(ana)["type"] == "MultiPolygon"
    ana.page.get_by_role("button", name="Undo").click()
    assert area_of(ana) == area


def test_a_double_click_closes_an_area(ana: Person) -> None:
    ana.page.get_by_role("button", name="Clear").click()
    click_map(ana, 0.4, 0.4)
    click_map(ana, 0.6, 0.4)
    svg = ana.page.locator("[data-area-map] svg")
    box = svg.bounding_box()
    assert box is not None
    ana.page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert len(area_of(ana)["coordinates"][0]) == 4


def test_an_area_can_be_drawn_by_the_keyboard_alone(ana: Person) -> None:
    ana.page.get_by_role("button", name="Clear").click()
    ana.page.locator("[data-area-map] svg").focus()
    for key in ("+", "+", " ", "ArrowRight", " ", "ArrowDown", " ", "ArrowLeft", " ", "Backspace"):
        ana.page.keyboard.press(key)
    expect(ana.page.locator("[data-area-status]")).to_contain_text("Corners: 3.")
    ana.page.keyboard.press("Enter")
    assert len(area_of(ana)["coordinates"][0]) == 4


def test_too_few_corners_are_no_area(ana: Person) -> None:
    before = area_of(ana)
    click_map(ana, 0.4, 0.4)
    ana.page.keyboard.press("Enter")
    expect(ana.page.locator("[data-area-status]")).to_have_text(
        "An area needs three corners at least."
    )
    assert area_of(ana) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "This is not JSON yet"),
        ("null", "no GeoJSON Polygon or MultiPolygon"),
        ('{"type": "Point", "coordinates": [1, 2]}', "no GeoJSON Polygon or MultiPolygon"),
        ('{"type": "Polygon", "coordinates": []}', "four positions at least, at /coordinates"),
        (json.dumps(BOW), "end where it began, at /coordinates/0"),
        (
            json.dumps(
                {"type": "MultiPolygon", "coordinates": [[[[0, 0], [0, 91], [1, 1], [0, 0]]]]}
            ),
            "latitude from -90 to 90, at /coordinates/0/0/1",
        ),
    ],
)
def test_a_wrong_text_is_said_and_the_right_one_is_drawn(ana: Person, text: str, said: str) -> None:
    status, field = ana.page.locator("[data-area-status]"), ana.page.locator("#area")
    drawn = ana.page.locator("[data-area-map] .map-area")
    field.fill(text)
    expect(status).to_contain_text(said)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(drawn).to_have_attribute("d", "")
    field.fill(json.dumps(AREA))
    expect(status).to_have_text("Areas drawn: 1.")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(drawn).not_to_have_attribute("d", "")


def test_a_secret_is_copied_by_a_button(ana: Person) -> None:
    ana.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ana.page.get_by_role("button", name="Copy").click()
    expect(ana.page.get_by_role("button", name="Copied")).to_be_visible()
    assert ana.page.evaluate("navigator.clipboard.readText()") == "fxs_123"


def test_a_moment_is_told_in_words_and_exactly_on_hover(ana: Person) -> None:
    moment = ana.page.locator("time[data-relative]")
    expect(moment).to_contain_text("years ago")
    expect(moment).to_have_attribute("title", re.compile("Sunday,? 1 March 2020.* 13:00:00"))


def test_everything_is_readable_without_a_script(as_person: AsPerson, site: str) -> None:
    person = as_person(site, Setting(javascript=False))
    person.go("/")
    expect(person.page.locator("figure table").first).to_be_visible()
    expect(person.page.locator("[data-area-map] .map-area")).to_be_visible()
    expect(person.page.locator("[data-area-tools]")).to_be_hidden()
    expect(person.page.locator("button[data-copy]")).to_be_hidden()
    expect(person.page.locator("time[data-relative]")).to_have_text("1 Mar 2020, 13:00")


@pytest.mark.parametrize("setting", [Setting(), Setting(dark=True), Setting(phone=True)])
def test_everybody_can_use_it(as_person: AsPerson, site: str, setting: Setting) -> None:
    person = as_person(site, setting)
    person.go("/")
    expect(person.page.locator("figure canvas")).to_have_count(3)
    person.check_accessibility()

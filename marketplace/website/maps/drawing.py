"""A map as SVG markup for a page: the countries of a service, and the area that it covers."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from marketplace.website.maps.land import Chosen, Detail, in_view, land
from marketplace.website.maps.lines import path, thinned
from marketplace.website.maps.mercator import Box, Line, Point, stretched, unbroken
from marketplace.website.maps.outlines import outlines
from marketplace.website.maps.view import View

SIZE = (720, 480)
LIMIT = 28_000
"""How many characters the paths of a map may have; it is drawn more coarsely until they do."""

_PICKER = Detail(tolerance=0.5, digits=1)
_PICKER_LIMIT = 90_000


@dataclass(frozen=True)
class Words:
    """What a map says to those who do not see it, and how it names a country of some code."""

    title: str
    description: str = ""
    country: Callable[[str], str] = str


@dataclass(frozen=True)
class SvgMap:
    """A drawn map; a template puts it in place as it is, for its markup is escaped already."""

    view: View
    markup: Markup

    def __html__(self) -> str:
        """Return the markup, which is how Jinja asks for it."""
        return self.markup


def draw(
    countries: Collection[str],
    area: Mapping[str, Any] | None,
    words: Words,
    size: tuple[int, int] = SIZE,
) -> SvgMap:
    """Return a map on which the countries stand out, with the area drawn over them.

    countries are ISO 3166-1 alpha-2 codes; one whose outline is not known is not shown. area is a
    valid GeoJSON Polygon or MultiPolygon. The map shows the area, else the countries, else Europe.
    """
    view = View.around(_shown(countries, area), size, margin=0.6 if area else 0.08)
    inside = _area(view, area, Detail())
    inside = _land(view, countries, words, Detail(), LIMIT - len(inside)) + inside
    return SvgMap(view, _svg(view, words, inside, Markup("")))


def draw_picker(
    countries: Collection[str],
    area: Mapping[str, Any] | None,
    words: Words,
    size: tuple[int, int] = SIZE,
) -> SvgMap:
    """Return a finer map with more around it, on which `static/js/area.js` lets people draw.

    It says how its units are made of degrees: `data-west`, `data-top` and `data-scale`. The script
    takes the area from the page's form, and draws it in place of the one that is drawn here.
    """
    boxes = _shown(countries, None) + (_shown((), area) if area else [])
    view = View.around(boxes, size, margin=0.25)
    inside = _land(view, countries, words, _PICKER, _PICKER_LIMIT) + _area(view, area, _PICKER)
    numbers = Markup(' data-west="{}" data-top="{}" data-scale="{}"').format(
        view.west, view.top, view.scale
    )
    return SvgMap(view, _svg(view, words, inside, numbers))


def _shown(countries: Collection[str], area: Mapping[str, Any] | None) -> list[Box]:
    if area:
        return [Box.of(ring) for ring in _rings(area)]
    known = outlines().countries
    return [known[code].focus for code in sorted(countries) if code in known]


def _rings(area: Mapping[str, Any]) -> list[list[Point]]:
    polygons = [area["coordinates"]] if area["type"] == "Polygon" else area["coordinates"]
    return [
        unbroken([(position[0], stretched(position[1])) for position in ring])
        for polygon in polygons
        for ring in polygon
    ]


def _svg(view: View, words: Words, inside: Markup, attributes: Markup) -> Markup:
    start = Markup('<svg class="map" role="img" viewBox="0 0 {} {}"{}>').format(
        view.width, view.height, attributes
    )
    told = Markup("<title>{}</title><desc>{}</desc>").format(words.title, words.description)
    return start + told + inside + Markup("</svg>")


def _land(
    view: View, countries: Collection[str], words: Words, detail: Detail, limit: int
) -> Markup:
    drawn = land(view, frozenset(countries), detail, limit)
    chosen = Markup("").join(_chosen(each, words.country(each.code)) for each in drawn.chosen)
    return Markup('<path class="map-land" d="{}"/>').format(drawn.others) + chosen


def _chosen(country: Chosen, name: str) -> Markup:
    if country.spot is not None:
        return Markup(
            '<circle class="map-chosen" cx="{}" cy="{}" r="5"><title>{}</title></circle>'
        ).format(*country.spot, name)
    return Markup('<path class="map-chosen" d="{}"><title>{}</title></path>').format(
        country.path, name
    )


def _area(view: View, area: Mapping[str, Any] | None, detail: Detail) -> Markup:
    if not area:
        return Markup("")
    rings: list[Line] = []
    for ring in _rings(area):
        placed = thinned(view.placed(ring), detail.tolerance)
        rings += in_view(view, placed, view.turns(Box.of(ring)))
    return Markup('<path class="map-area" fill-rule="evenodd" d="{}"/>').format(
        path(rings, detail.digits)
    )

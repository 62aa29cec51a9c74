"""The outlines of the countries for the website's maps, from Natural Earth (public domain).

A border is a line that both neighbours share, so it is simplified once and no gap opens between
them: finely where it touches Europe and what is near it, coarsely elsewhere.
"""

import json
import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from babel.core import get_global

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""West, south, east and north, in degrees."""

SOURCE = "Natural Earth 1:50m, public domain"
DIGITS = 2
FINE = 0.006  # degrees a simplified line may be off where detail is wanted
COARSE = 0.05
SMALLEST = 0.4  # degrees an island far away must measure, unless it is all that there is
NEAR = 3.0  # degrees between parts that a map shows together
LARGE = 0.25  # how much of the mainland a far part must measure to be shown with it

_AROUND_EUROPE = """
    AD AL AM AT AX AZ BA BE BG BY CH CY CZ DE DK DZ EE EG ES FI FO FR GB GE GG GI GR HR HU IE IL IM
    IS IT JE JO LB LI LT LU LV LY MA MC MD ME MK MT NL NO PL PS PT RO RS SE SI SK SM SY TN TR UA VA
    XK
"""
EUROPE = frozenset(_AROUND_EUROPE.split())
# The data give no number to what few recognise; the codes are those of ISO 3166 and CLDR.
_UNNUMBERED = {"Kosovo": "XK", "N. Cyprus": "CY", "Somaliland": "SO"}
_LEFT_OUT = {"AQ"}


def outlines(modules: Path) -> bytes:
    """Return the file from which the website draws maps.

    `arcs` are lines of hundredths of a degree, each position as the step from the one before;
    a country's `polygons` are rings of arcs by number, ~n being arc n backwards; its `focus` is the
    box that a map of it shows (east may lie beyond 180). The code "" holds land of no code.
    """
    topology = json.loads((modules / "world-atlas" / "countries-50m.json").read_text("utf-8"))
    lines = [_degrees(arc, topology["transform"]) for arc in topology["arcs"]]
    countries: dict[str, list[list[list[int]]]] = {}
    for geometry in topology["objects"]["countries"]["geometries"]:
        code = _code(geometry)
        if code not in _LEFT_OUT:
            countries.setdefault(code, []).extend(_polygons(geometry))
    kept = {code: list(_kept(code, countries[code], lines)) for code in sorted(countries)}
    fine = {arc for code in EUROPE & kept.keys() for arc in _arcs(kept[code])}
    used = sorted({arc for polygons in kept.values() for arc in _arcs(polygons)})
    numbers = {arc: number for number, arc in enumerate(used)}
    contents = {
        "source": SOURCE,
        "digits": DIGITS,
        "countries": {
            code: {
                "focus": [round(each, 1) for each in _focus(polygons, lines)],
                "polygons": [[[_renumbered(a, numbers) for a in r] for r in p] for p in polygons],
            }
            for code, polygons in kept.items()
        },
        "arcs": [_steps(_simplified(lines[arc], fine=arc in fine)) for arc in used],
    }
    return (json.dumps(contents, separators=(",", ":")) + "\n").encode()


def _code(geometry: dict[str, Any]) -> str:
    if "id" in geometry:
        (code,) = get_global("territory_aliases")[geometry["id"]]
        return str(code)
    return _UNNUMBERED.get(geometry["properties"]["name"], "")


def _polygons(geometry: dict[str, Any]) -> list[list[list[int]]]:
    arcs = geometry["arcs"]
    return [arcs] if geometry["type"] == "Polygon" else list(arcs)


def _degrees(arc: list[list[int]], transform: dict[str, list[float]]) -> list[Point]:
    (scale_x, scale_y), (west, south) = transform["scale"], transform["translate"]
    xs, ys = (accumulate(values) for values in zip(*arc, strict=True))
    return _unbroken(
        [(west + x * scale_x, south + y * scale_y) for x, y in zip(xs, ys, strict=True)]
    )


def _unbroken(line: list[Point]) -> list[Point]:
    """Return a line that goes on beyond 180 degrees where the other began again at -180."""
    turned, turn = line[:1], 0
    for (before, _), (x, y) in pairwise(line):
        turn -= round((x - before) / 360) * 360
        turned.append((x + turn, y))
    return turned


def _arcs(polygons: Iterable[list[list[int]]]) -> Iterator[int]:
    return (arc if arc >= 0 else ~arc for polygon in polygons for ring in polygon for arc in ring)


def _renumbered(arc: int, numbers: dict[int, int]) -> int:
    return numbers[arc] if arc >= 0 else ~numbers[~arc]


def _ring(arcs: list[int], lines: list[list[Point]]) -> list[Point]:
    found: list[Point] = []
    for arc in arcs:
        found += lines[arc] if arc >= 0 else reversed(lines[~arc])
    return _unbroken(found)


def _box(points: Iterable[Point]) -> Box:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _size(points: list[Point]) -> float:
    """Return what a ring encloses, in square degrees at the equator."""
    doubled = sum(
        (x2 - x1) * (math.sin(math.radians(y1)) + math.sin(math.radians(y2)))
        for (x1, y1), (x2, y2) in pairwise([*points, points[0]])
    )
    return abs(math.degrees(doubled)) / 2


def _kept(
    code: str, polygons: list[list[list[int]]], lines: list[list[Point]]
) -> Iterator[list[list[int]]]:
    boxes = [_box(_ring(polygon[0], lines)) for polygon in polygons]
    extents = [math.dist(box[:2], box[2:]) for box in boxes]
    for polygon, extent in zip(polygons, extents, strict=True):
        if code in EUROPE or extent >= SMALLEST or extent == max(extents):
            yield polygon


def _focus(polygons: list[list[list[int]]], lines: list[list[Point]]) -> Box:
    """Return the box of the mainland, and of all that is large or near it."""
    rings = [_ring(polygon[0], lines) for polygon in polygons]
    rings.sort(key=_size, reverse=True)
    smallest = LARGE * _size(rings[0])
    focus, left = _box(rings[0]), []
    for ring in rings[1:]:
        if _size(ring) >= smallest:
            focus = _around(focus, _beside(focus, _box(ring)))
        else:
            left.append(_box(ring))
    while near := [box for box in left if _gap(focus, _beside(focus, box)) <= NEAR]:
        left = [box for box in left if box not in near]
        for box in near:
            focus = _around(focus, _beside(focus, box))
    return focus


def _beside(focus: Box, box: Box) -> Box:
    """Return a box where it is nearest on a globe: perhaps a whole turn further."""
    turns = ((box[0] + turn, box[1], box[2] + turn, box[3]) for turn in (-360, 0, 360))
    return min(turns, key=lambda turned: _gap(focus, turned))


def _around(one: Box, other: Box) -> Box:
    return (
        *(min(one[0], other[0]), min(one[1], other[1])),
        *(max(one[2], other[2]), max(one[3], other[3])),
    )


def _gap(one: Box, other: Box) -> float:
    across = max(one[0] - other[2], other[0] - one[2], 0)
    along = max(one[1] - other[3], other[1] - one[3], 0)
    return math.hypot(across, along)


def _simplified(line: list[Point], *, fine: bool) -> list[Point]:
    west, south, east, north = _box(line)
    extent = math.hypot(east - west, north - south)
    tolerance = min(FINE if fine else COARSE, extent / 12)
    if line[0] != line[-1]:
        return _peucker(line, tolerance)
    far = max(range(len(line)), key=lambda index: math.dist(line[0], line[index]))
    return _peucker(line[: far + 1], tolerance) + _peucker(line[far:], tolerance)[1:]


def _peucker(line: list[Point], tolerance: float) -> list[Point]:
    """Return the line without what is less than the tolerance off (Douglas and Peucker)."""
    keep = {0, len(line) - 1}
    open_parts = [(0, len(line) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        offs = {i: _off(line[i], line[first], line[last]) for i in range(first + 1, last)}
        index = max(offs, key=offs.__getitem__)
        if offs[index] > tolerance:
            keep.add(index)
            open_parts += [(first, index), (index, last)]
    return [line[index] for index in sorted(keep)]


def _off(point: Point, start: Point, end: Point) -> float:
    along = (end[0] - start[0], end[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2
    if not length:
        return math.dist(point, start)
    share = ((point[0] - start[0]) * along[0] + (point[1] - start[1]) * along[1]) / length
    share = min(max(share, 0.0), 1.0)
    return math.dist(point, (start[0] + share * along[0], start[1] + share * along[1]))


def _steps(line: list[Point]) -> list[int]:
    whole = [(round(x * 10**DIGITS), round(y * 10**DIGITS)) for x, y in line]
    distinct = [whole[0], *(b for a, b in pairwise(whole) if a != b)]
    steps = [distinct[0], *((bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise(distinct))]
    return [number for step in steps for number in step]

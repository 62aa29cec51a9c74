"""The countries' outlines, as `make assets` left them beside this module."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from marketplace.website.maps.mercator import Box, Line, joined, stretched

_FILE = Path(__file__).with_name("outlines.json")


@dataclass(frozen=True)
class Ring:
    """A closed line of borders, by number; ~n is border n backwards."""

    arcs: tuple[int, ...]
    box: Box


@dataclass(frozen=True)
class Country:
    """A country's outline, and the box that a map of it shows."""

    focus: Box
    rings: tuple[Ring, ...]


@dataclass(frozen=True)
class Outlines:
    """All countries by ISO 3166-1 alpha-2 code ("" for land of none), and their borders."""

    countries: Mapping[str, Country]
    arcs: Sequence[Line]


@cache
def outlines() -> Outlines:
    """Return the outlines of all countries."""
    held = json.loads(_FILE.read_text("utf-8"))
    arcs = [_line(steps, 10 ** held["digits"]) for steps in held["arcs"]]
    countries = {code: _country(each, arcs) for code, each in held["countries"].items()}
    return Outlines(countries, arcs)


def _line(steps: list[int], scale: int) -> Line:
    xs, ys = accumulate(steps[::2]), accumulate(steps[1::2])
    return [(x / scale, stretched(y / scale)) for x, y in zip(xs, ys, strict=True)]


def _country(held: Mapping[str, Any], lines: Sequence[Line]) -> Country:
    rings = (tuple(ring) for polygon in held["polygons"] for ring in polygon)
    boxed = (Ring(arcs, Box.of(joined(arcs, lines))) for arcs in rings)
    return Country(Box.of_degrees(*held["focus"]), tuple(boxed))

"""Places on the Web Mercator plane: x is the longitude, y the latitude as stretched as x is there.

Both are in degrees of longitude, so that lengths on the plane are the same in every direction.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
Line = Sequence[Point]
Lines = Sequence[Line] | Mapping[int, Line]

TURN = 360
"""Degrees around the world, back to the same place."""

_HIGHEST = 84.0  # degrees of latitude; the plane has no poles


@dataclass(frozen=True)
class Box:
    """A part of the plane; where it crosses the date line, east is beyond 180."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def of(cls, points: Iterable[Point]) -> "Box":
        """Return the smallest box that holds all points, of which there is at least one."""
        xs, ys = zip(*points, strict=True)
        return cls(min(xs), min(ys), max(xs), max(ys))

    @classmethod
    def of_degrees(cls, west: float, south: float, east: float, north: float) -> "Box":
        """Return the box between two longitudes and two latitudes."""
        return cls(west, stretched(south), east, stretched(north))


def stretched(latitude: float) -> float:
    """Return how far from the equator a latitude is on the plane."""
    held = max(-_HIGHEST, min(_HIGHEST, latitude))
    return math.degrees(math.asinh(math.tan(math.radians(held))))


def together(boxes: Sequence[Box]) -> Box:
    """Return the narrowest box around all; it may cross the date line. At least one is needed."""
    south, north = min(each.south for each in boxes), max(each.north for each in boxes)
    spans = [(each.west % TURN, each.east - each.west) for each in boxes]
    widths = {
        start: max((west - start) % TURN + span for west, span in spans) for start, _ in spans
    }
    start = min(widths, key=lambda each: (widths[each], each))
    west = (start + TURN / 2) % TURN - TURN / 2
    return Box(west, south, west + widths[start], north)


def joined(arcs: Iterable[int], lines: Lines) -> list[Point]:
    """Return lines, by number, end to end; ~n is line n backwards."""
    found: list[Point] = []
    for arc in arcs:
        line = lines[arc] if arc >= 0 else lines[~arc][::-1]
        found += line[1:] if found else line
    return found


def unbroken(line: Line) -> list[Point]:
    """Return a line that goes on beyond 180 where it began again at the other side.

    A step from exactly -180 to 180 is no such thing: it is an edge that spans the world.
    """
    found, shift = list(line[:1]), 0
    for (before, _), (x, y) in pairwise(line):
        if TURN / 2 < abs(x - before) < TURN:
            shift += TURN if x < before else -TURN
        found.append((x + shift, y))
    return found

"""Lines on a picture: with fewer points, cut to the picture, and written as an SVG path."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from marketplace.website.maps.mercator import Line, Point


def thinned(line: Line, tolerance: float) -> list[Point]:
    """Return the line without points that are next to the one before; its ends remain."""
    found = [line[0]]
    for x, y in line[1:-1]:
        last_x, last_y = found[-1]
        if abs(x - last_x) >= tolerance or abs(y - last_y) >= tolerance:
            found.append((x, y))
    return [*found, line[-1]]


def clipped(ring: Line, left: float, upper: float, right: float, lower: float) -> Line:
    """Return what of a closed ring is inside of a rectangle (Sutherland and Hodgman)."""
    xs, ys = zip(*ring, strict=True)
    if min(xs) >= left and max(xs) <= right and min(ys) >= upper and max(ys) <= lower:
        return ring
    for axis, limit, above in ((0, left, True), (0, right, False), (1, upper, True)):
        ring = _cut(ring, axis, limit, above=above)
    return _cut(ring, 1, lower, above=False)


def _cut(ring: Line, axis: int, limit: float, *, above: bool) -> list[Point]:
    found: list[Point] = []
    before = ring[-1] if ring else (0.0, 0.0)
    for point in ring:
        inside = (point[axis] >= limit) is above
        if inside is not ((before[axis] >= limit) is above):
            share = (limit - before[axis]) / (point[axis] - before[axis])
            other = before[1 - axis] + share * (point[1 - axis] - before[1 - axis])
            found.append((limit, other) if axis == 0 else (other, limit))
        if inside:
            found.append(point)
        before = point
    return found


def path(rings: Iterable[Sequence[Point]], digits: int) -> str:
    """Return the `d` of an SVG path around all rings, with so many decimals."""
    return "".join(_closed(ring, digits) for ring in rings)


def _closed(ring: Sequence[Point], digits: int) -> str:
    whole = [(round(x * 10**digits), round(y * 10**digits)) for x, y in ring]
    if whole and whole[0] == whole[-1]:
        whole.pop()
    steps = [(x - before_x, y - before_y) for (before_x, before_y), (x, y) in pairwise(whole)]
    moves = [step for step in steps if step != (0, 0)]
    if len(moves) < 2:
        return ""
    numbers = [number for move in moves for number in move]
    x, y = whole[0]
    return f"M{_number(x, digits)} {_number(y, digits)}l{_listed(numbers, digits)}z"


def _listed(numbers: Sequence[int], digits: int) -> str:
    """Return numbers as SVG lets them be written: a minus separates as well as a space."""
    written = "".join(
        _number(number, digits) if number < 0 else f" {_number(number, digits)}"
        for number in numbers
    )
    return written.lstrip()


def _number(number: int, digits: int) -> str:
    return f"{number / 10**digits:g}" if digits else str(number)

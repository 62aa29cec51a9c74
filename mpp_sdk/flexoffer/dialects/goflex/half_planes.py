"""Convex polygons as rows a, b, c of half-planes ax + by <= c, and back, in exact fractions."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from mpp_sdk.flexoffer.model import Polygon

HalfPlane = tuple[Fraction, Fraction, Fraction]
Corner = tuple[Fraction, Fraction]

_FAR = Fraction(10**15)


def half_planes(polygon: Polygon) -> list[HalfPlane]:
    """Return the half-planes whose intersection is a convex polygon, a segment or a point."""
    corners = hull([(Fraction(x), Fraction(y)) for x, y in polygon])
    if len(corners) == 1:
        ((x, y),) = corners
        return [_plane(*normal, (x, y)) for normal in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    planes = [
        _plane(y1 - y0, x0 - x1, (x0, y0))
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    if len(corners) == 2:
        (x0, y0), (x1, y1) = corners
        planes += [_plane(x0 - x1, y0 - y1, (x0, y0)), _plane(x1 - x0, y1 - y0, (x1, y1))]
    return planes


def corners_of(planes: Iterable[HalfPlane]) -> list[Corner] | None:
    """Return the corners of an intersection of half-planes, none when it is empty.

    None is returned when it goes on without end.
    """
    corners: list[Corner] = [(-_FAR, -_FAR), (_FAR, -_FAR), (_FAR, _FAR), (-_FAR, _FAR)]
    for plane in planes:
        corners = _clipped(corners, plane)
    if any(abs(coordinate) == _FAR for corner in corners for coordinate in corner):
        return None
    return hull(corners)


def hull(points: Iterable[Corner]) -> list[Corner]:
    """Return the corners of the convex hull, counterclockwise from the smallest."""
    ordered = sorted(set(points))
    if len(ordered) <= 2:
        return ordered
    return _half(ordered) + _half(ordered[::-1])


def _half(ordered: Sequence[Corner]) -> list[Corner]:
    chain: list[Corner] = []
    for x, y in ordered:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain[:-1]


def _plane(a: Fraction | int, b: Fraction | int, through: Corner) -> HalfPlane:
    return Fraction(a), Fraction(b), a * through[0] + b * through[1]


def _clipped(corners: Sequence[Corner], plane: HalfPlane) -> list[Corner]:
    """Return the part of a convex polygon that lies in a half-plane."""
    a, b, c = plane
    beyond = [a * x + b * y - c for x, y in corners]
    kept: list[Corner] = []
    for number, (x, y) in enumerate(corners):
        (x0, y0), before, here = corners[number - 1], beyond[number - 1], beyond[number]
        if (before > 0 > here) or (before < 0 < here):
            share = before / (before - here)
            kept.append((x0 + share * (x - x0), y0 + share * (y - y0)))
        if here <= 0:
            kept.append((x, y))
    return kept

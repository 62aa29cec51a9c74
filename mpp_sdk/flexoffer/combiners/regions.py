"""Convex regions of the plane as arrays of corners, cut by half-planes; compiled.

A region is a pair of its corners, in their order, and how many there are; there is room for more.
"""

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mpp_sdk.flexoffer.model import Polygon

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

ROOM = 64
"""How many corners a region has at most: as many as a polygon may have."""

EXACT = 1e-12
"""What is missed by less, in kWh, is not cut off: it is rounding."""

TOUCHING = 1e-9
"""A region that misses a half-plane by no more, in kWh, touches it: so far schedules may be off."""


def packed(polygons: Sequence[Polygon]) -> tuple[Floats, Counts]:
    """Return polygons as one array of corners, and how many of them each has."""
    counts = np.array([len(polygon) for polygon in polygons], dtype=np.int64)
    corners = np.zeros((len(polygons), int(counts.max()), 2))
    for number, polygon in enumerate(polygons):
        corners[number, : len(polygon)] = polygon
    return corners, counts


@njit(cache=True, nogil=True)
def cut(corners: Floats, count: int, p: float, q: float, r: float) -> int:
    """Cut off what is not in the half-plane p·x + q·y <= r; return how many corners are left."""
    worst, least = -math.inf, math.inf
    for k in range(count):
        over = p * corners[k, 0] + q * corners[k, 1] - r
        worst, least = max(worst, over), min(least, over)
    if worst <= EXACT:
        return count
    if least > TOUCHING:
        return 0
    edge = max(least, 0.0)
    left = np.empty((count + 2, 2))
    n = 0
    for k in range(count):
        after = (k + 1) % count
        x, y = corners[k, 0], corners[k, 1]
        over = p * x + q * y - r - edge
        then = p * corners[after, 0] + q * corners[after, 1] - r - edge
        if over <= EXACT:
            left[n, 0], left[n, 1] = x, y
            n += 1
        if min(over, then) < -EXACT and max(over, then) > EXACT:
            # from the inside out, whichever comes first: there and back meet in one point
            inner, outer = (k, after) if over < 0 else (after, k)
            inside, outside = (over, then) if over < 0 else (then, over)
            share = inside / (inside - outside)
            left[n, 0] = corners[inner, 0] + share * (corners[outer, 0] - corners[inner, 0])
            left[n, 1] = corners[inner, 1] + share * (corners[outer, 1] - corners[inner, 1])
            n += 1
    kept = 0
    for k in range(n):
        if kept == 0 or left[k, 0] != corners[kept - 1, 0] or left[k, 1] != corners[kept - 1, 1]:
            corners[kept] = left[k]
            kept += 1
    if kept > 1 and corners[0, 0] == corners[kept - 1, 0] and corners[0, 1] == corners[kept - 1, 1]:
        kept -= 1
    return kept


@njit(cache=True, nogil=True)
def without_smallest(corners: Floats, count: int, x: float, y: float) -> int:
    """Leave out the corner that makes the least difference, and on whose side (x, y) is not."""
    chosen, smallest = -1, math.inf
    turn = 0.0
    for k in range(count):
        after = (k + 1) % count
        turn += corners[k, 0] * corners[after, 1] - corners[k, 1] * corners[after, 0]
    for k in range(count):
        before, after = corners[k - 1], corners[(k + 1) % count]
        along = (after[0] - before[0], after[1] - before[1])
        area = abs(along[0] * (corners[k, 1] - before[1]) - along[1] * (corners[k, 0] - before[0]))
        inner = along[0] * (y - before[1]) - along[1] * (x - before[0])
        if area < smallest and inner * turn >= 0:
            chosen, smallest = k, area
    if chosen < 0:
        return count
    for k in range(chosen, count - 1):
        corners[k] = corners[k + 1]
    return count - 1


@njit(cache=True, nogil=True)
def walk(
    polygons: Floats, counts: Counts, lower: Floats, upper: Floats, least: float, most: float
) -> tuple[Floats, Floats, int]:
    """Return from where to where the energy in all can be before each slice, and after the last.

    polygons are of the energy before a slice and in it, lower and upper what bounds the latter;
    least and most bound the energy in all. Returns as well at which slice there is no way on, or
    -1.
    """
    slices = len(counts)
    room = polygons.shape[1] + 8
    regions = np.empty((slices, room, 2))
    left = np.empty(slices, np.int64)
    low, high = np.zeros(slices + 1), np.zeros(slices + 1)
    for t in range(slices):
        n = counts[t]
        for k in range(n):
            regions[t, k, 0] = polygons[t, k, 0]
            regions[t, k, 1] = polygons[t, k, 0] + polygons[t, k, 1]
        n = cut(regions[t], n, -1.0, 1.0, upper[t]) if n else 0
        n = cut(regions[t], n, 1.0, -1.0, -lower[t]) if n else 0
        n = cut(regions[t], n, 1.0, 0.0, high[t]) if n else 0
        n = cut(regions[t], n, -1.0, 0.0, -low[t]) if n else 0
        if n and t == slices - 1:
            n = cut(regions[t], n, 0.0, 1.0, most)
            n = cut(regions[t], n, 0.0, -1.0, -least) if n else 0
        if n == 0:
            return low, high, t
        left[t] = n
        low[t + 1] = regions[t, :n, 1].min()
        high[t + 1] = regions[t, :n, 1].max()
    for t in range(slices - 1, -1, -1):
        n = cut(regions[t], left[t], 0.0, 1.0, high[t + 1])
        n = cut(regions[t], n, 0.0, -1.0, -low[t + 1]) if n else 0
        if n == 0:
            return low, high, t
        low[t] = regions[t, :n, 0].min()
        high[t] = regions[t, :n, 0].max()
    return low, high, -1


@njit(cache=True, nogil=True)
def _cut_shared(
    corners: Floats, count: int, p: float, q: float, r: float, x: float, y: float
) -> int:
    """Cut a region that keeps (x, y), and has room for one corner more afterwards."""
    n = cut(corners, count, p, q, r)
    while n > ROOM:
        fewer = without_smallest(corners, n, x, y)
        if fewer == n:
            return 0
        n = fewer
    return n


@njit(cache=True, nogil=True)
def shared_region(
    polygons: Floats,
    counts: Counts,
    bounds: Floats,
    anchors: Floats,
    widths: Floats,
    lows: Floats,
    highs: Floats,
    point: Floats,
    corners: Floats,
) -> int:
    """Cut from a region what some member cannot do in a slice; return how many corners are left.

    corners holds the region of shared positions before and after the slice, at first a rectangle.
    polygons, counts and bounds (lower and upper) are the members' in this slice; anchors, widths,
    lows and highs are theirs before and after it. point stays in the region.
    """
    n = 4
    for i in range(len(counts)):
        before, after = anchors[0, i], anchors[1, i]
        wide, then_wide = widths[0, i], widths[1, i]
        size = counts[i]
        area = 0.0
        for k in range(size):
            m = (k + 1) % size
            area += polygons[i, k, 0] * polygons[i, m, 1] - polygons[i, k, 1] * polygons[i, m, 0]
        turn = 1.0 if area >= 0 else -1.0
        for k in range(size + 6):
            if k < size:
                m = (k + 1) % size
                dx = turn * (polygons[i, m, 0] - polygons[i, k, 0])
                dy = turn * (polygons[i, m, 1] - polygons[i, k, 1])
                length = math.hypot(dx, dy)
                if length == 0:
                    continue
                # of the energy before and in the slice: dy·e - dx·x <= r; x is e' - e
                p, q = (dy + dx) / length, -dx / length
                r = (dy * polygons[i, k, 0] - dx * polygons[i, k, 1]) / length
            elif k == size:
                p, q, r = -1.0, 1.0, bounds[i, 1]
            elif k == size + 1:
                p, q, r = 1.0, -1.0, -bounds[i, 0]
            elif k == size + 2:
                p, q, r = 1.0, 0.0, highs[0, i]
            elif k == size + 3:
                p, q, r = -1.0, 0.0, -lows[0, i]
            elif k == size + 4:
                p, q, r = 0.0, 1.0, highs[1, i]
            else:
                p, q, r = 0.0, -1.0, -lows[1, i]
            n = _cut_shared(
                corners,
                n,
                p * wide,
                q * then_wide,
                r - p * before - q * after,
                point[0],
                point[1],
            )
            if n == 0:
                return 0
    return n


@njit(cache=True, nogil=True, fastmath=True)
def _most_over(
    lower: Floats, upper: Floats, low: Floats, width: Floats, before: float, after: float
) -> float:
    """Return by how much the device that misses its bounds most misses them at a position."""
    most = -1.0
    for i in range(len(lower)):
        energy = low[1, i] - low[0, i] + after * width[1, i] - before * width[0, i]
        most = max(most, max(energy - upper[i], lower[i] - energy))
    return most


@njit(cache=True, nogil=True)
def shared_hexagon(
    lower: Floats, upper: Floats, low: Floats, width: Floats, corners: Floats
) -> int:
    """Do the same as shared_region for devices with bounds of energy in a slice and in all.

    Most devices cut nothing off: each corner is cut by the one device that misses it most, until
    none misses any.
    """
    n, k = 4, 0
    kept = np.empty((len(corners), 2))
    known = 0
    while k < n:
        before, after = corners[k, 0], corners[k, 1]
        again = False
        for j in range(known):
            again = again or (kept[j, 0] == before and kept[j, 1] == after)
        over = 0.0 if again else _most_over(lower, upper, low, width, before, after)
        if over <= EXACT:
            if not again and known < len(kept):
                kept[known] = corners[k]
                known += 1
            k += 1
            continue
        worst, which, above = 0.0, 0, True
        for i in range(len(lower)):
            energy = low[1, i] - low[0, i] + after * width[1, i] - before * width[0, i]
            if energy - upper[i] > worst:
                worst, which, above = energy - upper[i], i, True
            if lower[i] - energy > worst:
                worst, which, above = lower[i] - energy, i, False
        moved = low[1, which] - low[0, which]
        sign, bound = (1.0, upper[which] - moved) if above else (-1.0, moved - lower[which])
        left = _cut_shared(
            corners, n, -sign * width[0, which], sign * width[1, which], bound, 0.5, 0.5
        )
        if left == 0:
            return 0
        if left == n and corners[k, 0] == before and corners[k, 1] == after:
            k += 1  # it touches: there is nothing to cut off
        else:
            n, k = left, 0
    return n


@njit(cache=True, nogil=True)
def follow(anchors: Floats, widths: Floats, positions: Floats) -> Floats:
    """Return the energy of each slice and member that the shared positions mean."""
    slices, members = anchors.shape[0] - 1, anchors.shape[1]
    energies = np.empty((slices, members))
    for t in range(slices):
        for i in range(members):
            energies[t, i] = (anchors[t + 1, i] + positions[t + 1] * widths[t + 1, i]) - (
                anchors[t, i] + positions[t] * widths[t, i]
            )
    return energies

"""How little and how much energy a profile can take, in all or in a part of its time."""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numba import njit
from scipy.optimize import Bounds, LinearConstraint, milp

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.combiners.regions import TOUCHING, Counts, cut, packed, walk
from mpp_sdk.flexoffer.linear import WH_PER_KWH, Floats, constraints
from mpp_sdk.flexoffer.model import Profile


@dataclass(frozen=True, slots=True)
class Reach:
    """The least and the most energy, in Wh."""

    least: float
    most: float


def reach(profile: Profile, interval: timedelta) -> Reach:
    """Return the least and the most energy that a profile can take in all.

    Exact, or as exact, and refused, as `reaches` says.
    """
    least, most = reaches(profile, interval, np.ones((1, len(profile.slices))))
    return Reach(float(least[0]), float(most[0]))


def reaches(profile: Profile, interval: timedelta, shares: Floats) -> tuple[Floats, Floats]:
    """Return the least and the most energy, in Wh, that parts of a profile can take, each alone.

    shares, 0 to 1, has a row for each part and a column for each slice: how much of it counts. All
    constraints of the profile are applied. What the slices, a total and dependencies bound is
    exact; a polytope, and options under a total or dependencies, take a solver, which is right to
    about 1e-4 Wh. Raises InvalidInput when nothing keeps to the constraints.
    """
    lower, upper = _bounds(profile, interval)
    bound = profile.total or profile.dependencies
    if profile.polytope or (bound and _choices(profile)):
        return _solved(profile, lower, upper, shares)
    if profile.dependencies:
        return _walked(profile, lower, upper, shares)
    if profile.total is None:
        return shares @ lower, shares @ upper
    must = max(0.0, profile.total.lower - float(lower.sum()))
    may = max(0.0, profile.total.upper - float(lower.sum()))
    return _filled(lower, upper, shares, must, 1.0), _filled(lower, upper, shares, may, -1.0)


def _bounds(profile: Profile, interval: timedelta) -> tuple[Floats, Floats]:
    """Return the least and the most energy of each slice alone, in Wh, options applied."""
    both = [
        (min(part.options), max(part.options))
        if part.options
        else ((bounds := part.bounds(interval)).lower, bounds.upper)
        for part in profile.slices
    ]
    lower, upper = np.array(both, dtype=float).T
    return lower, upper


def _choices(profile: Profile) -> list[tuple[int, int]]:
    """Return the number of the slice and the energy, in Wh, of each option."""
    return [(i, energy) for i, part in enumerate(profile.slices) for energy in part.options]


def _filled(lower: Floats, upper: Floats, shares: Floats, energy: float, way: float) -> Floats:
    """Return what counts when energy is added to the lower bounds, slice by slice.

    Those that count the least come first, or with way -1 those that count the most. No share is
    negative, so that this gives the least, or the most, there is.
    """
    order = np.argsort(way * shares, axis=1, kind="stable")
    room = (upper - lower)[order]
    added = np.clip(energy - (np.cumsum(room, axis=1) - room), 0.0, room)
    counted: Floats = shares @ lower + (np.take_along_axis(shares, order, axis=1) * added).sum(1)
    return counted


def _solved(
    profile: Profile, lower: Floats, upper: Floats, shares: Floats
) -> tuple[Floats, Floats]:
    """Solve for the least and the most; energies are in kWh, choices of options are 0 or 1."""
    n, choices = len(profile.slices), _choices(profile)
    m = len(choices)
    rows = constraints(profile)
    bound = [LinearConstraint(np.hstack((rows.a, np.zeros((len(rows.b), m)))), -np.inf, rows.b)]
    for i in sorted({owner for owner, _ in choices}):
        one_of, energy = np.zeros(n + m), np.zeros(n + m)
        energy[i] = -1.0
        for number, (owner, option) in enumerate(choices):
            if owner == i:
                one_of[n + number] = 1.0
                energy[n + number] = option / WH_PER_KWH
        bound.append(LinearConstraint(np.array((one_of, energy)), (1.0, 0.0), (1.0, 0.0)))
    within = Bounds(
        np.concatenate((lower / WH_PER_KWH, np.zeros(m))),
        np.concatenate((upper / WH_PER_KWH, np.ones(m))),
    )
    whole = np.repeat([0, 1], [n, m])
    found = np.zeros((2, len(shares)))
    for number, part in enumerate(shares):
        cost = np.concatenate((part, np.zeros(m)))
        for side, sign in enumerate((1.0, -1.0)):
            solution = milp(sign * cost, constraints=bound, bounds=within, integrality=whole)
            if solution.x is None:
                raise InvalidInput.field(
                    "/profiles",
                    "feasible",
                    f"No energies keep to all constraints: {solution.message}",
                )
            found[side, number] = float(cost @ solution.x) * WH_PER_KWH
    return found[0], found[1]


def _walked(
    profile: Profile, lower: Floats, upper: Floats, shares: Floats
) -> tuple[Floats, Floats]:
    """Find the least and the most by going through the polygons, slice by slice."""
    polygons, counts = packed(profile.dependencies)
    total = profile.total
    within = (-math.inf, math.inf) if total is None else (total.lower, total.upper)
    lowest, highest = lower / WH_PER_KWH, upper / WH_PER_KWH
    low, high, stuck = walk(
        polygons, counts, lowest, highest, within[0] / WH_PER_KWH, within[1] / WH_PER_KWH
    )
    if stuck >= 0:
        raise InvalidInput.field(
            f"/profiles/0/dependencies/{stuck}",
            "feasible",
            "No energies lead through the polygons up to this slice.",
        )
    found = np.zeros((2, len(shares)))
    for number, part in enumerate(shares):
        counted = np.flatnonzero(part)
        if len(counted):
            first, last = int(counted[0]), int(counted[-1]) + 1
            for side, sign in enumerate((-1.0, 1.0)):
                found[side, number] = sign * _farthest(
                    polygons, counts, lowest, highest, low, high, sign * part, first, last
                )
    return found[0] * WH_PER_KWH, found[1] * WH_PER_KWH


@njit(cache=True, nogil=True)
def _farthest(
    polygons: Floats,
    counts: Counts,
    lower: Floats,
    upper: Floats,
    low: Floats,
    high: Floats,
    weights: Floats,
    first: int,
    last: int,
) -> float:
    """Return the most that weighted energies of the slices from first until last can sum up to.

    low and high are from where to where the energy in all can be at each moment, with a way before
    and after it. At each moment the most so far is a concave function of the energy in all, kept as
    its corners: those of the next one lie where either this function or a polygon has a corner.
    """
    at, most = np.array([low[first], high[first]]), np.zeros(2)
    for t in range(first, last):
        room = counts[t] + 8
        region = np.empty((room, 2))
        n = counts[t]
        region[:n] = polygons[t, :n]
        for p, q, r in (
            (0.0, 1.0, upper[t]),
            (0.0, -1.0, -lower[t]),
            (1.0, 0.0, high[t]),
            (-1.0, 0.0, -low[t]),
            (1.0, 1.0, high[t + 1]),
            (-1.0, -1.0, -low[t + 1]),
        ):
            n = cut(region, n, p, q, r)
        if n == 0:
            return -math.inf  # rounding at worst: there is a way through every moment
        befores = np.concatenate((at, region[:n, 0].copy()))
        candidates = np.empty((2 * len(befores), 2))
        for k in range(len(befores)):
            before = min(max(befores[k], region[:n, 0].min()), region[:n, 0].max())
            least, greatest = math.inf, -math.inf
            for i in range(n):
                j = (i + 1) % n
                x, y, then_x, then_y = region[i, 0], region[i, 1], region[j, 0], region[j, 1]
                if min(x, then_x) <= before <= max(x, then_x):
                    if x == then_x:
                        one, other = y, then_y
                    else:
                        one = other = y + (before - x) / (then_x - x) * (then_y - y)
                    least, greatest = min(least, one, other), max(greatest, one, other)
            so_far = np.interp(before, at, most)
            candidates[2 * k, 0] = before + least
            candidates[2 * k, 1] = so_far + weights[t] * least
            candidates[2 * k + 1, 0] = before + greatest
            candidates[2 * k + 1, 1] = so_far + weights[t] * greatest
        at, most = _upper_hull(candidates)
    return float(most.max())


@njit(cache=True, nogil=True)
def _upper_hull(points: Floats) -> tuple[Floats, Floats]:
    """Return the corners of the least concave function above points, from left to right."""
    order = np.argsort(points[:, 0], kind="mergesort")
    hull = np.empty(points.shape)
    n = 0
    for one in order:
        x, y = points[one, 0], points[one, 1]
        if n and x - hull[n - 1, 0] <= TOUCHING:  # what differs by rounding is one corner
            if y <= hull[n - 1, 1]:
                continue
            n -= 1
        while n > 1 and (hull[n - 1, 0] - hull[n - 2, 0]) * (y - hull[n - 2, 1]) >= (
            hull[n - 1, 1] - hull[n - 2, 1]
        ) * (x - hull[n - 2, 0]):
            n -= 1
        hull[n, 0], hull[n, 1] = x, y
        n += 1
    return hull[:n, 0].copy(), hull[:n, 1].copy()

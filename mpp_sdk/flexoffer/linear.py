"""The constraints of a profile as rows of A·x <= b, and the best that keeps to such rows.

x are the energies of the slices. All is in kWh here, as polytopes and polygons are written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from mpp_sdk.flexoffer.model import Polygon, Profile

Floats = NDArray[np.float64]

WH_PER_KWH = 1_000.0
_CURVES = 8
_EXACT = 1e-10  # the least that HiGHS takes, and less than what a schedule may be off


@dataclass(frozen=True)
class Rows:
    """All x with a·x <= b; a has a column per slice."""

    a: Floats
    b: Floats

    def __add__(self, other: "Rows") -> "Rows":
        """Return all x that keep to both."""
        return Rows(np.vstack((self.a, other.a)), np.concatenate((self.b, other.b)))


def constraints(profile: Profile) -> Rows:
    """Return what binds the slices of a profile together: its total, its polytope, its polygons."""
    n = len(profile.slices)
    found = Rows(np.empty((0, n)), np.empty(0))
    if profile.total is not None:
        all_of_it = np.ones((1, n))
        found += Rows(
            np.vstack((all_of_it, -all_of_it)),
            np.array([profile.total.upper, -profile.total.lower]) / WH_PER_KWH,
        )
    if profile.polytope is not None:
        found += Rows(np.array(profile.polytope.a), np.array(profile.polytope.b))
    for number, polygon in enumerate(profile.dependencies):
        planes = half_planes(polygon)
        a = np.zeros((len(planes), n))
        a[:, :number] = planes[:, :1]
        a[:, number] = planes[:, 1]
        found += Rows(a, planes[:, 2])
    return found


def bounds(profile: Profile, interval: timedelta) -> tuple[Floats, Floats]:
    """Return the least and the most energy of each slice."""
    ranges = [part.bounds(interval) for part in profile.slices]
    return (
        np.array([one.lower for one in ranges]) / WH_PER_KWH,
        np.array([one.upper for one in ranges]) / WH_PER_KWH,
    )


def half_planes(polygon: Polygon) -> Floats:
    """Return the rows p, q, r of the half-planes p·before + q·energy <= r that make a polygon.

    The normals (p, q) have length 1, so that a row is missed by a distance. A point and a segment
    are bounded on all sides as well.
    """
    corners = np.array(polygon)
    ahead = np.roll(corners, -1, axis=0)
    area = float(np.sum(corners[:, 0] * ahead[:, 1] - corners[:, 1] * ahead[:, 0]))
    along = ahead - corners
    lengths = np.hypot(along[:, 0], along[:, 1])
    edges = lengths > 0
    outward = np.column_stack((along[edges, 1], -along[edges, 0])) / lengths[edges, None]
    if area < 0:
        outward = -outward
    planes = np.column_stack((outward, np.sum(outward * corners[edges], axis=1)))
    if np.count_nonzero(edges) > 2:
        return planes
    low, high = corners.min(axis=0), corners.max(axis=0)
    box = [(1, 0, high[0]), (-1, 0, -low[0]), (0, 1, high[1]), (0, -1, -low[1])]
    return np.vstack((planes, box))


def solve(
    prices: Floats, rows: Rows, within: Sequence[tuple[float | None, float | None]]
) -> Floats | None:
    """Return x with rows.a·x <= rows.b that makes the most of prices; nothing when there is none.

    within bounds each x; nothing when what prices make has no bound, either.
    """
    solution = linprog(
        -prices,
        A_ub=rows.a if len(rows.b) else None,
        b_ub=rows.b if len(rows.b) else None,
        bounds=list(within),
        method="highs",
        options={"primal_feasibility_tolerance": _EXACT, "dual_feasibility_tolerance": _EXACT},
    )
    return None if solution.x is None else np.asarray(solution.x)


def best(profile: Profile, interval: timedelta, prices: Floats) -> Floats | None:
    """Return energies, in kWh, that make the most of prices; nothing when none are feasible.

    Options are not looked at.
    """
    lower, upper = bounds(profile, interval)
    within = list(zip(lower.tolist(), upper.tolist(), strict=True))
    return solve(prices, constraints(profile), within)


def price_curves(slices: int) -> Floats:
    """Return price curves, always the same ones: a row for each, with a price per slice."""
    return np.random.default_rng(slices).standard_normal((_CURVES, slices))


def spread(profile: Profile, interval: timedelta) -> float:
    """Return what the dearest schedule costs above the cheapest, summed over the price curves."""
    total = 0.0
    for prices in price_curves(len(profile.slices)):
        for sign in (1.0, -1.0):
            energies = best(profile, interval, sign * prices)
            if energies is not None:
                total += sign * float(prices @ energies)
    return total

"""Schedules at the corners of what a flex-offer allows: where a promise too much shows first."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from scipy.optimize import linprog

from mpp_sdk.flexoffer.dialects.goflex.half_planes import half_planes
from mpp_sdk.flexoffer.model import Profile
from tests.flexoffers.strategies import towards


def cheapest(
    profile: Profile, interval: timedelta, prices: Sequence[int], inner: Sequence[float]
) -> tuple[float, ...]:
    """Return the energies, in Wh, of least cost that a profile without options allows.

    inner are some that it allows. With a polytope or polygons they are found by a solver, and taken
    back towards inner until they are allowed to 1e-10 kWh; else they are exact.
    """
    bounds = [part.bounds(interval) for part in profile.slices]
    if profile.polytope is not None or profile.dependencies:
        a, b = _rows(profile)
        found = linprog(
            prices,
            A_ub=np.array(a),
            b_ub=np.array(b),
            bounds=[(one.lower / 1000, one.upper / 1000) for one in bounds],
            method="highs",
        )
        if found.x is None:
            return tuple(inner)
        return towards(profile, interval, inner, [1000 * x for x in found.x])
    energies = [
        one.lower if price > 0 else one.upper for price, one in zip(prices, bounds, strict=True)
    ]
    if profile.total is not None:
        total = sum(energies)
        missing = min(max(total, profile.total.lower), profile.total.upper) - total
        for place in sorted(range(len(prices)), key=lambda at: abs(prices[at])):
            moved = min(max(energies[place] + missing, bounds[place].lower), bounds[place].upper)
            missing -= moved - energies[place]
            energies[place] = moved
    return tuple(energies)


def _rows(profile: Profile) -> tuple[list[list[float]], list[float]]:
    """Return the rows A and b, in kWh, of all that binds slices together."""
    a: list[list[float]] = []
    b: list[float] = []
    count = len(profile.slices)
    if profile.polytope is not None:
        a += [list(row) for row in profile.polytope.a]
        b += profile.polytope.b
    for number, polygon in enumerate(profile.dependencies):
        for before, energy, most in half_planes(polygon):
            row = [float(before)] * number + [float(energy)]
            a.append(row + [0.0] * (count - len(row)))
            b.append(float(most))
    if profile.total is not None:
        a += [[1.0] * count, [-1.0] * count]
        b += [profile.total.upper / 1000, -profile.total.lower / 1000]
    return a, b

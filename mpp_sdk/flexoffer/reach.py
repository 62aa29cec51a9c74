"""How little and how much energy a profile can take, in all or in a part of its time."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from mpp_sdk.errors import InvalidInput
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
    constraints of the profile are applied. What the slices and a total bound is exact; a polytope,
    dependencies, and options under a total take a solver, which is right to about 1e-4 Wh. Raises
    InvalidInput when nothing keeps to the constraints.
    """
    lower, upper = _bounds(profile, interval)
    if profile.polytope or profile.dependencies or (profile.total and _choices(profile)):
        return _solved(profile, lower, upper, shares)
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

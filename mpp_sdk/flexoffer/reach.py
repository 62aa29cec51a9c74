"""How little and how much energy a profile can take, in all or in a part of its time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.linear import WH_PER_KWH, constraints
from mpp_sdk.flexoffer.model import Profile


@dataclass(frozen=True, slots=True)
class Reach:
    """The least and the most energy, in Wh."""

    least: float
    most: float

    @property
    def width(self) -> float:
        """By how much the energy can be varied, in Wh."""
        return self.most - self.least


def reach(profile: Profile, interval: timedelta, shares: Sequence[float] | None = None) -> Reach:
    """Return the least and the most energy that a profile can take, all its constraints applied.

    shares, 0 to 1 and one per slice, says how much of each slice counts; without it all of it does.
    What the slices and a total bound is exact; a polytope, dependencies, and options under a total
    take a solver, which is right to about 1e-4 Wh. Raises InvalidInput when nothing keeps
    to the constraints.
    """
    weights = np.ones(len(profile.slices)) if shares is None else np.asarray(shares, dtype=float)
    has_options = any(part.options for part in profile.slices)
    if profile.polytope or profile.dependencies or (has_options and profile.total):
        return _solved(profile, interval, weights)
    lower, upper = slice_bounds(profile, interval)
    if profile.total is None:
        return Reach(float(weights @ lower), float(weights @ upper))
    must = max(0.0, profile.total.lower - float(lower.sum()))
    may = max(0.0, profile.total.upper - float(lower.sum()))
    return Reach(
        _filled(lower, upper, weights, must, np.argsort(weights, kind="stable")),
        _filled(lower, upper, weights, may, np.argsort(-weights, kind="stable")),
    )


def slice_bounds(
    profile: Profile, interval: timedelta
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the most energy of each slice alone, in Wh, options applied."""
    ranges = [part.bounds(interval) for part in profile.slices]
    lower = [
        min(part.options, default=one.lower)
        for part, one in zip(profile.slices, ranges, strict=True)
    ]
    upper = [
        max(part.options, default=one.upper)
        for part, one in zip(profile.slices, ranges, strict=True)
    ]
    return np.array(lower, dtype=float), np.array(upper, dtype=float)


def _filled(
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    weights: NDArray[np.float64],
    energy: float,
    order: NDArray[np.intp],
) -> float:
    """Return what counts when energy is added to the lower bounds, slice by slice in an order.

    Weights are not negative, so that filling in their order gives the least, or the most, there is.
    """
    room = (upper - lower)[order]
    before = np.concatenate(([0.0], np.cumsum(room)[:-1]))
    added = np.clip(energy - before, 0.0, room)
    return float(weights @ lower + weights[order] @ added)


def _solved(profile: Profile, interval: timedelta, weights: NDArray[np.float64]) -> Reach:
    """Solve for the least and the most; energies are in kWh, choices of options are 0 or 1."""
    lower, upper = slice_bounds(profile, interval)
    n, choices = len(weights), [(i, e) for i, p in enumerate(profile.slices) for e in p.options]
    m = len(choices)
    rows = constraints(profile)
    bound = [LinearConstraint(np.hstack((rows.a, np.zeros((len(rows.b), m)))), -np.inf, rows.b)]
    for i, part in enumerate(profile.slices):
        if part.options:
            one_of, energy = np.zeros(n + m), np.zeros(n + m)
            energy[i] = -1.0
            for number, (owner, option) in enumerate(choices):
                if owner == i:
                    one_of[n + number] = 1.0
                    energy[n + number] = option / WH_PER_KWH
            bound.append(LinearConstraint(np.array((one_of, energy)), (1.0, 0.0), (1.0, 0.0)))
    cost = np.concatenate((weights, np.zeros(m)))
    found = []
    for sign in (1.0, -1.0):
        solution = milp(
            sign * cost,
            constraints=bound,
            bounds=Bounds(
                np.concatenate((lower / WH_PER_KWH, np.zeros(m))),
                np.concatenate((upper / WH_PER_KWH, np.ones(m))),
            ),
            integrality=np.concatenate((np.zeros(n), np.ones(m))),
        )
        if solution.x is None:
            raise InvalidInput.field(
                "/profiles", "feasible", f"No energies keep to all constraints: {solution.message}"
            )
        found.append(float(cost @ solution.x) * WH_PER_KWH)
    return Reach(*found)

"""A plan that anybody can follow: every flex-offer is carried out where its energy costs least.

It takes prices as they are, so each aggregate can be planned alone, and tries all that it may do:
every profile, every start, and between the bounds what a linear program finds.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from mpp_sdk.flexoffer.feasibility import check_schedule
from mpp_sdk.flexoffer.model import FlexOffer, Polygon, Profile, Schedule

HOURLY_EUR_PER_MWH = (
    *(62, 55, 50, 48, 49, 58, 84, 118, 126, 104, 88, 76),  # from 0:00 UTC
    *(70, 66, 68, 82, 110, 152, 168, 160, 138, 112, 90, 74),  # from 12:00 UTC
)
"""The market's prices of every day: made up, in the shape of a winter's day."""

Numbers = NDArray[np.float64]
_WH = 1_000.0


def eur_per_wh(moment: datetime) -> float:
    """Return the market's price of the hour."""
    return HOURLY_EUR_PER_MWH[moment.hour] / 1e6


def cost(offer: FlexOffer, schedule: Schedule) -> float:
    """Return what a schedule costs at the market, in EUR; what it earns is negative."""
    market = _market(offer, offer.profiles[schedule.profile], schedule.start)
    return float(market @ np.array(schedule.energies))


def cheapest(offer: FlexOffer, now: datetime) -> Schedule:
    """Return the schedule that costs least: at the market, and for deviating from the default.

    Raises InvalidInput when there is none.
    """
    best: tuple[float, Schedule] | None = None
    for number, profile in enumerate(offer.profiles):
        for start in _starts(offer, now):
            found = _best_energies(offer, profile, start)
            if found is not None and (best is None or found[0] < best[0] - 1e-12):
                best = found[0], Schedule(start, found[1], number)
    schedule = best[1] if best else offer.default_schedule(now)
    check_schedule(offer, schedule, now)
    return schedule


def _starts(offer: FlexOffer, now: datetime) -> Iterator[datetime]:
    starts = offer.starts(now)
    start = starts.earliest
    while start <= starts.latest:
        yield start
        start += offer.interval


def _market(offer: FlexOffer, profile: Profile, start: datetime) -> Numbers:
    """Return what 1 Wh in each slice costs: the mean of the prices of its intervals."""
    first = start - profile.lead * offer.interval
    prices = [eur_per_wh(first + k * offer.interval) for k in range(profile.intervals)]
    ends = [*profile.offsets(), profile.intervals]
    return np.array([np.mean(prices[begin:end]) for begin, end in pairwise(ends)])


def _best_energies(
    offer: FlexOffer, profile: Profile, start: datetime
) -> tuple[float, tuple[float, ...]] | None:
    """Return the least cost from a start on, and the energies; None when there are none.

    The variables are the energies above and below the default, so that each can have its price.
    """
    market = _market(offer, profile, start)
    default = np.array(_default(offer, profile), dtype=np.float64)
    asked = np.array([float(part.price or 0) / 1_000 for part in profile.slices])
    bounds = [part.bounds(offer.interval) for part in profile.slices]
    above = [max(0.0, one.upper - wh) for one, wh in zip(bounds, default, strict=True)]
    below = [max(0.0, wh - one.lower) for one, wh in zip(bounds, default, strict=True)]
    constraints = [
        LinearConstraint(np.concatenate([row, -row]), low - row @ default, high - row @ default)
        for row, low, high in _rows(profile)
    ]
    found = milp(
        np.concatenate([market + asked, asked - market]),
        constraints=constraints,
        bounds=Bounds(np.zeros(2 * len(default)), np.array([*above, *below])),
    )
    if found.x is None:
        return None
    up, down = np.split(found.x, 2)
    energies = default + up - down
    if profile.polytope is None and not profile.dependencies:
        energies = np.rint(energies)  # what has slices and a total alone is best in whole Wh
    return float(market @ default + found.fun), tuple(energies.tolist())


def _default(offer: FlexOffer, profile: Profile) -> Sequence[float]:
    """Return from which energies a deviation counts; a profile that is not the default has none."""
    if profile is offer.profile:
        return offer.default.energies
    return [min(max(0, part.lower), part.upper) for part in profile.slices]


def _rows(profile: Profile) -> Iterator[tuple[Numbers, float, float]]:
    """Yield each constraint that binds slices together: row, low, high in low <= row·x <= high."""
    count = len(profile.slices)
    if profile.total is not None:
        yield np.ones(count), profile.total.lower, profile.total.upper
    if profile.polytope is not None:
        for row, bound in zip(profile.polytope.a, profile.polytope.b, strict=True):
            yield np.array(row), -np.inf, bound * _WH
    for number, polygon in enumerate(profile.dependencies):
        before, energy = np.zeros(count), np.zeros(count)
        before[:number], energy[number] = 1.0, 1.0
        for x, y, most in _edges(polygon):
            yield x * before + y * energy, -np.inf, most * _WH


def _edges(polygon: Polygon) -> Iterator[tuple[float, float, float]]:
    """Yield the half-planes x, y, most of a convex polygon: x * before + y * energy <= most."""
    for axis, (x, y) in enumerate(((1.0, 0.0), (0.0, 1.0))):
        values = [vertex[axis] for vertex in polygon]
        yield x, y, max(values)
        yield -x, -y, -min(values)
    sides = list(pairwise([*polygon, polygon[0]]))
    turn = 1.0 if sum(ax * by - bx * ay for (ax, ay), (bx, by) in sides) >= 0 else -1.0
    for (ax, ay), (bx, by) in sides:
        x, y = turn * (by - ay), turn * (ax - bx)
        yield x, y, x * ax + y * ay

"""Whether there are energies at all that keep to everything a profile says."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from mpp_sdk.errors import FieldError
from mpp_sdk.flexoffer.combiners.regions import packed, walk
from mpp_sdk.flexoffer.linear import WH_PER_KWH, best, bounds, constraints
from mpp_sdk.flexoffer.model import EnergyRange, FlexOffer, Profile, Slice
from mpp_sdk.flexoffer.rules import refuse

Integers = NDArray[np.int64]

_MOST_SUMS = 2_000_000
"""How many sums of options are tried before it is given up."""

_MOST_WH = 2**62
"""Sums from here on may not fit into 64 bits."""

_MOST_SECONDS = 2.0
"""How long a solver tries to choose options."""


def check_solvable(offer: FlexOffer) -> None:
    """Raise InvalidInput with each profile that nothing can meet, and why.

    The profile of the default needs no solver: the default meets it, or the offer would not exist.
    What cannot be decided within bounds (many options with constraints across slices) is refused,
    too, with the rule `undecided`.
    """
    found = []
    for number, profile in enumerate(offer.profiles):
        if number != offer.default.profile:
            broken = unsolvable(profile, offer.interval)
            if broken is not None:
                pointer = f"/profiles/{number}/{broken.pointer}"
                found.append(FieldError(pointer, broken.rule, broken.detail))
    refuse(found)


def unsolvable(profile: Profile, interval: timedelta) -> FieldError | None:
    """Return why no energies keep to a profile, with a pointer into it; nothing when some do."""
    if any(part.options for part in profile.slices):
        if profile.polytope is None and not profile.dependencies:
            return _options_miss_total(profile, interval)
        return _options_miss_constraints(profile, interval)
    if profile.polytope is not None:
        if best(profile, interval, np.zeros(len(profile.slices))) is None:
            return FieldError(
                "polytope",
                "feasible",
                "A·x <= b excludes all energies that the slices and the total allow.",
            )
        return None
    return _stuck(profile, interval) if profile.dependencies else None


def _stuck(profile: Profile, interval: timedelta) -> FieldError | None:
    lower, upper = bounds(profile, interval)
    total = profile.total
    _, _, at = walk(
        *packed(profile.dependencies),
        lower,
        upper,
        total.lower / WH_PER_KWH if total else -np.inf,
        total.upper / WH_PER_KWH if total else np.inf,
    )
    if at < 0:
        return None
    return FieldError(
        f"dependencies/{at}",
        "reachable",
        "Energies that begin at 0 do not come through it, within the slices and the total.",
    )


def _options_miss_total(profile: Profile, interval: timedelta) -> FieldError | None:
    """Follow all sums that the slices can have, as ranges of whole Wh."""
    if profile.total is None:
        return None
    choices = [_choices(part, interval) for part in profile.slices]
    least = _still_to_come([min(one.lower for one in each) for each in choices])
    most = _still_to_come([max(one.upper for one in each) for each in choices])
    if max(abs(least[0]), abs(most[0])) >= _MOST_WH:
        return FieldError("slices", "undecided", "Their energies are too large to be summed up.")
    lower, upper = np.zeros(1, np.int64), np.zeros(1, np.int64)
    tried = 0
    for number, each in enumerate(choices):
        tried += len(lower) * len(each)
        if tried > _MOST_SUMS:
            return FieldError(
                "slices", "undecided", "They have too many options to find out if they can sum up."
            )
        lower, upper = _united(
            (lower[:, None] + np.array([one.lower for one in each], np.int64)).ravel(),
            (upper[:, None] + np.array([one.upper for one in each], np.int64)).ravel(),
        )
        possible = lower + least[number + 1] <= profile.total.upper
        possible &= upper + most[number + 1] >= profile.total.lower
        lower, upper = lower[possible], upper[possible]
        if not len(lower):
            return FieldError("total", "reachable", "The options cannot sum up to it.")
    return None


def _still_to_come(energies: Sequence[int]) -> list[int]:
    """Return the sums of what comes from each slice on, and 0 for the end."""
    return list(accumulate(reversed(energies), initial=0))[::-1]


def _choices(part: Slice, interval: timedelta) -> Sequence[EnergyRange]:
    return [EnergyRange(one, one) for one in part.options] or [part.bounds(interval)]


def _united(lower: Integers, upper: Integers) -> tuple[Integers, Integers]:
    """Return the union of ranges of whole numbers, as ranges with gaps between them."""
    order = np.argsort(lower, kind="stable")
    lower, upper = lower[order], np.maximum.accumulate(upper[order])
    begins = np.concatenate(([True], lower[1:] > upper[:-1] + 1))
    ends = np.concatenate((begins[1:], [True]))
    return lower[begins], upper[ends]


def _options_miss_constraints(profile: Profile, interval: timedelta) -> FieldError | None:
    """Let a solver choose one option of each slice that has any: choices are 0 or 1."""
    rows, (lower, upper) = constraints(profile), bounds(profile, interval)
    slices = len(lower)
    options = [(k, one) for k, part in enumerate(profile.slices) for one in part.options]
    chosen = np.zeros((slices, slices + len(options)))
    energies = np.zeros_like(chosen)
    energies[:, :slices] = np.eye(slices)
    for number, (k, one) in enumerate(options):
        chosen[k, slices + number] = 1.0
        energies[k, slices + number] = -one / WH_PER_KWH
    with_options = [k for k, part in enumerate(profile.slices) if part.options]
    solution = milp(
        np.zeros(slices + len(options)),
        constraints=[
            LinearConstraint(np.pad(rows.a, ((0, 0), (0, len(options)))), -np.inf, rows.b),
            LinearConstraint(chosen[with_options], 1.0, 1.0),
            LinearConstraint(energies[with_options], 0.0, 0.0),
        ],
        bounds=Bounds(
            np.concatenate((lower, np.zeros(len(options)))),
            np.concatenate((upper, np.ones(len(options)))),
        ),
        integrality=np.concatenate((np.zeros(slices), np.ones(len(options)))),
        options={"time_limit": _MOST_SECONDS},
    )
    if solution.x is not None:
        return None
    where = "polytope" if profile.polytope is not None else "dependencies"
    if solution.status == 2:  # it is infeasible, and not only too hard
        return FieldError(where, "feasible", "No choice of options keeps to all constraints.")
    return FieldError(where, "undecided", "It takes too long to find options that keep to it.")

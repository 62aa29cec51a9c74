"""Storage as a corridor: how much energy may have been used by when, as polygons."""

from collections.abc import Sequence
from itertools import pairwise

from mpp_sdk.flexoffer.model import EnergyRange, Polygon

_WH = 1_000


def polygons(slices: Sequence[EnergyRange], corridor: Sequence[EnergyRange]) -> tuple[Polygon, ...]:
    """Return, for each slice, which energy in it goes with which energy in all before, in kWh.

    corridor, in Wh, has the energy that may have been used before the first slice, and after each.
    Raises LookupError when there is no way through.
    """
    reachable = _reachable(slices, corridor)
    return tuple(
        _polygon(part, before, after)
        for part, (before, after) in zip(slices, pairwise(reachable), strict=True)
    )


def _reachable(slices: Sequence[EnergyRange], corridor: Sequence[EnergyRange]) -> list[EnergyRange]:
    """Return the part of the corridor that can be reached, and left again to its end."""
    lower, upper = [one.lower for one in corridor], [one.upper for one in corridor]
    for k, part in enumerate(slices):
        lower[k + 1] = max(lower[k + 1], lower[k] + part.lower)
        upper[k + 1] = min(upper[k + 1], upper[k] + part.upper)
    for k, part in reversed(list(enumerate(slices))):
        lower[k] = max(lower[k], lower[k + 1] - part.upper)
        upper[k] = min(upper[k], upper[k + 1] - part.lower)
    found = [EnergyRange(low, high) for low, high in zip(lower, upper, strict=True)]
    if any(one.lower > one.upper for one in found):
        raise LookupError("No energies of the slices keep to the corridor.")
    return found


def _polygon(part: EnergyRange, before: EnergyRange, after: EnergyRange) -> Polygon:
    """Return the vertices, counterclockwise: along the least energies, and back along the most."""

    def least(x: int) -> int:
        return max(part.lower, after.lower - x)

    def most(x: int) -> int:
        return min(part.upper, after.upper - x)

    bends = (after.lower - part.lower, after.upper - part.upper)
    inner = {x for x in bends if before.lower < x < before.upper}
    positions = sorted({before.lower, before.upper} | inner)
    below = [(x, least(x)) for x in positions]
    above = [(x, most(x)) for x in reversed(positions)]
    vertices = dict.fromkeys(below + above)  # in their order, each once
    return tuple((x / _WH, y / _WH) for x, y in vertices)

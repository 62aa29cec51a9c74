"""The rules of an area on the map that a contract cannot express (RFC 7946)."""

import math
from collections.abc import Iterator
from typing import Any

from mpp_sdk.contracts.marketplace.models import Area, AreaType
from mpp_sdk.errors import FieldError, InvalidInput

MOST_POSITIONS = 2000
_FEWEST_IN_RING = 4
_MOST_ERRORS = 20
_LIMITS = (("longitude", 180.0), ("latitude", 90.0))


def check_area(area: Area, pointer: str = "/area") -> None:
    """Raise InvalidInput, naming each place, unless an area is made of closed rings of positions.

    There are at most 2,000 positions in all.
    """
    found = []
    for error in _errors(area, f"{pointer}/coordinates"):
        found.append(error)
        if len(found) == _MOST_ERRORS:
            break
    if found:
        raise InvalidInput(found[0].detail, found)


def _errors(area: Area, pointer: str) -> Iterator[FieldError]:
    rings: list[tuple[str, Any]] = []
    if area.type is AreaType.POLYGON:
        rings += _numbered(pointer, area.coordinates)
    else:
        for place, polygon in _numbered(pointer, area.coordinates):
            if not polygon:
                yield FieldError(place, "ring", "A polygon has at least one ring.")
            rings += _numbered(place, polygon)
    positions = sum(len(ring) for _, ring in rings if isinstance(ring, list))
    if positions > MOST_POSITIONS:
        yield FieldError(
            pointer,
            "mostPositions",
            f"There are {positions:,} positions; at most {MOST_POSITIONS:,} are taken.",
        )
        return
    for place, ring in rings:
        yield from _of_ring(ring, place)


def _of_ring(ring: Any, place: str) -> Iterator[FieldError]:
    if not isinstance(ring, list):
        yield FieldError(place, "ring", "This must be a ring: a list of positions.")
        return
    if len(ring) < _FEWEST_IN_RING:
        yield FieldError(place, "ring", "A ring has at least four positions.")
        return
    wrong = [error for number, one in _numbered(place, ring) for error in _of_position(one, number)]
    yield from wrong
    if not wrong and ring[0] != ring[-1]:
        last = f"{place}/{len(ring) - 1}"
        yield FieldError(last, "closedRing", "A ring ends with the position that it begins with.")


def _of_position(position: Any, place: str) -> Iterator[FieldError]:
    if not isinstance(position, list) or len(position) != len(_LIMITS):
        yield FieldError(place, "position", "A position is [longitude, latitude].")
        return
    for number, (value, (name, limit)) in enumerate(zip(position, _LIMITS, strict=True)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or abs(value) > limit:
            said = f"The {name} is a number from {-limit:g} to {limit:g}."
            yield FieldError(f"{place}/{number}", name, said)


def _numbered(pointer: str, items: Any) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(items):
        yield f"{pointer}/{number}", item

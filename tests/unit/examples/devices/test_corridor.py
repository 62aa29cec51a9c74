"""The polygons of a corridor hold exactly the ways through it."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from examples.devices.corridor import polygons
from mpp_sdk.flexoffer.feasibility import contains
from mpp_sdk.flexoffer.model import EnergyRange
from mpp_sdk.flexoffer.rules import is_convex


def ranges(low: int, high: int) -> st.SearchStrategy[EnergyRange]:
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda ends: EnergyRange(min(ends), max(ends))
    )


@given(st.lists(st.tuples(ranges(-4, 4), ranges(-6, 6)), min_size=1, max_size=4))
def test_a_point_is_inside_exactly_when_a_way_leads_through_it(
    given_slices: list[tuple[EnergyRange, EnergyRange]],
) -> None:
    slices = [part for part, _ in given_slices]
    corridor = [EnergyRange(0, 0), *(after for _, after in given_slices)]
    ways = _ways(slices, corridor)
    assume(ways)
    found = polygons(slices, corridor)
    for number, (polygon, part) in enumerate(zip(found, slices, strict=True)):
        assert is_convex(polygon)
        led_through = {(way[number], way[number + 1] - way[number]) for way in ways}
        for before in range(-7, 8):
            for energy in range(part.lower - 1, part.upper + 2):
                inside = contains(polygon, before / 1_000, energy / 1_000)
                assert inside == ((before, energy) in led_through)


def test_a_corridor_that_cannot_be_kept_to_is_refused() -> None:
    with pytest.raises(LookupError, match="keep to the corridor"):
        polygons([EnergyRange(0, 5)], [EnergyRange(0, 0), EnergyRange(6, 9)])


def _ways(slices: list[EnergyRange], corridor: list[EnergyRange]) -> list[tuple[int, ...]]:
    """Return every way in whole Wh: the energy before each slice and in the end."""
    ways: list[tuple[int, ...]] = [(0,)]
    for part, after in zip(slices, corridor[1:], strict=True):
        ways = [
            (*way, way[-1] + energy)
            for way in ways
            for energy in range(part.lower, part.upper + 1)
            if after.lower <= way[-1] + energy <= after.upper
        ]
    assert all(len(list(pairwise(way))) == len(slices) for way in ways)
    return ways

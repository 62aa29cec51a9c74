"""The land that a view shows, as paths: one for each chosen country, one for all the others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from marketplace.website.maps.lines import clipped, path, thinned
from marketplace.website.maps.mercator import Box, Line, joined
from marketplace.website.maps.outlines import Outlines, outlines
from marketplace.website.maps.view import View

_COARSER = 1.5
_BEYOND = 8.0  # units outside of the picture, where the line along a cut is not seen
_SPOT = 9.0  # units: what is smaller is marked by a spot


@dataclass(frozen=True)
class Detail:
    """How finely land is drawn: units between points, and decimals."""

    tolerance: float = 1.0
    digits: int = 0


@dataclass(frozen=True)
class Chosen:
    """A chosen country: its path, and its middle when it is too small to be seen as a path."""

    code: str
    path: str
    spot: tuple[int, int] | None


@dataclass(frozen=True)
class Land:
    """All land of a view."""

    others: str
    chosen: tuple[Chosen, ...]

    @property
    def length(self) -> int:
        """Return how many characters all paths have."""
        return len(self.others) + sum(len(each.path) for each in self.chosen)


@lru_cache(maxsize=64)
def land(view: View, countries: frozenset[str], detail: Detail, limit: int) -> Land:
    """Return the land of a view, as coarse as it must be for so many characters."""
    found = _land(view, countries, detail)
    while found.length > limit:
        detail = Detail(detail.tolerance * _COARSER, detail.digits)
        found = _land(view, countries, detail)
    return found


def in_view(view: View, ring: Line, turns: Iterable[int]) -> Iterator[Line]:
    """Return what of a ring on the picture is seen, for every turn by which it is."""
    for turn in turns:
        shifted = [(x + turn * view.turn, y) for x, y in ring] if turn else ring
        cut = clipped(shifted, -_BEYOND, -_BEYOND, view.width + _BEYOND, view.height + _BEYOND)
        if len(cut) > 2:
            yield cut


def _land(view: View, countries: frozenset[str], detail: Detail) -> Land:
    known = outlines()
    lines: dict[int, Line] = {}
    others: list[Line] = []
    chosen = []
    for code in known.countries:
        rings = list(_country(code, known, lines, view, detail.tolerance))
        if code not in countries:
            others += rings
        elif rings:
            chosen.append(Chosen(code, path(rings, detail.digits), _spot(rings)))
    return Land(path(others, detail.digits), tuple(chosen))


def _country(
    code: str, known: Outlines, lines: dict[int, Line], view: View, tolerance: float
) -> Iterator[Line]:
    """Return a country's rings; a border in `lines` is thinned already, by a neighbour."""
    for ring in known.countries[code].rings:
        if turns := view.turns(ring.box):
            for arc in (arc if arc >= 0 else ~arc for arc in ring.arcs):
                if arc not in lines:
                    lines[arc] = thinned(view.placed(known.arcs[arc]), tolerance)
            yield from in_view(view, joined(ring.arcs, lines), turns)


def _spot(rings: Sequence[Line]) -> tuple[int, int] | None:
    box = Box.of(point for ring in rings for point in ring)
    if max(box.east - box.west, box.north - box.south) >= _SPOT:
        return None
    return round((box.west + box.east) / 2), round((box.south + box.north) / 2)

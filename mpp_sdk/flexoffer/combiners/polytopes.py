"""Flex-offers whose slices are bound together by A·x <= b.

The sum of polytopes takes exponentially many rows to write down. Here each member does a scaled and
moved copy of one shape (L. Zhao et al., A Geometric Approach to Aggregate Flexibility Modeling of
Thermostatically Controlled Loads, 2017). The shape is the smallest one around the sum that is made
of the members' own rows: where the members are such copies themselves, the result is their sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.combiners.combination import (
    Combination,
    check_layout,
    offer_like,
    summed_default,
)
from mpp_sdk.flexoffer.combiners.dependencies import kept_of
from mpp_sdk.flexoffer.linear import WH_PER_KWH, Floats, Rows, bounds, constraints, solve
from mpp_sdk.flexoffer.model import FlexOffer, Polytope, Profile, Slice
from mpp_sdk.flexoffer.rules import MAX_ROWS

_EXACT = 1e-9


@dataclass(frozen=True)
class Polytopes:
    """Combines what has a polytope; totals and polygons, where there are any, are rows of it.

    The copies are laid so that they are as large as can be, or, when the sum of the defaults would
    not be admitted so, about the defaults.
    """

    def combine(self, members: Sequence[FlexOffer]) -> Combination:
        """Return the combination; it has a polytope and can be combined again.

        Raises InvalidInput when it would have more rows than a polytope may have.
        """
        check_layout(members)
        sets = [_rows_of(member) for member in members]
        shape = _around(sets)
        default = np.array(summed_default(members)) / WH_PER_KWH
        copies = _Copies.largest(sets, shape)
        if not copies.admits(default):
            own = np.array([member.default.energies for member in members]) / WH_PER_KWH
            copies = _Copies.about(own, sets, shape)
        first = members[0].profile
        rows = copies.rows()
        least, most = copies.box()
        profile = Profile(
            tuple(
                Slice(int(np.floor(low)), int(np.ceil(high)), part.duration)
                for low, high, part in zip(
                    least * WH_PER_KWH, most * WH_PER_KWH, first.slices, strict=True
                )
            ),
            polytope=Polytope(tuple(map(tuple, rows.a.tolist())), tuple(rows.b.tolist())),
            lead=first.lead,
        )
        offer = offer_like(members, profile)

        def measure() -> float:
            return kept_of(offer, members)

        def split(energies: Sequence[float]) -> list[Sequence[float]]:
            parts = copies.split(np.array(energies) / WH_PER_KWH) * WH_PER_KWH
            return [tuple(part) for part in parts.tolist()]

        return Combination(offer, split, measure)


@dataclass(frozen=True)
class _Copies:
    """Copies of a shape, one in each member: a row of places for each, and how large it is."""

    shape: Rows
    places: Floats
    scales: Floats

    @classmethod
    def largest(cls, sets: Sequence[Rows], shape: Rows) -> "_Copies":
        """Return the largest copies that lie in the members, wherever that is in them."""
        reach = _reach(shape)
        found = [_largest(rows, reach) for rows in sets]
        return cls(
            shape, np.array([place for place, _ in found]), np.array([scale for _, scale in found])
        )

    @classmethod
    def about(cls, places: Floats, sets: Sequence[Rows], shape: Rows) -> "_Copies":
        """Return the largest copies of the shape, moved to 0, that lie in the members there."""
        moved = Rows(shape.a, shape.b - shape.a @ places.sum(axis=0))
        reach = _reach(moved)
        scales = []
        for place, rows in zip(places, sets, strict=True):
            far = np.array([reach[tuple(row)] for row in rows.a])
            room = np.maximum(rows.b - rows.a @ place, 0.0)
            bound = far > _EXACT
            scales.append(float(np.min(room[bound] / far[bound], initial=1.0)))
        return cls(moved, places, np.array(scales))

    @property
    def scale(self) -> float:
        """How large the sum of the copies is, as a share of the shape."""
        return float(self.scales.sum())

    def rows(self) -> Rows:
        """Return the rows of the sum of the copies: it is one as well."""
        return Rows(self.shape.a, self.scale * self.shape.b + self.shape.a @ self.places.sum(0))

    def box(self) -> tuple[Floats, Floats]:
        """Return the least and the most of each slice."""
        reach, n = _reach(self.shape), self.places.shape[1]
        unit, base = np.eye(n), self.places.sum(axis=0)
        high = np.array([reach[tuple(row)] for row in unit])
        low = np.array([reach[tuple(row)] for row in -unit + 0.0])
        return base - self.scale * low, base + self.scale * high

    def admits(self, energies: Floats) -> bool:
        """Return whether energies, in kWh, are in the sum of the copies."""
        rows = self.rows()
        return bool((rows.a @ energies <= rows.b + _EXACT / 2).all())

    def split(self, energies: Floats) -> Floats:
        """Return what each member, in its row, does of energies, in kWh."""
        shares = np.full(len(self.scales), 1 / len(self.scales))  # of what rounding left
        if self.scale > _EXACT:
            shares = self.scales / self.scale
        return np.asarray(self.places + np.outer(shares, energies - self.places.sum(axis=0)))


def _rows_of(member: FlexOffer) -> Rows:
    """Return all rows of a member's profile, bounds included; each reached by some energies."""
    lower, upper = bounds(member.profile, member.interval)
    unit = np.eye(len(lower))
    rows = constraints(member.profile) + Rows(
        np.vstack((unit, -unit + 0.0)), np.concatenate((upper, -lower))
    )
    useful = np.any(rows.a != 0, axis=1)
    return Rows(rows.a[useful], rows.b[useful])


def _around(sets: Sequence[Rows]) -> Rows:
    """Return the smallest set around the sum of sets that is made of their rows."""
    directions = np.unique(np.vstack([rows.a for rows in sets]), axis=0)
    if len(directions) > MAX_ROWS:
        raise InvalidInput.field(
            "/members", "maxItems", f"Together they have more than {MAX_ROWS} different rows."
        )
    known: dict[bytes, Floats] = {}
    far = np.zeros(len(directions))
    for rows in sets:
        key = rows.a.tobytes() + rows.b.tobytes()
        if key not in known:
            known[key] = np.array([_most(rows, direction) for direction in directions])
        far += known[key]
    return Rows(directions, far)


def _most(rows: Rows, direction: Floats) -> float:
    """Return the most that a direction can have in a bounded set."""
    found = solve(direction, rows, [(None, None)] * len(direction))
    if found is None:
        raise InvalidInput.field("/members", "feasible", "A member's constraints exclude all.")
    return float(direction @ found)


def _reach(shape: Rows) -> dict[tuple[float, ...], float]:
    """Return how far a shape reaches in the direction of each of its rows: all are reached."""
    return dict(zip(map(tuple, shape.a.tolist()), shape.b.tolist(), strict=True))


def _largest(rows: Rows, reach: dict[tuple[float, ...], float]) -> tuple[Floats, float]:
    """Return the place and the scale of the largest copy of a shape in a set."""
    n = rows.a.shape[1]
    far = np.array([reach[tuple(row)] for row in rows.a.tolist()])
    size = np.zeros(n + 1)
    size[-1] = 1.0
    found = solve(
        size, Rows(np.column_stack((rows.a, far)), rows.b), [(None, None)] * n + [(0.0, 1.0)]
    )
    if found is None:
        raise InvalidInput.field("/members", "feasible", "A member's constraints exclude all.")
    return found[:-1], float(found[-1])

"""Flex-offers whose energy in a slice depends on the energy before it.

The polygons of L. Siksnys and T. B. Pedersen, Dependency-based FlexOffers, e-Energy 2016 (D2.1,
7.1). To sum them up promises what the members cannot do. Here all members follow one position:
where, from 0 to 1, a member's energy so far is in the range that it can be in. What all of them can
follow is a polygon of the positions before and after a slice, and with it one of their energy in
all. The half-way position is always in it: a member's ways from one range into the next touch all
four sides of the unit square, and what is convex and touches these contains the centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.combiners.combination import (
    Combination,
    check_layout,
    offer_like,
    summed_default,
)
from mpp_sdk.flexoffer.combiners.regions import (
    EXACT,
    ROOM,
    TOUCHING,
    Counts,
    follow,
    shared_hexagon,
    shared_region,
    walk,
)
from mpp_sdk.flexoffer.feasibility import contains
from mpp_sdk.flexoffer.linear import WH_PER_KWH, Floats, bounds, spread
from mpp_sdk.flexoffer.model import FlexOffer, Polygon, Profile, Slice
from mpp_sdk.flexoffer.rules import is_convex

_MEASURED = 16


@dataclass(frozen=True)
class Positions:
    """What members can do that follow one position.

    A member's energy in all, in kWh, is its anchor and the position times its width, before the
    first slice and after each: rows are these moments, columns the members. regions, one per slice,
    has the corners of what the position can be before and after it.
    """

    anchors: Floats
    widths: Floats
    regions: tuple[Floats, ...]

    @cached_property
    def anchor(self) -> Floats:
        """The sum of the anchors."""
        return np.asarray(self.anchors.sum(axis=1))

    @cached_property
    def width(self) -> Floats:
        """The sum of the widths."""
        return np.asarray(self.widths.sum(axis=1))

    @cached_property
    def polygons(self) -> tuple[Polygon, ...]:
        """The polygon, in kWh, of what all have done before a slice and do in it, for each."""
        return tuple(
            _polygon(region * self.width[t : t + 2] + self.anchor[t : t + 2])
            for t, region in enumerate(self.regions)
        )

    def at(self, energies: Floats) -> Floats:
        """Return the positions that make up energies, in kWh, one per slice."""
        reached = np.concatenate(([0.0], np.cumsum(energies)))
        moves = self.width > EXACT
        return np.where(moves, (reached - self.anchor) / np.where(moves, self.width, 1.0), 0.0)

    def split(self, energies: Floats) -> Floats:
        """Return the energies of each slice (row) and member (column) that sum up to energies."""
        return follow(self.anchors, self.widths, self.at(energies))


@dataclass(frozen=True)
class Devices:
    """Many devices, by how little and how much energy they take, in kWh, as columns.

    lower and upper bound the energy in a slice; least and most that in all at the end of it. Rows
    are slices, columns devices.
    """

    lower: Floats
    upper: Floats
    least: Floats
    most: Floats

    def combine(self) -> Positions:
        """Return what they can do together, from the inside.

        Raises InvalidInput when a device can do nothing, or the columns do not go together.
        """
        columns = (self.lower, self.upper, self.least, self.most)
        if any(one.shape != self.lower.shape or one.ndim != 2 for one in columns):
            raise InvalidInput.field("/devices", "shape", "The columns have different shapes.")
        if not all(np.isfinite(one.sum()) for one in columns):
            raise InvalidInput.field("/devices", "finite", "There must be finite numbers only.")
        low, high = self._ranges()
        width = np.subtract(high, low, out=high)
        if width.min(initial=0.0) < -TOUCHING:
            stuck = np.flatnonzero((width < -TOUCHING).any(axis=0))
            raise InvalidInput.field(
                f"/devices/{stuck[0]}",
                "reachable",
                f"{len(stuck)} devices cannot keep to their bounds, this one first.",
            )
        np.maximum(width, 0.0, out=width)
        regions = []
        for t, (lower, upper) in enumerate(zip(self.lower, self.upper, strict=True)):
            corners = _rectangle(0.0, 1.0)
            count = shared_hexagon(lower, upper, low[t : t + 2], width[t : t + 2], corners)
            regions.append(_found(corners, count))
        return Positions(low, width, tuple(regions))

    def _ranges(self) -> tuple[Floats, Floats]:
        """Return how little and how much each can have taken, before slice 0 and after each."""
        slices, devices = self.lower.shape
        low, high = np.zeros((slices + 1, devices)), np.zeros((slices + 1, devices))
        for t in range(slices):
            np.maximum(np.add(low[t], self.lower[t], out=low[t + 1]), self.least[t], out=low[t + 1])
            np.minimum(
                np.add(high[t], self.upper[t], out=high[t + 1]), self.most[t], out=high[t + 1]
            )
        before = np.empty(devices)
        for t in reversed(range(slices)):
            np.maximum(low[t], np.subtract(low[t + 1], self.upper[t], out=before), out=low[t])
            np.minimum(high[t], np.subtract(high[t + 1], self.lower[t], out=before), out=high[t])
        return low, high


@dataclass(frozen=True)
class Dependencies:
    """Combines what has dependencies, with bounds per slice and a total, if any, inside of them.

    The positions count from the least energy that a member can have taken, or, when the sum of the
    defaults would not be admitted so, from its default.
    """

    def combine(self, members: Sequence[FlexOffer]) -> Combination:
        """Return the combination; it is dependency-based and can be combined again."""
        check_layout(members)
        ways = _Ways.of(members)
        default = np.array(summed_default(members)) / WH_PER_KWH
        positions = ways.shared(ways.low, default)
        if positions is None:
            own = np.array([member.default.energies for member in members]).T / WH_PER_KWH
            positions = ways.shared(np.vstack((np.zeros(len(members)), np.cumsum(own, 0))), default)
        if positions is None:
            raise InvalidInput.field(
                "/members", "default", "The members' defaults keep to their polygons too narrowly."
            )
        found = positions
        first = members[0].profile
        slices = []
        for part, polygon in zip(first.slices, found.polygons, strict=True):
            energies = [WH_PER_KWH * energy for _, energy in polygon]
            lower, upper = int(np.floor(min(energies))), int(np.ceil(max(energies)))
            slices.append(Slice(lower, upper, part.duration))
        profile = Profile(tuple(slices), dependencies=found.polygons, lead=first.lead)
        offer = offer_like(members, profile)

        def measure() -> float:
            return kept_of(offer, members)

        def split(energies: Sequence[float]) -> list[Sequence[float]]:
            parts = found.split(np.array(energies) / WH_PER_KWH) * WH_PER_KWH
            return [tuple(part) for part in parts.T.tolist()]

        return Combination(offer, split, measure)


def kept_of(offer: FlexOffer, members: Sequence[FlexOffer]) -> float:
    """Return the share of the members' spread that an offer in their place has.

    Of more than 16 members, 16 stand for all, evenly taken.
    """
    chosen = np.linspace(0, len(members) - 1, min(len(members), _MEASURED)).round().astype(int)
    own = sum(spread(members[i].profile, members[i].interval) for i in chosen)
    own *= len(members) / len(chosen)
    return spread(offer.profile, offer.interval) / own if own > EXACT else 1.0


@dataclass(frozen=True)
class _Ways:
    """The polygons of members, padded, with their bounds, and the ranges that they can be in."""

    polygons: Floats  # member, slice, corner, axis
    counts: Counts  # member, slice
    bounds: Floats  # member, slice, lower and upper
    low: Floats  # moment, member
    high: Floats

    @classmethod
    def of(cls, members: Sequence[FlexOffer]) -> "_Ways":
        slices = len(members[0].profile.slices)
        most = max(len(one) for member in members for one in member.profile.dependencies)
        shape = (len(members), slices)
        polygons, counts = np.zeros((*shape, most, 2)), np.zeros(shape, np.int64)
        bound = np.zeros((*shape, 2))
        low, high = np.zeros((slices + 1, len(members))), np.zeros((slices + 1, len(members)))
        for i, member in enumerate(members):
            profile = member.profile
            for t, polygon in enumerate(profile.dependencies):
                polygons[i, t, : len(polygon)] = polygon
                counts[i, t] = len(polygon)
            lower, upper = bounds(profile, member.interval)
            bound[i, :, 0], bound[i, :, 1] = lower, upper
            total = profile.total
            low[:, i], high[:, i], stuck = walk(
                polygons[i],
                counts[i],
                lower,
                upper,
                total.lower / WH_PER_KWH if total else -np.inf,
                total.upper / WH_PER_KWH if total else np.inf,
            )
            if stuck >= 0:
                raise InvalidInput.field(
                    f"/members/{i}/dependencies/{stuck}",
                    "reachable",
                    "No energies lead from 0 through this polygon to the end.",
                )
        return cls(polygons, counts, bound, low, high)

    def shared(self, anchors: Floats, energies: Floats) -> Positions | None:
        """Return what can be done together from anchors on; nothing if not energies, in kWh."""
        widths = np.maximum(self.high - self.low, 0.0)
        found = Positions(anchors, widths, ())
        points = found.at(energies)
        if np.abs(found.split(energies).sum(axis=1) - energies).max() > TOUCHING:
            return None
        regions = []
        for t in range(len(energies)):
            corners = _rectangle(-1.0, 1.0)
            count = shared_region(
                np.ascontiguousarray(self.polygons[:, t]),
                np.ascontiguousarray(self.counts[:, t]),
                np.ascontiguousarray(self.bounds[:, t]),
                anchors[t : t + 2],
                widths[t : t + 2],
                self.low[t : t + 2],
                self.high[t : t + 2],
                points[t : t + 2],
                corners,
            )
            if count == 0:
                return None
            regions.append(corners[:count].copy())
        found = Positions(anchors, widths, tuple(regions))
        return found if _admits(found, energies) else None


def _admits(positions: Positions, energies: Floats) -> bool:
    before = np.concatenate(([0.0], np.cumsum(energies)))
    return all(
        contains(polygon, float(before[t]), float(energies[t]))
        for t, polygon in enumerate(positions.polygons)
    )


def _rectangle(low: float, high: float) -> Floats:
    corners = np.empty((ROOM + 2, 2))
    corners[:4] = [(low, low), (high, low), (high, high), (low, high)]
    return corners


def _found(corners: Floats, count: int) -> Floats:
    if count == 0:
        raise RuntimeError("Devices could not follow the half-way position.")
    return corners[:count].copy()


def _polygon(moments: Floats) -> Polygon:
    """Return the polygon of energies before a slice and in it, from those before and after it."""
    corners = np.column_stack((moments[:, 0], moments[:, 1] - moments[:, 0]))
    found = _hull([(float(x), float(y)) for x, y in corners])
    if is_convex(found):
        return found
    return min(found), max(found)  # as thin as rounding


def _hull(corners: Sequence[tuple[float, float]]) -> Polygon:
    """Return the corners of the convex hull, counterclockwise, without those that rounding made."""
    size = max(abs(number) for corner in corners for number in corner) or 1.0
    near = 1e-14 * size
    distinct: list[tuple[float, float]] = []
    for corner in sorted(corners):
        if all(abs(corner[0] - x) > near or abs(corner[1] - y) > near for x, y in distinct):
            distinct.append(corner)
    if len(distinct) <= 2:
        return tuple(distinct)

    def half(ordered: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in ordered:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return tuple(half(distinct) + half(distinct[::-1]))

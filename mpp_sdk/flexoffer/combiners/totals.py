"""Flex-offers whose slices have bounds, and whose energy in all has bounds too.

Such a set is a generalised polymatroid, and the sum of many is one as well (A. Frank, Connections
in Combinatorial Optimization, 2011): whole energies that the sum admits can be split in
whole energies. But the sum is in general not bounds and a total again; to sum up the totals
promises what the members cannot do. Here is the widest of some sets of that form inside of the sum.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.combiners.combination import (
    Combination,
    check_layout,
    offer_like,
    summed_default,
)
from mpp_sdk.flexoffer.combiners.flow import settle_rows
from mpp_sdk.flexoffer.linear import Floats, price_curves
from mpp_sdk.flexoffer.model import EnergyRange, FlexOffer, Profile, Slice

Integers = NDArray[Any]
"""Python's own integers in an array: products of energies in Wh do not fit into 64 bits."""


@dataclass(frozen=True)
class _Sets:
    """Bounds per slice, and in the last column those of the total; a row for each set."""

    lower: Integers
    upper: Integers

    def tight(self) -> "_Sets":
        """Return the same sets with bounds that are all reached; lower > upper for an empty one."""
        lower, upper = self.lower[..., :-1], self.upper[..., :-1]
        least, most = lower.sum(axis=-1, keepdims=True), upper.sum(axis=-1, keepdims=True)
        low = np.maximum(self.lower[..., -1:], least)
        high = np.minimum(self.upper[..., -1:], most)
        return _Sets(
            _joined(np.maximum(lower, upper - most + low), low),
            _joined(np.minimum(upper, lower - least + high), high),
        )

    def summed(self) -> "_Sets":
        """Return the one set whose bounds are the sums: it holds the sum of the sets, and more."""
        return _Sets(self.lower.sum(axis=0), self.upper.sum(axis=0))

    def spread(self) -> float:
        """Return what the dearest costs above the cheapest, over the price curves and all sets."""
        lower = self.lower.astype(float)
        room = self.upper.astype(float) - lower
        least, most = (
            bound[..., -1:].astype(float) - lower[..., :-1].sum(axis=-1, keepdims=True)
            for bound in (self.lower, self.upper)
        )
        return sum(
            _most(room[..., :-1], least, most, sign * prices)
            for prices in price_curves(room.shape[-1] - 1)
            for sign in (1.0, -1.0)
        )


@dataclass(frozen=True)
class _Form:
    """A set inside of the sum, and where to begin the search for how it is split.

    The energy above the sum of the anchors, in each slice, is first split by the weights.
    """

    of: _Sets
    anchors: Integers
    weights: Integers


@dataclass(frozen=True)
class Totals:
    """Combines what has bounds per slice, and a total.

    Copies of one shape, scaled and moved, combine exactly. Otherwise the widest of these is taken:
    each member does a fixed share of what is above its lower bounds, below its upper bounds, or off
    its default; or the slices have the sums as bounds, and the total is narrowed.
    """

    def combine(self, members: Sequence[FlexOffer]) -> Combination:
        """Return the combination; its energies, and those that they are split in, are whole Wh."""
        check_layout(members)
        sets = _sets_of(members)
        summed = sets.summed()
        default = np.array(summed_default(members), dtype=object)
        form = max(
            (form for form in _forms(sets, members) if _admits(form.of, default)),
            key=lambda form: form.of.spread(),
        )

        def measure() -> float:
            if np.array_equal(form.of.lower, summed.lower) and np.array_equal(
                form.of.upper, summed.upper
            ):
                return 1.0
            return form.of.spread() / sets.spread()

        def split(energies: Sequence[float]) -> list[Sequence[float]]:
            return _split(energies, form, sets)

        lower, upper = form.of.lower.tolist(), form.of.upper.tolist()
        first = members[0].profile
        profile = Profile(
            tuple(
                Slice(low, high, part.duration)
                for low, high, part in zip(lower[:-1], upper[:-1], first.slices, strict=True)
            ),
            EnergyRange(lower[-1], upper[-1]),
            lead=first.lead,
        )
        return Combination(offer_like(members, profile), split, measure)


def _sets_of(members: Sequence[FlexOffer]) -> _Sets:
    lower, upper = [], []
    for member in members:
        ranges = [part.bounds(member.interval) for part in member.profile.slices]
        low, high = [one.lower for one in ranges], [one.upper for one in ranges]
        total = member.profile.total or EnergyRange(sum(low), sum(high))
        lower.append([*low, total.lower])
        upper.append([*high, total.upper])
    return _Sets(np.array(lower, dtype=object), np.array(upper, dtype=object)).tight()


def _forms(sets: _Sets, members: Sequence[FlexOffer]) -> Iterator[_Form]:
    """Yield sets inside of the sum; the one about the defaults, at least, admits their sum."""
    lower, upper = sets.lower[:, :-1], sets.upper[:, :-1]
    defaults = np.array([member.default.energies for member in members], dtype=object)
    above = sets.upper[:, -1] - lower.sum(axis=1)
    below = upper.sum(axis=1) - sets.lower[:, -1]
    width = (upper - lower).sum(axis=1)
    for anchors, shares in (
        (lower, above),
        (upper, below),
        (defaults, width),
        (defaults, sets.upper[:, -1] - sets.lower[:, -1]),
    ):
        form = _shared(sets, anchors, shares)
        if form is not None:
            yield form
    yield _Form(_widest(sets), lower, upper - lower)


def _shared(sets: _Sets, anchors: Integers, shares: Integers) -> _Form | None:
    """Return what can be done when each member does its share of all that is off the anchors.

    A fraction s/S of y is within a member's bounds when y is within S/s times these; whole bounds
    are rounded to the inside, and then whole energies can be split in whole energies.
    """
    anchors_too = _joined(anchors, anchors.sum(axis=1, keepdims=True))
    idle = shares == 0
    if (anchors_too[idle] < sets.lower[idle]).any() or (anchors_too[idle] > sets.upper[idle]).any():
        return None
    base, whole = anchors_too.sum(axis=0), shares.sum()
    share = shares[~idle, None]
    if not len(share):
        return _Form(_Sets(base, base), anchors, np.ones_like(anchors))
    found = _Sets(
        base - ((anchors_too - sets.lower)[~idle] * whole // share).min(axis=0),
        base + ((sets.upper - anchors_too)[~idle] * whole // share).min(axis=0),
    )
    weights = np.broadcast_to(shares[:, None], anchors.shape)
    return _Form(found.tight(), anchors, weights)


def _widest(sets: _Sets) -> _Sets:
    """Return the sums of the slices' bounds, and a total that is sound with them."""
    summed = sets.summed()
    width = (sets.upper - sets.lower)[:, :-1]
    most = sets.upper[:, -1] - sets.lower[:, :-1].sum(axis=1)
    least = sets.upper[:, :-1].sum(axis=1) - sets.lower[:, -1]
    upper, lower = summed.upper.copy(), summed.lower.copy()
    upper[-1] = summed.lower[:-1].sum() + _sound_total(width, most)
    lower[-1] = summed.upper[:-1].sum() - _sound_total(width, least)
    return _Sets(lower, upper).tight()


def _sound_total(width: Integers, most: Integers) -> int:
    """Return how much energy can be had in all when each slice can be had up to its full width.

    Energies y are the members' when no slices S hold more than f(S), the sum over the members of
    min(width(S), most). The total has to see to that wherever f(S) is less than the width of S,
    which is where S is wider than some member's most: f(S) is then at least that most, and of the
    others' widths a share each, as min is concave. The least of this over all such S is bounded
    from below by filling the member's most with the slices that are the cheapest in the others'.
    """
    full = width.sum(axis=1)
    total = int(most.sum())
    binding = np.flatnonzero(most < full)
    if not len(binding):
        return total
    wide = width.astype(float)
    share = (most / np.where(full > 0, full, 1)).astype(float)
    column = share @ wide
    found = float(total)
    for member in binding:
        others = column - share[member] * wide[member]
        useful = wide[member] > 0
        order = np.argsort(others[useful] / wide[member][useful])
        own = wide[member][useful][order]
        needed = np.clip(float(most[member]) - np.concatenate(([0.0], np.cumsum(own)[:-1])), 0, own)
        found = min(found, float(most[member]) + float(needed / own @ others[useful][order]))
    return min(total, int(found * (1 - 1e-9)))  # rounding must not make it larger


def _admits(one: _Sets, energies: Integers) -> bool:
    point = _joined(energies, energies.sum(keepdims=True))
    return bool((one.lower <= point).all() and (point <= one.upper).all())


def _split(energies: Sequence[float], form: _Form, sets: _Sets) -> list[Sequence[float]]:
    wanted = np.array([int(energy) for energy in energies], dtype=object)
    if any(energy != int(energy) for energy in energies) or not _admits(form.of, wanted):
        raise InvalidInput.field("/energies", "withinBounds", "The combination does not admit it.")
    over = wanted - form.anchors.sum(axis=0)
    running = np.cumsum(form.weights, axis=0)
    whole = np.where(running[-1] > 0, running[-1], 1)
    until = over * running // whole
    table = form.anchors + np.diff(until, axis=0, prepend=np.zeros((1, len(wanted)), dtype=object))
    cells = table.astype(np.int64)
    bounds = (sets.lower.astype(np.int64), sets.upper.astype(np.int64))
    settled = settle_rows(
        cells,
        np.ascontiguousarray(bounds[0][:, :-1]),
        np.ascontiguousarray(bounds[1][:, :-1]),
        np.ascontiguousarray(bounds[0][:, -1]),
        np.ascontiguousarray(bounds[1][:, -1]),
    )
    if not settled:
        raise RuntimeError("A combination of totals promised what its members cannot do.")
    return [tuple(map(float, row)) for row in cells.tolist()]


def _most(room: Floats, least: Floats, most: Floats, prices: Floats) -> float:
    """Return the most that can be made of prices, the dearest slices filled first.

    room is that above the lower bounds, least and most that of the total; what the lower bounds
    themselves make is left out.
    """
    order = np.argsort(-prices, kind="stable")
    ordered = room[..., order]
    worth = ordered[..., prices[order] > 0].sum(axis=-1, keepdims=True)
    energy = np.clip(worth, least, most)
    before = np.cumsum(ordered, axis=-1) - ordered
    return float((np.clip(energy - before, 0.0, ordered) @ prices[order]).sum())


def _joined(slices: Integers, total: Integers) -> Integers:
    return np.concatenate((slices, total), axis=-1)

"""The slices of an aggregation with those that are added up side by side.

It takes one more copy of the energies, and a few passes over them, once. From then on adding up and
sharing out are as fast as the memory is, on as many processors as there are: for aggregates that
are scheduled again and again.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mpp_sdk.flexoffer import kernels
from mpp_sdk.flexoffer.aggregation import Aggregation, deviations
from mpp_sdk.flexoffer.columns import Codes, Energies, Ints, Schedules

T = TypeVar("T")

_WORTH_A_THREAD = 250_000  # slices: fewer are done before a thread has begun


@dataclass(frozen=True, eq=False)
class Contiguous:
    """The energies of an aggregation's offers, by aggregate, by slot, by offer.

    Those of a slot are from begins[slot] to begins[slot + 1]; the slots are the slices of the
    aggregates.
    """

    aggregation: Aggregation
    begins: Ints
    default: Energies
    down: Energies
    up: Energies

    @classmethod
    def of(cls, aggregation: Aggregation) -> "Contiguous":
        """Return the energies of the offers of an aggregation, side by side by slot."""
        where = _where(aggregation)
        begins = kernels.lay_out(*where)
        gathered = []
        offers = aggregation.offers
        for values in (offers.default, offers.down, offers.up):
            gathered.append(np.empty_like(values))
            kernels.gather(*where, begins, values, gathered[-1])
        return cls(aggregation, begins, *gathered)

    def sums(self) -> tuple[Ints, Ints, Ints]:
        """Return the sums by slot: of the default energies, and of how far below and above."""

        def add_up(first: int, last: int) -> tuple[Ints, Ints, Ints]:
            sums: tuple[Ints, Ints, Ints] = kernels.add_up_side_by_side(
                self.begins[first : last + 1], self.default, self.down, self.up
            )
            return sums

        parts = in_parts(add_up, self.begins)
        defaults, downs, ups = (np.concatenate(part) for part in zip(*parts, strict=True))
        return defaults, downs, ups

    def share_out(self, schedules: Schedules, out: Energies | None = None) -> Energies:
        """Return the energies of the plain offers, side by side as they are here.

        They are written to out if it is given, like default: new memory takes a while to get.
        Raises InvalidInput when a schedule breaks what its aggregate allows.
        """
        energies = np.empty_like(self.default) if out is None else out
        deviation, room = deviations(self.aggregation.aggregates, schedules)

        def share_out(first: int, last: int) -> None:
            kernels.share_out_side_by_side(
                self.begins[first : last + 1],
                deviation[first:last],
                room[first:last],
                self.default,
                self.down,
                self.up,
                energies,
            )

        in_parts(share_out, self.begins)
        return energies

    def disaggregate(self, schedules: Schedules) -> Schedules:
        """Return what the aggregation does: the offers' schedules, in their order."""
        gathered = self.share_out(schedules)
        energies = np.empty_like(gathered)
        kernels.scatter(*_where(self.aggregation), self.begins, gathered, energies)
        return self.aggregation.scheduled(schedules, energies)


def in_parts(work: Callable[[int, int], T], begins: Ints) -> list[T]:
    """Return what work gives for slots from a first until a last one, which make up all slots.

    The parts have about as many slices each, and are worked on side by side, one by a processor.
    """
    slots, slices = len(begins) - 1, int(begins[-1])
    parts = max(1, min(os.cpu_count() or 1, slots, slices // _WORTH_A_THREAD))
    if parts == 1:
        return [work(0, slots)]
    cuts = np.searchsorted(begins, np.linspace(0, slices, parts + 1)[1:-1])
    bounds = [0, *cuts.tolist(), slots]
    with ThreadPoolExecutor(parts, "flex-offers") as pool:
        return list(pool.map(work, bounds[:-1], bounds[1:]))


def _where(aggregation: Aggregation) -> tuple[Codes, Ints, Ints, Ints]:
    """Return in which slot of which aggregate each slice of each offer is, as the kernels take."""
    offers, aggregates = aggregation.offers, aggregation.aggregates
    return aggregation.groups, aggregation.positions, offers.offsets, aggregates.offsets

"""The slices of an aggregation with those that are added up side by side.

It takes one more copy of the energies, and a few passes over them, once. From then on adding up and
sharing out are as fast as the memory is: for aggregates that are scheduled again and again.
"""

from dataclasses import dataclass

import numpy as np

from mpp_sdk.flexoffer import kernels
from mpp_sdk.flexoffer.aggregation import Aggregation, deviations
from mpp_sdk.flexoffer.columns import Codes, Energies, Ints, Schedules


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
        sums: tuple[Ints, Ints, Ints] = kernels.add_up_side_by_side(
            self.begins, self.default, self.down, self.up
        )
        return sums

    def share_out(self, schedules: Schedules, out: Energies | None = None) -> Energies:
        """Return the energies of the plain offers, side by side as they are here.

        They are written to out if it is given, like default: new memory takes a while to get.
        Raises InvalidInput when a schedule breaks what its aggregate allows.
        """
        energies = np.empty_like(self.default) if out is None else out
        kernels.share_out_side_by_side(
            self.begins,
            *deviations(self.aggregation.aggregates, schedules),
            self.default,
            self.down,
            self.up,
            energies,
        )
        return energies

    def disaggregate(self, schedules: Schedules) -> Schedules:
        """Return what the aggregation does: the offers' schedules, in their order."""
        gathered = self.share_out(schedules)
        energies = np.empty_like(gathered)
        kernels.scatter(*_where(self.aggregation), self.begins, gathered, energies)
        return self.aggregation.scheduled(schedules, energies)


def _where(aggregation: Aggregation) -> tuple[Codes, Ints, Ints, Ints]:
    """Return in which slot of which aggregate each slice of each offer is, as the kernels take."""
    offers, aggregates = aggregation.offers, aggregation.aggregates
    return aggregation.groups, aggregation.positions, offers.offsets, aggregates.offsets

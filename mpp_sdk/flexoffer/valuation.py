"""How flexible a flex-offer is: in time, in energy, and in both.

The measures are those of Valsomatzis, Hose, Pedersen and Šikšnys, "Measuring and Comparing Energy
Flexibilities", EDBT/ICDT Workshops 2015 (CEUR-WS vol. 1330), with hours and kWh as units:

- time flexibility: by how much the start can be moved;
- energy flexibility: the most energy that it can take in all, less the least;
- product flexibility: the one times the other, which is zero when either is;
- vector flexibility: both side by side, with the length of the vector where one number is needed,
  so that an offer which is flexible in one way only still counts.

What the extensions mean here: power bounds and options narrow the slices; a total energy constraint
narrows the range of the sum, as polytopes and dependencies do, by what can be reached and not by
what the slices add up to. Of several profiles the least and the most are taken over all of them, so
that it is the same whether alternatives are written as options of a slice or as profiles.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.flexoffer.columns import FlexOffers
from mpp_sdk.flexoffer.model import FlexOffer
from mpp_sdk.flexoffer.reach import reach

_HOUR = timedelta(hours=1)
_WH_PER_KWH = 1_000.0


@dataclass(frozen=True, slots=True)
class Flexibility:
    """How flexible one flex-offer is; the energy is in Wh."""

    time: timedelta
    energy: float

    @property
    def hours(self) -> float:
        """The time flexibility in hours."""
        return self.time / _HOUR

    @property
    def kwh(self) -> float:
        """The energy flexibility in kWh."""
        return self.energy / _WH_PER_KWH

    @property
    def product(self) -> float:
        """The product flexibility, in kWh times hours."""
        return self.hours * self.kwh

    @property
    def vector(self) -> tuple[float, float]:
        """The vector flexibility: hours and kWh."""
        return self.hours, self.kwh

    @property
    def length(self) -> float:
        """The Euclidean length of the vector."""
        return math.hypot(*self.vector)


@dataclass(frozen=True, slots=True)
class Flexibilities:
    """How flexible each of many flex-offers is: columns of hours and kWh."""

    hours: NDArray[np.float64]
    kwh: NDArray[np.float64]

    @property
    def product(self) -> NDArray[np.float64]:
        """The product flexibilities, in kWh times hours."""
        return self.hours * self.kwh

    @property
    def length(self) -> NDArray[np.float64]:
        """The Euclidean lengths of the vectors."""
        return np.hypot(self.hours, self.kwh)


def flexibility(offer: FlexOffer, now: datetime) -> Flexibility:
    """Return how flexible an offer is at a moment, which resolves start times that are implicit.

    Raises InvalidInput when a profile has constraints that nothing keeps to.
    """
    return Flexibility(offer.starts(now).flexibility, _energy(offer))


def flexibilities(offers: FlexOffers) -> Flexibilities:
    """Return how flexible each of many offers is, as columns in their order.

    Raises InvalidInput as `flexibility` does.
    """
    running = np.concatenate(([0], np.cumsum(offers.width, dtype=np.int64)))
    energy = np.diff(running[offers.offsets]).astype(float)
    for row in np.flatnonzero(offers.kinds).tolist():
        energy[row] = _energy(offers.objects[row])
    starts = (offers.latest - offers.earliest).astype(np.float64)
    return Flexibilities(starts * (offers.interval / _HOUR), energy / _WH_PER_KWH)


def _energy(offer: FlexOffer) -> float:
    ranges = [reach(profile, offer.interval) for profile in offer.profiles]
    return max(one.most for one in ranges) - min(one.least for one in ranges)

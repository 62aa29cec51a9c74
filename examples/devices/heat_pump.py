"""A heat pump: the house it heats is a store of heat, as far as its people let it be."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, pairwise

from examples.devices.corridor import polygons
from examples.devices.day import Day
from mpp_sdk.flexoffer.model import Default, EnergyRange, FlexOffer, Profile, Slice


@dataclass(frozen=True)
class HeatPump:
    """The house and its heat pump; max_w is electric power.

    Below heats_below_c of outdoor air the house loses loss_w_per_k for each degree; it may get
    band_k warmer or colder than it is set to, and stores wh_per_k of heat in each degree. The heat
    for 1 Wh of electricity is that at 0 °C and its change with each degree of the day's mean.
    """

    max_w: int
    loss_w_per_k: int
    wh_per_k: int
    band_k: float = 0.5
    heats_below_c: float = 17.0
    heat_at_0c: float = 3.0
    heat_per_k: float = 0.07
    price: Decimal = Decimal("0.03")

    @property
    def stated(self) -> str:
        """Its parameters in a sentence."""
        return (
            f"{self.max_w / 1_000:g} kW; below {self.heats_below_c:g} °C the house loses"
            f" {self.loss_w_per_k} W/K; it stores {self.wh_per_k / 1_000:g} kWh/K and may be"
            f" {self.band_k:g} K off."
        )

    def offer(self, day: Day) -> FlexOffer:
        """Return a day in which what is used by when stays near to what the weather asks for.

        In the end the house is at least as warm as it is set to, so tomorrow pays for nothing.
        """
        mean = sum(day.outdoor) / len(day.outdoor)
        heat = self.heat_at_0c + self.heat_per_k * mean
        watts = [self.loss_w_per_k * max(0.0, self.heats_below_c - c) / heat for c in day.outdoor]
        quarter = self.max_w // 4
        used = [round(wh) for wh in accumulate(min(w / 4, quarter) for w in watts)]
        baseline = tuple(after - before for before, after in pairwise([0, *used]))
        band = round(self.wh_per_k * self.band_k / heat)
        corridor = [EnergyRange(wh - band, wh + band) for wh in used]
        corridor[-1] = EnergyRange(used[-1], used[-1] + band)
        part = Slice(0, max(quarter, *baseline), price=self.price)
        slices = (part,) * len(baseline)
        bounds = [EnergyRange(part.lower, part.upper)] * len(slices)
        return day.offer(
            "heat-pump",
            (Profile(slices, dependencies=polygons(bounds, [EnergyRange(0, 0), *corridor])),),
            Default(baseline),
            earliest=day.start,
            latest=day.start,
        )

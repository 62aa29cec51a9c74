"""A battery behind a household's meter: it charges, and serves the household's own load."""

from dataclasses import dataclass
from decimal import Decimal

from examples.devices.corridor import polygons
from examples.devices.day import Day
from mpp_sdk.flexoffer.model import Default, EnergyRange, FlexOffer, Profile, Slice


@dataclass(frozen=True)
class Battery:
    """Its size. It is counted at the meter and without losses; price asks for its wear.

    charge is how full it is when the day begins, 0 to 1, and at least how full when it ends.
    """

    capacity_wh: int
    max_w: int
    charge: float = 0.5
    price: Decimal = Decimal("0.04")

    @property
    def stated(self) -> str:
        """Its parameters in a sentence."""
        return (
            f"{self.capacity_wh / 1_000:g} kWh, {self.max_w / 1_000:g} kW, {self.charge:.0%} full"
            " when the day begins and no less when it ends; it serves the household's load at most."
        )

    def offer(self, day: Day) -> FlexOffer:
        """Return a day of charging and discharging; by default it does neither.

        It never discharges more than the household usually uses at the time, so that nothing flows
        into the grid.
        """
        quarter = self.max_w // 4
        slices = tuple(
            Slice(-min(quarter, load), quarter, price=self.price)
            for load in day.habits.from_time(day.start.time())
        )
        full = round(self.capacity_wh * (1 - self.charge))
        inside = EnergyRange(full - self.capacity_wh, full)
        corridor = [EnergyRange(0, 0)] + [inside] * (len(slices) - 1) + [EnergyRange(0, full)]
        bounds = [EnergyRange(part.lower, part.upper) for part in slices]
        return day.offer(
            "battery",
            (Profile(slices, dependencies=polygons(bounds, corridor)),),
            Default((0,) * len(slices)),
            earliest=day.start,
            latest=day.start,
        )

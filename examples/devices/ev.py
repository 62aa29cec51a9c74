"""An electric vehicle: charged at home, between the evening and the morning."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from examples.devices.day import Day
from examples.devices.habits import QUARTER
from mpp_sdk.flexoffer.model import Default, EnergyRange, FlexOffer, Profile, Slice


@dataclass(frozen=True)
class ElectricVehicle:
    """What its household says of it.

    What the day's driving used is charged again within block, of which any quarter-hour may pause.
    price is asked for 1 kWh of deviation from charging at once.
    """

    charger_w: int
    km_a_day: int
    wh_per_km: int = 180
    block: timedelta = timedelta(hours=5)
    price: Decimal = Decimal("0.02")

    @property
    def stated(self) -> str:
        """Its parameters in a sentence."""
        hours = self.block / timedelta(hours=1)
        return (
            f"{self.charger_w / 1_000:g} kW, {self.km_a_day} km a day at {self.wh_per_km} Wh; it"
            f" charges within {hours:g} h in a row, from the evening's to the morning's first load."
        )

    def offer(self, day: Day) -> FlexOffer:
        """Return a total of energy to be had within a block that can be moved over the night.

        It is there from the beginning of the household's evening to the beginning of its morning.
        """
        most, count = self.charger_w // 4, self.block // QUARTER
        need = min(self.km_a_day * self.wh_per_km, most * count)
        arrival, departure = day.at(day.habits.arrival()), day.at(day.habits.departure())
        part = Slice(0, most, price=self.price)
        at_once = tuple(min(most, max(0, need - most * k)) for k in range(count))
        return day.offer(
            "ev",
            (Profile((part,) * count, total=EnergyRange(need, need)),),
            Default(at_once),
            earliest=arrival,
            latest=departure - self.block,
        )

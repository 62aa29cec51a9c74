"""The households whose devices are operated, and the flex-offers that these make of a day."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from examples.devices.battery import Battery
from examples.devices.day import Day
from examples.devices.dishwasher import Dishwasher
from examples.devices.ev import ElectricVehicle
from examples.devices.heat_pump import HeatPump
from mpp_sdk.flexoffer.model import FlexOffer


@dataclass(frozen=True)
class Household:
    """A point of delivery, and the parameters of the devices behind it."""

    pod: str
    ev: ElectricVehicle
    heat_pump: HeatPump
    battery: Battery
    dishwasher: Dishwasher

    def offers(self, day: Day) -> Iterator[FlexOffer]:
        """Yield the flex-offers of all its devices for a day."""
        for device in (self.ev, self.heat_pump, self.battery, self.dishwasher):
            yield device.offer(day)


def read_households(file: Path) -> list[Household]:
    """Return the households of a file, a JSON array of them."""
    return TypeAdapter(list[Household]).validate_json(file.read_bytes())

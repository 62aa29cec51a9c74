"""A dishwasher: one of its programs runs, once, and cannot be interrupted."""

from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal

from examples.devices.day import Day
from examples.devices.habits import QUARTER
from mpp_sdk.flexoffer.model import Default, FlexOffer, Profile, Slice


@dataclass(frozen=True)
class Dishwasher:
    """Its programs, each the energy in Wh of its quarter-hours, and when it must be ready.

    The first program is what it runs by default, as soon as it is full.
    """

    programs: tuple[tuple[int, ...], ...] = (
        (350, 300, 30, 30, 150, 250, 30, 10),  # normal, 2 h
        (150, 200, 20, 20, 20, 20, 100, 150, 20, 20, 10, 10),  # eco, 3 h
    )
    loading: timedelta = timedelta(minutes=45)
    ready: time = time(6, 30)
    price: Decimal = Decimal("0.02")

    @property
    def stated(self) -> str:
        """Its parameters in a sentence."""
        energies = " or ".join(f"{sum(program) / 1_000:g} kWh" for program in self.programs)
        return f"One of {len(self.programs)} programs, {energies}, ready by {self.ready:%H:%M}."

    def offer(self, day: Day) -> FlexOffer:
        """Return one profile per program, to be started between dinner and the night's end."""
        profiles = tuple(
            Profile(tuple(Slice(wh, wh, price=self.price) for wh in program))
            for program in self.programs
        )
        longest = max(profile.intervals for profile in profiles) * QUARTER
        full = day.at(day.habits.dinner()) + self.loading
        return day.offer(
            "dishwasher",
            profiles,
            Default(self.programs[0]),
            earliest=full,
            latest=day.at(self.ready) - longest,
        )

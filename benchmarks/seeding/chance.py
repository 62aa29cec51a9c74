"""What is left to chance, always the same for a seed and a moment."""

from bisect import bisect
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


class Chance(Random):
    """Draws moments, ids and parts of the market."""

    def __init__(self, seed: int, now: datetime) -> None:
        super().__init__(seed)
        self.now = now

    def id_at(self, moment: datetime) -> UUID:
        """Return an id (UUIDv7) that was made at a moment."""
        drawn = self.getrandbits(74)
        milliseconds = int(moment.timestamp() * 1000)
        return UUID(
            int=milliseconds << 80
            | _VERSION_7
            | drawn >> 62 << 64
            | _VARIANT
            | drawn & (1 << 62) - 1
        )

    def ago(self, most: timedelta, least: timedelta = timedelta(0)) -> datetime:
        """Return a moment that is between the least and the most of a time ago."""
        return self.now - least - (most - least) * self.random()

    def after(self, moment: datetime, most: timedelta) -> datetime:
        """Return a later moment, which is over by now if the given one is."""
        latest = min(moment + most, self.now) if moment < self.now else moment + most
        return moment + (latest - moment) * self.random()

    def happens(self, part: float) -> bool:
        """Return whether something that is so in a part of the cases (0 to 1) is so in this one."""
        return self.random() < part


class Uneven(Generic[T]):
    """Things of which the first are drawn far more often than the last, as of companies' sizes."""

    def __init__(self, things: Sequence[T], exponent: float = 1.0) -> None:
        self._things = things
        self._sums = list(accumulate(1 / (rank + 1) ** exponent for rank in range(len(things))))

    def draw(self, chance: Random) -> T:
        """Return one of them."""
        return self._things[bisect(self._sums, chance.random() * self._sums[-1])]

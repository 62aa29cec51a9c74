"""What the readings of a household say about its days."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Self

QUARTER = timedelta(minutes=15)
QUARTERS = 96
WEEKS = timedelta(weeks=4)


@dataclass(frozen=True)
class Habits:
    """The energy, in Wh, that a household uses in each quarter-hour of a usual day, UTC."""

    usual: tuple[int, ...]

    @classmethod
    def of(cls, readings: Iterable[tuple[datetime, Decimal | None]], resolution: timedelta) -> Self:
        """Return the mean day of the last four weeks of readings, in kWh and in order of time.

        A longer interval counts as used evenly. A quarter-hour without readings has what the mean
        of the others is, nobody knows better. Raises LookupError when there are no readings.
        """
        known = [(start, energy) for start, energy in readings if energy is not None]
        if not known:
            raise LookupError("There are no readings to tell habits from.")
        parts = resolution // QUARTER
        found: defaultdict[int, list[Decimal]] = defaultdict(list)
        for start, energy in known:
            if known[-1][0] - start < WEEKS:
                for part in range(parts):
                    found[_quarter((start + part * QUARTER).time())].append(energy * 1_000 / parts)
        means = {quarter: sum(some) / len(some) for quarter, some in found.items()}
        mean = sum(means.values()) / len(means)
        return cls(tuple(round(means.get(quarter, mean)) for quarter in range(QUARTERS)))

    def from_time(self, begin: time) -> tuple[int, ...]:
        """Return a usual day that begins at another time than midnight."""
        quarter = _quarter(begin)
        return self.usual[quarter:] + self.usual[:quarter]

    def arrival(self) -> time:
        """Return when the evening begins: the first load, from 16:00 on, half-way to its peak."""
        return self._first_rise(time(16), time(23), sum(self.usual) / QUARTERS)

    def departure(self) -> time:
        """Return when the morning begins: the first load, from 5:00 on, half-way to its peak."""
        return self._first_rise(time(5), time(10), min(self.usual))

    def dinner(self) -> time:
        """Return when most is used between 17:00 and 22:00."""
        within = range(_quarter(time(17)), _quarter(time(22)))
        return _time(max(within, key=lambda quarter: self.usual[quarter]))

    def _first_rise(self, begin: time, end: time, level: float) -> time:
        within: Sequence[int] = range(_quarter(begin), _quarter(end))
        peak = max(self.usual[quarter] for quarter in within)
        return _time(next(q for q in within if self.usual[q] >= (level + peak) / 2))


def _quarter(moment: time) -> int:
    return moment.hour * 4 + moment.minute // 15


def _time(quarter: int) -> time:
    return time(quarter // 4, quarter % 4 * 15)

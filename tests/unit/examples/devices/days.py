"""Days of households that are made up, for tests of their devices."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from examples.devices.day import Day
from examples.devices.habits import Habits

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 20, 7, tzinfo=UTC)


def habits(by_hour: Mapping[int, int], otherwise: int = 100) -> Habits:
    """Return habits with so many Wh in each quarter-hour of some hours."""
    return Habits(tuple(by_hour.get(quarter // 4, otherwise) for quarter in range(96)))


EVENING_PEOPLE = habits({7: 300, 8: 300, 19: 400, 20: 500, 21: 300})


def day(outdoor: Sequence[float] = (5.0,) * 96, of: Habits = EVENING_PEOPLE) -> Day:
    return Day("POD", START, of, outdoor)

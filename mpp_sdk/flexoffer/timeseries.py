"""Energy over time: baselines, schedules and measurements on one grid, and their sums."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.model import FlexOffer, Schedule, intervals_since_epoch, moment_of, spread
from mpp_sdk.metering.model import ReadingSeries

_HOUR = timedelta(hours=1)
_WH_PER_KWH = 1_000


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """A value for each interval in a row from start: energy in Wh, unless said otherwise.

    Not a number where it is missing. Raises InvalidInput for a start without offset or off the grid
    of the interval, and for values that are infinite.
    """

    start: datetime
    interval: timedelta
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.interval <= timedelta(0) or timedelta(days=1) % self.interval:
            raise InvalidInput.field(
                "interval", "dividesTheDay", "A day must be a multiple of the interval."
            )
        if self.start.tzinfo is None:
            raise InvalidInput.field("start", "offset", "A time needs its offset.")
        if moment_of(intervals_since_epoch(self.start, self.interval), self.interval) != self.start:
            raise InvalidInput.field(
                "start", "onTheGrid", "It must lie on the grid of the interval."
            )
        if np.isinf(self.values).any():
            raise InvalidInput.field("values", "finite", "A value must be a finite number.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def end(self) -> datetime:
        """When the last interval ends."""
        return self.start + len(self) * self.interval

    @property
    def starts(self) -> list[datetime]:
        """When each interval begins, in UTC."""
        first = self.start.astimezone(UTC)
        return [first + number * self.interval for number in range(len(self))]

    def between(self, start: datetime, end: datetime) -> "TimeSeries":
        """Return the intervals that begin from start until before end; missing ones included."""
        first = -((self.start - start) // self.interval)
        count = max(0, -((self.start - end) // self.interval) - first)
        values = np.full(count, np.nan)
        low, high = max(0, first), min(len(self), first + count)
        if high > low:
            values[low - first : high - first] = self.values[low:high]
        return TimeSeries(self.start + first * self.interval, self.interval, values)

    def hourly(self) -> "TimeSeries":
        """Return the energy of each hour of UTC; missing where any of it is missing.

        Raises InvalidInput unless an hour is a multiple of the interval.
        """
        if _HOUR % self.interval:
            raise InvalidInput.field(
                "interval", "dividesTheHour", "An hour must be a multiple of the interval."
            )
        first = moment_of(intervals_since_epoch(self.start, _HOUR), _HOUR)
        last = moment_of(intervals_since_epoch(self.end - self.interval, _HOUR) + 1, _HOUR)
        whole = self.between(first, last)
        return TimeSeries(first, _HOUR, whole.values.reshape(-1, _HOUR // self.interval).sum(1))

    @classmethod
    def of(cls, values: Mapping[datetime, float | None], interval: timedelta) -> "TimeSeries":
        """Return values, by the start of their intervals, as a series; None is missing.

        Raises InvalidInput for starts off the grid, and when there are no values.
        """
        if not values:
            raise InvalidInput.field("values", "required", "There must be a value.")
        if any(start.tzinfo is None for start in values):
            raise InvalidInput.field("values", "offset", "A time needs its offset.")
        first, last = min(values), max(values)
        column = np.full((last - first) // interval + 1, np.nan)
        for start, value in values.items():
            number, off = divmod(start - first, interval)
            if off:
                raise InvalidInput.field(
                    "values", "onTheGrid", f"{start.isoformat()} is off the grid of the interval."
                )
            if value is not None:
                column[number] = value
        return cls(first.astimezone(UTC), interval, column)

    @classmethod
    def of_readings(cls, *series: ReadingSeries) -> "TimeSeries":
        """Return what meters found together, in Wh: consumption positive, production negative.

        What is missing in one of them is missing. Raises InvalidInput when there are none, and when
        they have not the same resolution and grid.
        """
        parts = [
            cls.of(
                {
                    start: None if value is None else float(value * _WH_PER_KWH)
                    for start, value in one.in_kwh().signed
                },
                one.resolution,
            )
            for one in series
        ]
        if not parts or any(one.interval != parts[0].interval for one in parts):
            raise InvalidInput.field("series", "sameResolution", "The resolutions differ.")
        first, last = min(one.start for one in parts), max(one.end for one in parts)
        values = np.sum([one.between(first, last).values for one in parts], axis=0)
        return cls(first, parts[0].interval, values)


def total(
    schedules: Iterable[tuple[FlexOffer, Schedule]],
    start: datetime,
    end: datetime,
    interval: timedelta,
) -> TimeSeries:
    """Return the energy of schedules together, in each interval from start until before end.

    Zero where none of them runs. Whole Wh stay whole. Raises InvalidInput for an offer of another
    interval, and when the end is before the start or either is off the grid.
    """
    count, off = divmod(end - start, interval)
    if count < 0 or off:
        raise InvalidInput.field("end", "onTheGrid", "It must be whole intervals after the start.")
    energies = np.zeros(count)
    for offer, schedule in schedules:
        if offer.interval != interval:
            raise InvalidInput.field(
                "interval", "same", f"The flex-offer {offer.id} has intervals of {offer.interval}."
            )
        profile = offer.profiles[schedule.profile]
        own = np.array(spread(schedule.energies, profile))
        first = (schedule.start - start) // interval - profile.lead
        low, high = max(0, first), min(count, first + len(own))
        if high > low:
            energies[low:high] += own[low - first : high - first]
    return TimeSeries(start, interval, energies)


def baseline(
    offers: Iterable[tuple[FlexOffer, datetime]],
    start: datetime,
    end: datetime,
    interval: timedelta,
) -> TimeSeries:
    """Return the energy of the defaults of offers together, as `total` does.

    Each offer comes with the moment that resolves its start times where they are implicit.
    """
    defaults = ((offer, offer.default_schedule(now)) for offer, now in offers)
    return total(defaults, start, end, interval)

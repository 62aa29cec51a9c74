"""The outdoor air of a day, from a temperature series."""

import csv
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from examples.devices.habits import QUARTER

_DAY = timedelta(days=1)


def last_day(file: Path, begin: time) -> tuple[float, ...]:
    """Return the last 24 hours that the series has from that time (UTC), in °C per quarter-hour.

    An hour's temperature counts for all of its quarters. Raises LookupError when there is no such
    day in the file.
    """
    with file.open(newline="") as rows:
        hourly = {
            datetime.fromisoformat(row["dt"]).replace(tzinfo=UTC): float(row["tempC"])
            for row in csv.DictReader(rows)
        }
    hour = timedelta(hours=1)
    for first in sorted(hourly, reverse=True):
        day = [first + k * hour for k in range(_DAY // hour)]
        if first.time() == begin and all(moment in hourly for moment in day):
            return tuple(hourly[moment] for moment in day for _ in range(hour // QUARTER))
    raise LookupError(f"{file.name} has no whole day from {begin}.")

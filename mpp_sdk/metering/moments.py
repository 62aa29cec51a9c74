"""Moments, days and durations as metering documents write them."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DURATION = re.compile(
    r"P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,9}))?S)?)?",
    re.ASCII,
)
_FIRST_YEAR, _LAST_YEAR = 1900, 2999


class MomentWithoutOffset(ValueError):
    """The text is a time, and does not say of which offset."""


def parse_moment(text: str) -> datetime:
    """Return the moment, in UTC, that an RFC 3339 text names; the seconds may be left out.

    Raises MomentWithoutOffset for a time without offset, ValueError for anything else that is not
    a moment.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    if match[2] is None:
        raise MomentWithoutOffset(f"{text!r} has no offset")
    moment = datetime.fromisoformat(text)
    check_year(moment)
    return moment.astimezone(UTC)


def check_year(moment: datetime) -> None:
    """Raise ValueError for a year in which nothing is metered, and calculation could overflow."""
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"the year {moment.year} is not between {_FIRST_YEAR} and {_LAST_YEAR}")


def format_moment(moment: datetime) -> str:
    """Return the moment in UTC as documents write it: `2024-06-28T22:00:00Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_bound(moment: datetime) -> str:
    """Return the start or end of a time interval: to the minute where it is one, as CIM has it."""
    utc = moment.astimezone(UTC)
    if utc.second or utc.microsecond:
        return format_moment(utc)
    return utc.isoformat(timespec="minutes").replace("+00:00", "Z")


def parse_resolution(text: str) -> timedelta:
    """Return the length of an ISO 8601 duration such as `PT15M` or `P0Y0M0DT0H15M0.000S`.

    A day is 24 hours. Raises ValueError when it is no duration, when it is nothing or less than a
    second, or when it counts years or months, whose length depends on the calendar.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not an ISO 8601 duration")
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:6])
    if years or months:
        raise ValueError(f"{text!r} counts years or months, which differ in length")
    if int(match[7] or 0):
        raise ValueError(f"{text!r} is not a whole number of seconds")
    try:
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long") from error
    if not length:
        raise ValueError(f"{text!r} is no time at all")
    return length


def format_resolution(length: timedelta) -> str:
    """Return the ISO 8601 duration of a whole number of seconds: `PT15M`, `PT1H`, `P1D`."""
    days, rest = length.days, length.seconds
    hours, minutes, seconds = rest // 3600, rest % 3600 // 60, rest % 60
    parts = [(hours, "H"), (minutes, "M"), (seconds, "S")]
    clock = "".join(f"{count}{letter}" for count, letter in parts if count)
    return f"P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the start and the end, in UTC, of a calendar day of the zone.

    They are 23 or 25 hours apart on a day on which the clocks change.
    """
    start = datetime.combine(day, time.min, tzinfo=zone)
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)

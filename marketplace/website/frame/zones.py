"""The visitor's time zone: as the person has set it, else UTC."""

from zoneinfo import ZoneInfo, available_timezones

from marketplace.website.frame.visitor import visitor

UTC = ZoneInfo("UTC")


def zone() -> ZoneInfo:
    """Return the time zone in which moments are shown and entered."""
    someone = visitor()
    if someone is None or someone.time_zone is None or someone.time_zone not in zone_names():
        return UTC
    return ZoneInfo(someone.time_zone)


def zone_names() -> frozenset[str]:
    """Return the names of all time zones (IANA)."""
    return _NAMES


_NAMES = frozenset(available_timezones())

"""The rules of what is overdue."""

from datetime import datetime, timedelta
from enum import StrEnum

GRACE = 0.1
"""The part of its interval by which an interim status may be late before it counts as overdue."""


class ServiceStatus(StrEnum):
    """How a subscribed service is doing, as its provider says."""

    OPERATIONAL = "OPERATIONAL"
    DEGRADED = "DEGRADED"
    UNAVAILABLE = "UNAVAILABLE"


def overdue_from(
    active_since: datetime, last_status_at: datetime | None, interval: timedelta
) -> datetime:
    """Return the moment from which the next interim status is overdue.

    The interval counts from the last status, or from when the subscription became active if that
    was later, and has a grace of a tenth.
    """
    base = active_since if last_status_at is None else max(active_since, last_status_at)
    return base + interval * (1 + GRACE)

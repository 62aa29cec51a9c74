"""The rules of what is overdue."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

GRACE = 0.1
"""The part of its interval by which an interim status may be late before it counts as overdue."""


class ServiceStatus(StrEnum):
    """How a subscribed service is doing, as its provider says."""

    OPERATIONAL = "OPERATIONAL"
    DEGRADED = "DEGRADED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True)
class Expectation:
    """When the next interim status is due, and from when on it is overdue."""

    due_at: datetime
    overdue_from: datetime


def next_status(
    active_since: datetime, last_status_at: datetime | None, interval: timedelta
) -> Expectation:
    """Return when the next interim status is expected.

    The interval counts from the last status, or from when the subscription became active if that
    was later; overdue it is after a grace of a tenth.
    """
    base = active_since if last_status_at is None else max(active_since, last_status_at)
    return Expectation(base + interval, base + interval * (1 + GRACE))

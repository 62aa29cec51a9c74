"""What all notifications from platforms have in common: they come late, twice and out of order."""

from datetime import datetime, timedelta
from enum import StrEnum

from mpp_sdk.errors import Conflict, FieldError

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a platform's clock may be ahead of the marketplace's."""


class Outcome(StrEnum):
    """What became of a notification."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    SUPERSEDED = "SUPERSEDED"


def check_occurred_at(occurred_at: datetime, moment: datetime) -> None:
    """Raise Conflict for what is said to happen in the future.

    One of the two clocks is wrong, nobody knows which, and the same notification can be taken
    later: it is no InvalidInput, which a platform would give up for good.
    """
    if occurred_at > moment + CLOCK_TOLERANCE:
        said = f"It is {moment.isoformat()} here. Set the clock of the platform."
        raise Conflict(said, [FieldError("/occurredAt", "notInTheFuture", said)])


def is_outdated(occurred_at: datetime, known: datetime | None) -> bool:
    """Return whether something newer is known already."""
    return known is not None and occurred_at < known

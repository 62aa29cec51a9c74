"""The one source of the present moment."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, in UTC, with its offset."""
    return datetime.now(UTC)

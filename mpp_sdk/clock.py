"""The one source of the present moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_stopped: ContextVar[datetime | None] = ContextVar("stopped", default=None)


def now() -> datetime:
    """Return the present moment, in UTC, with its offset."""
    return _stopped.get() or datetime.now(UTC)


def stopped_at() -> datetime | None:
    """Return the moment at which the clock stands still here; None when it goes."""
    return _stopped.get()


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Run a block as if it were this moment, in this context: for a history that is made up."""
    token = _stopped.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _stopped.reset(token)

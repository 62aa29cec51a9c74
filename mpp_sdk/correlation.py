"""What the work under way belongs to: the correlation id of the request that caused it all.

It is taken over from the first request, stored with every event, sent with every call, and stands
in every line of the log. It is kept in a context variable, which threads that are given the context
(those of `anyio.to_thread`, of `asyncio.to_thread`) see too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass

HEADER = "X-Correlation-ID"
"""The header that carries the id between processes."""


@dataclass(frozen=True)
class Belonging:
    """What work belongs to; event_id is the event or notification that it is about, if any."""

    correlation_id: str | None = None
    event_id: str | None = None


_NOTHING = Belonging()
_current: ContextVar[Belonging] = ContextVar("flexagora_belonging", default=_NOTHING)


def current() -> Belonging:
    """Return what the work under way belongs to."""
    return _current.get()


def enter(correlation_id: str | None, event_id: str | None = None) -> Token[Belonging]:
    """Have what follows belong to something, until `leave` is called with what this returns."""
    return _current.set(Belonging(correlation_id, event_id))


def leave(token: Token[Belonging]) -> None:
    """Have what follows belong to what it did before."""
    _current.reset(token)


@contextmanager
def correlated(correlation_id: str | None, event_id: str | None = None) -> Iterator[None]:
    """Run a block that belongs to something."""
    token = enter(correlation_id, event_id)
    try:
        yield
    finally:
        leave(token)

"""Who is acting: a caller, or a job of the marketplace itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Who did something, for the audit trail. subject is a stable id, name is for people."""

    subject: str
    name: str
    correlation_id: str | None = None


MARKETPLACE = Actor("system:marketplace", "Marketplace")
"""The marketplace itself: its periodic jobs and its deliveries."""

_actor: ContextVar[Actor] = ContextVar("actor", default=MARKETPLACE)


def current_actor() -> Actor:
    """Return who is acting; the marketplace itself when no caller is."""
    return _actor.get()


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Run a block in the name of an actor."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)

"""Handlers whose calls are carried out many at a time, in one transaction with one commit.

Such a handler is written like every other: it does one call. What is named beside it locks and
reads, for all calls that wait, what they need; each then finds it read. It must raise its errors
before it changes anything, as then the other calls are not disturbed by them.
"""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

F = TypeVar("F", bound=Callable[..., object])
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)

Lock = Callable[[Collection[Any]], None]
Handler = Callable[..., object]


@dataclass(frozen=True)
class ReadAhead(Generic[Item, Key]):
    """How to read ahead for a handler.

    item turns a call's body into what the others take; subject says what it is about, and lock
    takes all of these at once, in an order that is the same for everybody; read reads the rest.
    """

    item: Callable[[Any], Item]
    subject: Callable[[Item], Key]
    lock: Callable[[Collection[Key]], None]
    read: Callable[[Collection[Item]], None]


_together: dict[Handler, ReadAhead[Any, Any]] = {}


def taken_together(read_ahead: ReadAhead[Item, Key]) -> Callable[[F], F]:
    """Have the calls of a handler carried out together."""

    def decorate(function: F) -> F:
        _together[function] = read_ahead
        return function

    return decorate


def is_taken_together(function: Handler) -> bool:
    """Return whether the calls of a handler are carried out together."""
    return function in _together


def read_ahead_of(calls: Sequence[tuple[Handler, object]]) -> None:
    """Lock and read what calls, each a handler and its body, need.

    First everything is locked, of all handlers at once: two processes that lock in several rounds
    can wait for each other.
    """
    items: dict[Handler, list[Any]] = {}
    subjects: dict[Lock, set[Any]] = {}
    for function, body in calls:
        ahead = _together[function]
        item = ahead.item(body)
        items.setdefault(function, []).append(item)
        subjects.setdefault(ahead.lock, set()).add(ahead.subject(item))
    for lock, keys in subjects.items():
        lock(keys)
    for function, waiting in items.items():
        _together[function].read(waiting)

"""What a unit of work has read for all of its calls at once, so that none of them asks again.

Whoever reads ahead must have locked what keeps others from changing the rows: for notifications
that is the subscription. Nothing read ahead outlives its unit of work.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy.orm import Session

T = TypeVar("T")
_READ = "read_ahead"
_NOTHING: Mapping[Hashable, Any] = {}
_UNKNOWN: Any = object()


def read_ahead(
    session: Session, kind: type[object], keys: Iterable[Hashable], found: Mapping[Any, object]
) -> None:
    """Note what was found under each of the keys; what was not found is known not to be there."""
    of_kind = session.info.setdefault(_READ, {}).setdefault(kind, {})
    of_kind.update(dict.fromkeys(keys))
    of_kind.update(found)


def recall(
    session: Session, kind: type[T], key: Hashable, otherwise: Callable[[], T | None]
) -> T | None:
    """Return what was read ahead under a key, else what asking for it now gives."""
    known: dict[type, dict[Hashable, Any]] = session.info.get(_READ, {})
    found: T | None = known.get(kind, _NOTHING).get(key, _UNKNOWN)
    return otherwise() if found is _UNKNOWN else found


def add(session: Session, key: Hashable, row: object) -> None:
    """Add a row to the session, to be found under its key by the calls that come after."""
    session.add(row)
    known = session.info.get(_READ)
    if known is not None:
        known.setdefault(type(row), {})[key] = row


def note(session: Session, kind: type[object], key: Hashable, found: object) -> None:
    """Let the calls that come after find something under a key, without it being a row to write."""
    known = session.info.get(_READ)
    if known is not None:
        known.setdefault(kind, {})[key] = found


def forget(session: Session) -> None:
    """Forget what was read: the transaction that it was read in is over."""
    session.info.pop(_READ, None)

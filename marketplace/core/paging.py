"""Lists in pages that stay right while rows come and go (keyset paging)."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, Uuid, and_, false, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from mpp_sdk.database import UtcDateTime
from mpp_sdk.errors import InvalidInput

T = TypeVar("T")
U = TypeVar("U")
_INT64 = 2**63


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list. next_cursor asks for the part that follows; None when this is the last."""

    items: Sequence[T]
    next_cursor: str | None = None

    def map(self, function: Callable[[T], U]) -> "Page[U]":
        """Return the same page with every item translated."""
        return Page([function(item) for item in self.items], self.next_cursor)


@dataclass(frozen=True)
class Key:
    """A column of the order. The last key of an order must be unique; none may be NULL."""

    column: InstrumentedAttribute[Any] | ColumnElement[Any]
    descending: bool = False


def paginate(
    session: Session,
    statement: Select[T],
    keys: Sequence[Key],
    limit: int,
    cursor: str | None,
    *,
    bound_to: object = None,
) -> Page[T]:
    """Return one page of what a statement without order selects, in the order of the keys.

    A cursor belongs to its order and to what it is bound to (the filter): used with another one it
    is refused. Keys are texts, whole numbers, moments and ids. Raises InvalidInput on `cursor` when
    it is malformed or belongs to another list.
    """
    binding = _fingerprint(keys, bound_to)
    if cursor is not None:
        statement = statement.where(_after(keys, _decode(cursor, keys, binding)))
    columns = [key.column for key in keys]
    order = [key.column.desc() if key.descending else key.column.asc() for key in keys]
    wide: Select[Any] = statement.add_columns(*columns).order_by(*order).limit(limit + 1)
    rows = session.execute(wide).all()
    items = [row[0] for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items)
    return Page(items, _encode(rows[limit - 1][-len(keys) :], binding))


def _fingerprint(keys: Sequence[Key], bound_to: object) -> str:
    order = [(str(key.column), key.descending) for key in keys]
    return hashlib.sha256(repr((order, bound_to)).encode()).hexdigest()[:12]


def _after(keys: Sequence[Key], values: Sequence[Any]) -> ColumnElement[bool]:
    alternatives: list[ColumnElement[bool]] = [false()]
    equal: list[ColumnElement[bool]] = []
    for key, value in zip(keys, values, strict=True):
        beyond = key.column < value if key.descending else key.column > value
        alternatives.append(and_(*equal, beyond))
        equal.append(key.column == value)
    return or_(*alternatives)


def _encode(values: Iterable[Any], binding: str) -> str:
    text = json.dumps([binding, *[_plain(value) for value in values]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _plain(value: Any) -> str | int:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, int) else str(value)


def _decode(cursor: str, keys: Sequence[Key], binding: str) -> list[Any]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found, *values = json.loads(raw)
        if found != binding or len(values) != len(keys):
            raise ValueError("another list")
        return [_typed(key, value) for key, value in zip(keys, values, strict=True)]
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput.field(
            "cursor",
            "cursor",
            "The cursor is not one that this list gave out. Begin again without it, and keep the "
            "filter the same from page to page.",
        ) from error


def _typed(key: Key, value: object) -> Any:
    kind = key.column.type
    if isinstance(kind, Integer):
        if not isinstance(value, int) or not -_INT64 <= value < _INT64:
            raise ValueError("not a number")
        return value
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError("not a text")
    value.encode()  # a lone surrogate has no place in a database
    if isinstance(kind, UtcDateTime):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a time without offset")
        return moment
    return UUID(value) if isinstance(kind, Uuid) else value

"""Lists on pages: filtered, sorted and paged by the server, and the same as CSV."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask import Response, request, stream_with_context, url_for

from marketplace.core.paging import Page
from marketplace.website.frame import forms
from marketplace.website.frame.work import reading
from mpp_sdk.errors import InvalidInput

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

PAGE = 50
"""How many rows a page shows."""

LONGEST_FILTER = 200
"""How long a text is at most that a list is filtered by."""

MOST_ROWS = 100_000
"""How many rows a CSV file has at most."""

_CSV_PAGE = 500
_CURSOR = "cursor"
_CSV = "csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Listed(Generic[T]):
    """A page of a list as a template shows it; the URLs are None where they lead nowhere."""

    items: Sequence[T]
    next_url: str | None
    first_url: str | None
    csv_url: str


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a CSV file: its heading, with the unit, and what it shows of an item."""

    heading: str
    value: Callable[[T], object]


def listed(page: Page[T]) -> Listed[T]:
    """Return a page of a list with what leads to the others, under the same filters."""
    return Listed(
        page.items,
        url_with(**{_CURSOR: page.next_cursor}) if page.next_cursor else None,
        url_with() if _CURSOR in request.args else None,
        url_with(format=_CSV),
    )


def cursor() -> str | None:
    """Return where in a list the visitor is."""
    return request.args.get(_CURSOR)


def url_with(**changed: object) -> str:
    """Return the URL of this page, at its beginning, with other filters; None drops one."""
    given: dict[str, Any] = {
        name: request.args.getlist(name) for name in request.args if name not in (_CURSOR, "format")
    }
    given |= changed
    kept = {name: value for name, value in given.items() if value not in (None, "", [])}
    return url_for(request.endpoint or "", **(request.view_args or {}), **kept)


def text(name: str) -> str | None:
    """Return a filter that is a text; None when it is empty. Raises InvalidInput for a long one."""
    given = request.args.get(name, "").strip()
    if len(given) > LONGEST_FILTER:
        raise InvalidInput.field(name, "maxLength", f"At most {LONGEST_FILTER} characters.")
    return given or None


def one_of(name: str, kind: type[E]) -> E | None:
    """Return a filter that is a code. Raises InvalidInput for one that there is not."""
    given = request.args.get(name, "")
    return _code(name, kind, given) if given else None


def some_of(name: str, kind: type[E]) -> list[E]:
    """Return a filter that is several codes. Raises InvalidInput."""
    return [_code(name, kind, given) for given in request.args.getlist(name) if given]


def yes_or_no(name: str) -> bool | None:
    """Return a filter that is `true` or `false`; None when there is none. Raises InvalidInput."""
    given = request.args.get(name, "")
    if given not in ("", "true", "false"):
        raise InvalidInput.field(name, "enum", "It is true or false.")
    return given == "true" if given else None


def identifier(name: str) -> UUID | None:
    """Return a filter that is an id. Raises InvalidInput."""
    given = request.args.get(name, "").strip()
    try:
        return UUID(given) if given else None
    except ValueError as error:
        raise InvalidInput.field(name, "uuid", "This is no id.") from error


def moment(name: str) -> datetime | None:
    """Return a filter that is a moment, in the visitor's time zone. Raises InvalidInput."""
    given = request.args.get(name, "").strip()
    return forms.moment(given, name) if given else None


def wants_csv() -> bool:
    """Return whether the list is asked for as a CSV file."""
    return request.args.get("format") == _CSV


def csv_file(
    name: str, columns: Sequence[Column[T]], fetch: Callable[[int, str | None], Page[T]]
) -> Response:
    """Return a list as a CSV file (RFC 4180, UTF-8), read page by page while it is sent.

    fetch returns a page for a limit and a cursor. Texts that a spreadsheet would take for formulas
    begin with an apostrophe. After 100,000 rows the last line says that there are more.
    """
    in_unit = reading()

    def lines() -> Iterator[str]:
        yield _line([column.heading for column in columns])
        after, count = None, 0
        while True:
            page, part = in_unit(partial(_part, columns, fetch, after))
            yield part
            count += len(page.items)
            after = page.next_cursor
            if after is None:
                return
            if count >= MOST_ROWS:
                yield _line([f"More than {MOST_ROWS} rows: narrow the filter."])
                return

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _part(
    columns: Sequence[Column[T]], fetch: Callable[[int, str | None], Page[T]], after: str | None
) -> tuple[Page[T], str]:
    page = fetch(_CSV_PAGE, after)
    return page, "".join(
        _line([_cell(column.value(item)) for column in columns]) for item in page.items
    )


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        return _cell(" ".join(_cell(one) for one in value))
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return str(value)


def _code(name: str, kind: type[E], given: str) -> E:
    try:
        return kind(given)
    except ValueError as error:
        allowed = ", ".join(str(one.value) for one in kind)
        raise InvalidInput.field(name, "enum", f"It is one of {allowed}.") from error

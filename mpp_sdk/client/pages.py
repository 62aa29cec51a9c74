"""Lists that come in pages: how one page leads to the next, and to an end."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from mpp_sdk.client.answer import Answer
from mpp_sdk.client.errors import UnexpectedAnswer
from mpp_sdk.client.request import Request

ItemT_co = TypeVar("ItemT_co", covariant=True)


class Page(Protocol[ItemT_co]):
    """A page of a list, as every contract has it."""

    @property
    def items(self) -> Sequence[ItemT_co]:
        """What is on it."""

    @property
    def next_cursor(self) -> str | None:
        """What leads to the next page; None on the last one."""


class Cursors:
    """Leads through the pages of one list, each of them once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def after(self, page: Page[object]) -> str | None:
        """Return the cursor of the next page; None after the last one.

        Raises UnexpectedAnswer for a page that leads back.
        """
        cursor = page.next_cursor
        if not cursor:
            return None
        if cursor in self._seen:
            raise UnexpectedAnswer("The list leads back to a page that was read: it has no end.")
        self._seen.add(cursor)
        return cursor


class Links:
    """Leads through the pages of one operation by its `Link` headers, each of them once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def after(self, request: Request, answer: Answer[bytes]) -> Request | None:
        """Return the request for the next page; None after the last one.

        Of the link only the values of the operation's own parameters are used, never its address:
        nothing and nobody else is called. Raises UnexpectedAnswer for one that does not lead on.
        """
        if answer.next_link is None:
            return None
        values = parse_qs(urlsplit(answer.next_link).query)
        query = {name: values[name][0] if name in values else None for name in request.query}
        if not any(query.values()):
            raise UnexpectedAnswer("The link to the next page names no parameter of it.", answer)
        following = replace(request, query=query)
        url = following.url("")
        if url in self._seen or url == request.url(""):
            raise UnexpectedAnswer("The link to the next page leads back: it has no end.", answer)
        self._seen.add(url)
        return following

"""Server-sent events: a page is told that what it shows has changed, and fetches that part anew.

Streams are answered by the event loop itself: an open page holds up no thread. A stream says only
*that* something changed; what, the page asks for as whoever looks at it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import anyio
import anyio.to_thread
from itsdangerous import BadData
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from marketplace.accounts import signing_in
from marketplace.accounts.signing_in import SignedIn
from marketplace.core.edge import MarketplaceEdge
from marketplace.website.frame.visitor import TOKEN
from marketplace.website.frame.work import PageCall
from marketplace.website.live import topics
from marketplace.website.site import Site
from mpp_sdk.errors import FlexagoraError, TooManyCalls, Unauthenticated
from mpp_sdk.web.call import Reply
from mpp_sdk.web.exchange import exchange_of
from mpp_sdk.web.problems import no_such_path

PREFIX = "/live/"

MOST_FOR_A_PERSON = 12
"""How many streams one person may have open in one process."""

MOST = 1_000
"""How many streams one process holds open."""

_LOOK_EVERY_S = 2.0
_LOOKS_A_SECOND = 50  # by all streams together: with many open, each looks less often
_THREADS = 4  # so that streams never wait for pages, nor pages for streams
_TICK_S = 1.0
_SIGN_OF_LIFE_S = 15.0
_LONGEST_S = 600.0  # then the browser comes back by itself, and is looked at anew
_CHANGED = b"event: changed\ndata: \n\n"
_ALIVE = b": alive\n\n"
_AGAIN = b"retry: 3000\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Streams:
    """The live streams of a site."""

    def __init__(self, site: Site, edge: MarketplaceEdge) -> None:
        self._site = site
        self._edge = edge
        self._open: dict[UUID, int] = {}
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the stream of a topic.

        Raises Unauthenticated, NotFound for what the visitor may not see, TooManyCalls.
        """
        if scope["method"] != "GET":
            raise no_such_path()
        token = self._token(Request(scope))
        topic = scope["path"].removeprefix(PREFIX)
        correlation_id = exchange_of(scope).correlation_id
        someone, mark = await self._in_thread(token, topic, correlation_id)
        stream = self._stream(token, topic, correlation_id, mark)
        response = StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)
        self._enter(someone.person_id)
        try:
            await response(scope, receive, send)
        finally:
            self._leave(someone.person_id)

    async def _stream(
        self, token: str, topic: str, correlation_id: str, mark: object
    ) -> AsyncIterator[bytes]:
        yield _AGAIN
        began = told = time.monotonic()
        while time.monotonic() - began < _LONGEST_S:
            await self._wait()
            if self._site.environment.readiness.stopping:
                return
            try:
                _, seen = await self._in_thread(token, topic, correlation_id)
            except FlexagoraError:  # nobody is signed in any more, or the database is away
                return
            if seen != mark:
                mark, told = seen, time.monotonic()
                yield _CHANGED
            elif time.monotonic() - told > _SIGN_OF_LIFE_S:
                told = time.monotonic()
                yield _ALIVE

    async def _wait(self) -> None:
        """Wait until it is time to look again, or the process is about to stop."""
        until = time.monotonic() + max(_LOOK_EVERY_S, sum(self._open.values()) / _LOOKS_A_SECOND)
        while not self._site.environment.readiness.stopping:
            left = until - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _TICK_S))

    async def _in_thread(
        self, token: str, topic: str, correlation_id: str
    ) -> tuple[SignedIn, object]:
        if self._limiter is None:  # it belongs to the event loop, which runs by now
            self._limiter = anyio.CapacityLimiter(_THREADS)
        return await anyio.to_thread.run_sync(
            self._look, token, topic, correlation_id, limiter=self._limiter
        )

    def _look(self, token: str, topic: str, correlation_id: str) -> tuple[SignedIn, object]:
        """Return who looks, and a mark that changes whenever what the topic shows has changed."""
        someone = self._in_unit(
            None, correlation_id, lambda: signing_in.signed_in(token, in_use=False)
        )
        if someone is None:
            raise Unauthenticated("Sign in first.")
        mark = self._in_unit(someone, correlation_id, lambda: topics.mark_of(topic))
        return someone, mark

    def _in_unit(
        self, someone: SignedIn | None, correlation_id: str, look: Callable[[], Any]
    ) -> Any:
        found: list[Any] = []

        def proceed() -> Reply:
            found.append(look())
            return Reply()

        principal = someone.principal if someone else None
        self._edge(PageCall(principal, "GET", correlation_id, "website:live", None, ""), proceed)
        return found[0]

    def _token(self, request: Request) -> str:
        """Return the token in the cookie of a site. Raises Unauthenticated."""
        serializer = self._site.session_interface.get_signing_serializer(self._site)  # type: ignore[attr-defined] # Flask's default interface has it
        given = request.cookies.get(self._site.config["SESSION_COOKIE_NAME"], "")
        try:
            token = serializer.loads(given).get(TOKEN)
        except BadData:
            token = None
        if not token:
            raise Unauthenticated("Sign in first.")
        return str(token)

    def _enter(self, person_id: UUID) -> None:
        held = self._open.get(person_id, 0)
        if held >= MOST_FOR_A_PERSON or sum(self._open.values()) >= MOST:
            raise TooManyCalls("streams", MOST_FOR_A_PERSON, 60, _SIGN_OF_LIFE_S)
        self._open[person_id] = held + 1

    def _leave(self, person_id: UUID) -> None:
        held = self._open.get(person_id, 1)
        if held > 1:
            self._open[person_id] = held - 1
        else:
            self._open.pop(person_id, None)

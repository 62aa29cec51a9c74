"""The base of the generated clients for an event loop."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Protocol, Self, TypeVar

from pydantic import BaseModel
from tenacity import AsyncRetrying

from mpp_sdk.client.answer import Answer, read
from mpp_sdk.client.auth import AsyncAuth, no_auth
from mpp_sdk.client.call import Call, Manner, Target
from mpp_sdk.client.events import ServerSentEvent, follow
from mpp_sdk.client.hooks import NO_HOOKS, Hooks
from mpp_sdk.client.pages import Cursors, Links, Page
from mpp_sdk.client.request import Request
from mpp_sdk.client.retries import RetryPolicy
from mpp_sdk.client.threads import (
    DEFAULT_RETRIES,
    MAX_ANSWER_BYTES,
    PUBLIC_ONLY,
    TIMEOUT_S,
)
from mpp_sdk.transport import AddressPolicy, GuardedClient, HttpAnswer

T = TypeVar("T")
ItemT = TypeVar("ItemT")
ModelT = TypeVar("ModelT", bound=BaseModel)


class AsyncHttpSession(Protocol):
    """What sends the calls; an open `mpp_sdk.transport.GuardedClient` is one."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: bytes | None,
        timeout: float,
    ) -> Awaitable[HttpAnswer]:
        """Send a call, follow no redirect; raise TransportError. timeout is in seconds."""


class AsyncBaseClient:
    """Sends the calls of one contract to one server, in one event loop.

    As `BaseClient`, and:

    - session may be a `GuardedClient` that is open, for many clients to share. Without one, the
      client has one of its own, which is open inside `async with`.
    - auth may give its headers in an awaitable, and must not block.
    """

    def __init__(
        self,
        base_url: str,
        session: AsyncHttpSession | None = None,
        auth: AsyncAuth = no_auth,
        *,
        addresses: AddressPolicy = PUBLIC_ONLY,
        timeout_s: float = TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_RETRIES,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self._target = Target.of(base_url)
        self._manner = Manner(timeout_s, retries, hooks)
        self._auth = auth
        self._own: GuardedClient | None = None
        if session is None:
            self._own = GuardedClient(
                addresses, total_seconds=timeout_s, max_response_bytes=MAX_ANSWER_BYTES
            )
            self._session: AsyncHttpSession = self._own
        else:
            if addresses is not PUBLIC_ONLY:
                raise ValueError("addresses is for the client's own session: give it to yours.")
            self._session = session

    @property
    def base_url(self) -> str:
        """Where the calls go, without a slash at the end."""
        return self._target.base_url

    async def __aenter__(self) -> Self:
        if self._own is not None:
            await self._own.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._own is not None:
            await self._own.__aexit__(kind, error, traceback)

    async def _call(self, request: Request, model: type[ModelT]) -> Answer[ModelT]:
        """Return the answer to a call, its body read. Raises CallFailed."""
        return await self._send(request, partial(read, model))

    async def _raw(self, request: Request) -> Answer[bytes]:
        """Return the answer to a call as it came. Raises ProblemError, TransportError."""
        return await self._send(request, lambda answer: answer)

    async def _pages(
        self, page_after: Callable[[str | None], Awaitable[Page[ItemT]]]
    ) -> AsyncIterator[ItemT]:
        """Yield the items of a list, each page read when it is needed."""
        cursors = Cursors()
        cursor: str | None = None
        while True:
            page = await page_after(cursor)
            for item in page.items:
                yield item
            cursor = cursors.after(page)
            if cursor is None:
                return

    async def _linked(self, request: Request) -> AsyncIterator[Answer[bytes]]:
        """Yield the answers that follow each other by `Link`, each read when it is needed."""
        links = Links()
        following: Request | None = request
        while following is not None:
            answer = await self._raw(following)
            yield answer
            following = links.after(following, answer)

    async def _events(self, request: Request) -> AsyncIterator[ServerSentEvent]:
        """Yield the events of a stream until the server ends it. Raises CallFailed."""
        if not isinstance(self._session, GuardedClient):
            raise TypeError("Streams are read by a GuardedClient: give the client none, or one.")
        events = follow(self._session, request, self._target, self._manner, self._auth)
        async with aclosing(events):
            async for event in events:
                yield event

    async def _send(self, request: Request, result: Callable[[Answer[bytes]], T]) -> T:
        call = Call(request, self._target, self._manner)
        with call.watched():
            return result(await AsyncRetrying(**call.retrying())(self._try, call))

    async def _try(self, call: Call) -> Answer[bytes]:
        given = self._auth()
        attempt = call.next_attempt(await given if isawaitable(given) else given)
        answer = await self._session.request(
            attempt.method,
            attempt.url,
            headers=attempt.headers,
            data=attempt.body,
            timeout=call.seconds_left(),
        )
        return call.answered(attempt, Answer(answer.body, answer.status, answer.headers))

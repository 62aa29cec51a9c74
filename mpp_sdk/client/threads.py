"""The base of the generated clients for threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import requests
import urllib3
from pydantic import BaseModel
from tenacity import Retrying

from mpp_sdk.client.answer import Answer, read
from mpp_sdk.client.auth import Auth, no_auth
from mpp_sdk.client.call import Call, Manner, Target
from mpp_sdk.client.events import ServerSentEvent, follow
from mpp_sdk.client.hooks import NO_HOOKS, Hooks
from mpp_sdk.client.pages import Cursors, Links, Page
from mpp_sdk.client.request import Request
from mpp_sdk.client.retries import RetryPolicy
from mpp_sdk.transport import (
    AddressPolicy,
    AddressRefused,
    ConnectionFailed,
    GuardedClient,
    GuardedSession,
    TimedOut,
    TlsFailed,
    TransportError,
)
from mpp_sdk.transport.trust import tls_failure

T = TypeVar("T")
ItemT = TypeVar("ItemT")
ModelT = TypeVar("ModelT", bound=BaseModel)

TIMEOUT_S = 30.0
"""How long a call takes at most, with all its tries, unless its client was made otherwise."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The longest answer that is read: readings come in documents of many megabytes."""

DEFAULT_RETRIES = RetryPolicy()
"""The tries of a client that was given no other policy."""

PUBLIC_ONLY = AddressPolicy()
"""Public addresses, by https."""


class HttpResponse(Protocol):
    """What is read of an answer; `requests.Response` is one."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, looked up without regard to case."""

    @property
    def content(self) -> bytes:
        """The whole body."""


class HttpSession(Protocol):
    """What sends the calls; a `requests.Session` is one."""

    def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
        allow_redirects: bool,
    ) -> Any:
        """Send a call and return its `HttpResponse`; timeout is in seconds."""


class BaseClient:
    """Sends the calls of one contract to one server; may be used by many threads at once.

    - base_url ends with the contract's own base path (`https://mpp.example/eu-mp/v1`).
    - session sends the calls, and stays the caller's to close. Without one, the client has a
      guarded session of its own, which calls public addresses by https only, unless `addresses`
      says otherwise, and which `close` or the end of a `with` closes.
    - auth gives the headers that authenticate, anew for each try.
    - timeout_s bounds each call, in seconds, with all its tries and the waits in between. (With a
      `requests.Session` each try is bounded by it only between two pieces of the answer.)
    - retries says what is tried again; `NO_RETRIES` for whoever repeats calls by other means.
    - hooks are called along.

    Every call raises CallFailed: ProblemError (a class for each status), TransportError, or
    UnexpectedAnswer. Raises ValueError for a base_url or a timeout that cannot be.
    """

    def __init__(
        self,
        base_url: str,
        session: HttpSession | None = None,
        auth: Auth = no_auth,
        *,
        addresses: AddressPolicy = PUBLIC_ONLY,
        timeout_s: float = TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_RETRIES,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self._target = Target.of(base_url)
        self._manner = Manner(timeout_s, retries, hooks)
        self._auth = auth
        self._closed = False
        self._own: GuardedSession | None = None
        if session is None:
            self._own = GuardedSession(
                addresses, total_seconds=timeout_s, max_response_bytes=MAX_ANSWER_BYTES
            )
            self._session: HttpSession = self._own
        else:
            if addresses is not PUBLIC_ONLY:
                raise ValueError("addresses is for the client's own session: give it to yours.")
            self._session = session

    @property
    def base_url(self) -> str:
        """Where the calls go, without a slash at the end."""
        return self._target.base_url

    def close(self) -> None:
        """Close the connections of the client's own session; further calls raise RuntimeError."""
        self._closed = True
        if self._own is not None:
            self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, request: Request, model: type[ModelT]) -> Answer[ModelT]:
        """Return the answer to a call, its body read. Raises CallFailed."""
        return self._send(request, partial(read, model))

    def _raw(self, request: Request) -> Answer[bytes]:
        """Return the answer to a call as it came. Raises ProblemError, TransportError."""
        return self._send(request, lambda answer: answer)

    def _pages(self, page_after: Callable[[str | None], Page[ItemT]]) -> Iterator[ItemT]:
        """Yield the items of a list, each page read when it is needed."""
        cursors = Cursors()
        cursor: str | None = None
        while True:
            page = page_after(cursor)
            yield from page.items
            cursor = cursors.after(page)
            if cursor is None:
                return

    def _linked(self, request: Request) -> Iterator[Answer[bytes]]:
        """Yield the answers that follow each other by `Link`, each read when it is needed."""
        links = Links()
        following: Request | None = request
        while following is not None:
            answer = self._raw(following)
            yield answer
            following = links.after(following, answer)

    def _events(self, request: Request) -> Iterator[ServerSentEvent]:
        """Yield the events of a stream until the server ends it. Raises CallFailed.

        They are read by a guarded client in an event loop, which runs while one is waited for.
        """
        if self._closed:
            raise RuntimeError("The client is closed: make another.")
        policy = self._session.policy if isinstance(self._session, GuardedSession) else PUBLIC_ONLY
        with asyncio.Runner() as runner:
            client = GuardedClient(policy)
            runner.run(client.__aenter__())
            events = follow(client, request, self._target, self._manner, self._auth)
            try:
                while (event := runner.run(_next(events))) is not None:
                    yield event
            finally:
                runner.run(events.aclose())
                runner.run(client.__aexit__(None, None, None))

    def _send(self, request: Request, result: Callable[[Answer[bytes]], T]) -> T:
        if self._closed:
            raise RuntimeError("The client is closed: make another.")
        call = Call(request, self._target, self._manner)
        with call.watched():
            return result(Retrying(**call.retrying())(self._try, call))

    def _try(self, call: Call) -> Answer[bytes]:
        attempt = call.next_attempt(self._auth())
        try:
            response: HttpResponse = self._session.request(
                attempt.method,
                attempt.url,
                data=attempt.body,
                headers=attempt.headers,
                timeout=call.seconds_left(),
                allow_redirects=False,
            )
            body = response.content
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _transport_error(error) from error
        return call.answered(attempt, Answer(body, response.status_code, response.headers))


async def _next(events: AsyncIterator[ServerSentEvent]) -> ServerSentEvent | None:
    return await anext(events, None)


def _transport_error(error: Exception) -> TransportError:
    """Return what a session of the user's own has met, in the words of the guarded ones."""
    if isinstance(error, requests.Timeout):
        return TimedOut("The answer did not arrive in time.")
    if isinstance(error, ValueError):  # of a URL, or a header
        return AddressRefused(f"The call cannot be made: {type(error).__name__}.")
    tls = tls_failure(error)
    if tls is not None:
        return TlsFailed(tls)
    # What the libraries say themselves holds addresses and objects; the system's word is inside.
    inner: BaseException | None = error
    while inner is not None:
        said = getattr(inner, "strerror", None)
        if said:
            return ConnectionFailed(f"The connection failed: {said}.")
        inner = inner.__cause__ or inner.__context__
    return ConnectionFailed(f"The connection failed: {type(error).__name__}.")

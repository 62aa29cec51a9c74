"""The guarded client for an event loop: as `GuardedSession`, for thousands of calls at once.

What a platform can cost is a socket and a coroutine: nothing here blocks the loop, names are
resolved in threads of their own, and each call is bounded in time and space as a whole.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from yarl import URL

from mpp_sdk.transport.addresses import (
    AddressPolicy,
    Broken,
    Resolver,
    admitted,
    literal_address,
    parse,
    resolve_name,
)
from mpp_sdk.transport.errors import (
    AddressRefused,
    ConnectionFailed,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    TransportError,
)
from mpp_sdk.transport.trust import authorities, tls_failure

_TOO_LARGE = "The answer is larger than what is read."
_END_OF_HEAD = b"\r\n\r\n"
_WITHOUT_BODY = (204, 304)
_FRAMING_BYTES = 8_192  # of chunks
_KEPT_URLS = 10_000
# Common servers close a connection that is idle for 5 seconds. A POST on one that has just been
# closed fails, though the platform is well, and would count against its breaker.
_KEEP_ALIVE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer, its body read. The names of the headers match in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class GuardedClient:
    """Makes calls that only reach admitted addresses, and end in bounded time and space.

    - It follows no redirect: a 3xx is an answer like any other. It keeps no cookies, and reads
      neither proxies nor credentials from the environment.
    - total_seconds covers resolution, connection, request, headers and the whole body; `timeout`
      of a single call sets it for that call. connect_seconds bounds the making of a connection.
    - max_response_bytes bounds the body both as sent and decoded, max_header_bytes the headers.

    Calls raise TransportError: AddressRefused, TimedOut, ResponseTooLarge or ConnectionFailed. It
    is open inside `async with`, in one event loop at a time, and can be opened again. How many
    calls are under way at once is the caller's business.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        total_seconds: float = 15.0,
        connect_seconds: float = 5.0,
        max_response_bytes: int = 1_048_576,
        max_header_bytes: int = 65_536,
        resolve: Resolver = resolve_name,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy
        self._total_seconds = total_seconds
        self._connect_seconds = connect_seconds
        self._max_response_bytes = max_response_bytes
        self._max_header_bytes = max_header_bytes
        self._resolve = resolve
        self._tls = tls
        self._opened: aiohttp.ClientSession | None = None
        self._checked_url = lru_cache(_KEPT_URLS)(partial(_checked_url, policy))

    async def __aenter__(self) -> Self:
        tls = self._tls or ssl.create_default_context(cafile=authorities())
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=0,
            ssl=tls,
            resolver=_CheckedResolver(self.policy, self._resolve),
            use_dns_cache=False,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            socket_factory=self._socket,
        )
        loop = asyncio.get_running_loop()
        # Nothing that it offers bounds interim answers, or what the socket gives of a body.
        bounded = partial(_BoundedHandler, loop, self._max_header_bytes, self._max_response_bytes)
        connector._factory = bounded  # type: ignore[assignment]  # the same, with other arguments
        self._opened = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
            max_line_size=self._max_header_bytes,
            max_field_size=self._max_header_bytes,
            skip_auto_headers=("User-Agent",),
            headers={"Accept-Encoding": "identity", "User-Agent": "flexagora"},
        )
        # It sends a GET or a PUT again by itself when the connection breaks, which nobody would see
        # and which would multiply what the caller repeats; there is no option against it.
        self._opened._retry_connection = False
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        timeout: float | None = None,
    ) -> HttpAnswer:
        """Return the answer to one call. Raises TransportError."""
        opened, checked = self._ready(url)
        with _in_our_words("The call did not end in time."):
            async with (
                asyncio.timeout(timeout or self._total_seconds),
                opened.request(
                    method, checked, headers=headers, data=data, allow_redirects=False
                ) as response,
            ):
                return await self._read(response)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        silence_seconds: float,
    ) -> AsyncIterator["HttpStream"]:
        """Make a call whose answer goes on, and give it when its head is there.

        timeout is for the head; the body may go on for as long as it is never silent for longer
        than silence_seconds. Raises TransportError.
        """
        opened, checked = self._ready(url)
        seconds = timeout or self._total_seconds
        with _in_our_words("The call was not answered in time."):
            async with asyncio.timeout(seconds):
                response = await opened.request(
                    method, checked, headers=headers, allow_redirects=False
                )
        try:
            yield HttpStream(response, silence_seconds, seconds, self._read)
        finally:
            response.close()

    def _ready(self, url: str) -> tuple[aiohttp.ClientSession, URL]:
        if self._opened is None:
            raise RuntimeError("The client is used inside `async with`.")
        try:
            return self._opened, self._checked_url(url)
        except Broken as broken:
            raise AddressRefused(broken.detail) from broken

    async def _read(self, response: aiohttp.ClientResponse) -> HttpAnswer:
        size = sum(len(name) + len(value) + 4 for name, value in response.raw_headers)
        if size > self._max_header_bytes:
            response.close()
            raise ResponseTooLarge(_TOO_LARGE)
        decoder = _decoder(response.headers.get("Content-Encoding", ""))
        body = bytearray()
        try:
            async for piece in response.content.iter_any():
                body += piece if decoder is None else self._decoded(decoder, piece, len(body))
                if len(body) > self._max_response_bytes:
                    raise ResponseTooLarge(_TOO_LARGE)
            if decoder is not None and body and not decoder.eof:
                raise ConnectionFailed("The connection failed: the answer breaks off.")
        except BaseException:
            response.close()
            raise
        return HttpAnswer(response.status, response.headers, bytes(body))

    def _decoded(self, decoder: "zlib._Decompress", piece: bytes, so_far: int) -> bytes:
        try:
            return decoder.decompress(piece, self._max_response_bytes - so_far + 1)
        except zlib.error as error:
            raise ConnectionFailed(
                "The connection failed: the answer cannot be decoded."
            ) from error

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """Return a socket for an address that is about to be dialled: the last one to check it."""
        family, kind, protocol, _, where = address
        try:
            admitted(where[0], [where[0]], self.policy)
        except Broken as broken:
            raise AddressRefused(broken.detail) from broken
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class HttpStream:
    """An answer that goes on. Its body is as it was sent, and is either read or taken in pieces."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        silence_seconds: float,
        total_seconds: float,
        read: Callable[[aiohttp.ClientResponse], Awaitable[HttpAnswer]],
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._silence_seconds = silence_seconds
        self._total_seconds = total_seconds
        self._read = read

    async def read(self) -> bytes:
        """Return the whole body, as that of any call. Raises TransportError."""
        with _in_our_words("The call did not end in time."):
            async with asyncio.timeout(self._total_seconds):
                return (await self._read(self._response)).body

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, to its end. Raises TransportError."""
        while True:
            connection = self._response.connection
            if connection is not None and isinstance(connection.protocol, _BoundedHandler):
                connection.protocol.allow_more()
            with _in_our_words(f"Nothing came for {self._silence_seconds:g} s."):
                async with asyncio.timeout(self._silence_seconds):
                    piece = await self._response.content.readany()
            if not piece:
                return
            yield piece


@contextlib.contextmanager
def _in_our_words(too_late: str) -> Iterator[None]:
    """Raise TransportError for whatever the libraries raise."""
    try:
        yield
    except TimeoutError as error:
        raise TimedOut(too_late) from error
    except TransportError:
        raise
    except (aiohttp.ClientError, HttpProcessingError, OSError, ssl.SSLError, ValueError) as error:
        raise _failed(error) from error


class _BoundedHandler(ResponseHandler):
    """Reads an answer no further than allowed: interim ones and headers, then the body."""

    def __init__(self, loop: asyncio.AbstractEventLoop, header_bytes: int, body_bytes: int) -> None:
        super().__init__(loop)
        self._header_bytes = header_bytes
        self._body_bytes = body_bytes
        self._left = 0
        self._status: int | None = None

    def set_response_params(self, **kwargs: Any) -> None:
        """Take up another request of this connection."""
        self._left = self._header_bytes
        self._status = None
        super().set_response_params(**kwargs)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take up an answer's head, which is the end of the headers unless it is an interim one."""
        if data[0].code >= 200 and self._status is None:
            self._status = data[0].code
            self._left = self._body_bytes + _FRAMING_BYTES
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Take up what has come in: each head by itself, then the body as far as is allowed."""
        if not data:
            super().data_received(data)
        while data and self._status is None:
            end = data.find(_END_OF_HEAD)
            length = len(data) if end < 0 else end + len(_END_OF_HEAD)
            if not self._allow(length):
                return
            super().data_received(data[:length])
            data = data[length:]
        if not data:
            return
        if self._status in _WITHOUT_BODY:  # some servers send one all the same
            self.force_close()
        elif self._allow(len(data)):
            payload = self._payload
            super().data_received(data)
            broken = self.exception()
            if broken is not None and payload is not None and not payload.is_eof():
                payload.set_exception(broken)  # or its reader would wait until time is up

    def allow_more(self) -> None:
        """Allow as much again: what has been read is not in memory any more."""
        if self._status is not None:
            self._left = self._body_bytes + _FRAMING_BYTES

    def _allow(self, length: int) -> bool:
        """Return whether so much more is read; refuse the answer if not."""
        allowed = self._left > 0
        self._left -= length  # what has come in together with the last allowed byte is read too
        if not allowed:
            error = ResponseTooLarge(_TOO_LARGE)
            if self._payload is not None:
                self._payload.set_exception(error)
            self.set_exception(error)
            if self.transport is not None:
                self.transport.abort()
        return allowed


class _CheckedResolver(AbstractResolver):
    """Resolves names in threads of their own, and gives addresses only if all are admitted.

    However many ask for one name at once, one thread looks it up: a name whose servers do not
    answer costs a thread, and nobody else anything.
    """

    def __init__(self, policy: AddressPolicy, resolve: Resolver) -> None:
        self._policy = policy
        self._look_up = resolve
        self._under_way: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the checked addresses of a host. Raises TransportError."""
        bare = host.removesuffix(".")
        try:
            literal = literal_address(bare)
            found = [literal] if literal else await self._found(bare, port)
            addresses = admitted(bare, found, self._policy)
        except Broken as broken:
            if broken.rule == "resolvable":
                raise ConnectionFailed(broken.detail) from broken
            raise AddressRefused(broken.detail) from broken
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Leave the threads to themselves: they end with their look-ups."""

    async def _found(self, host: str, port: int) -> Sequence[str]:
        asked = host, port
        looking = self._under_way.get(asked)
        if looking is None:
            looking = asyncio.get_running_loop().create_future()
            self._under_way[asked] = looking
            looking.add_done_callback(lambda _: self._under_way.pop(asked, None))
            threading.Thread(
                target=self._in_thread, args=(host, port, looking), name="resolve", daemon=True
            ).start()
        return await asyncio.shield(looking)

    def _in_thread(self, host: str, port: int, looking: "asyncio.Future[Sequence[str]]") -> None:
        found: Sequence[str] | Broken
        try:
            found = self._look_up(host, port)
        except (OSError, UnicodeError):
            found = Broken("resolvable", f"The host name {host} cannot be resolved.")

        def tell() -> None:
            if looking.cancelled():
                return
            if isinstance(found, Broken):
                looking.set_exception(found)
                looking.exception()  # when nobody waits any more, it is of no interest
            else:
                looking.set_result(found)

        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits
            looking.get_loop().call_soon_threadsafe(tell)


def _checked_url(policy: AddressPolicy, url: str) -> URL:
    """Return a URL to be called; what it names is checked again where it is dialled."""
    parsed = parse(url, policy)
    host = (parsed.host or "").strip("[]")
    literal = literal_address(host.removesuffix("."))
    if literal is None:
        return URL(parsed.url, encoded=True)
    admitted(host, [literal], policy)
    spelled = f"[{literal}]" if ":" in literal else literal
    return URL(parsed._replace(host=spelled).url, encoded=True)


def _decoder(encoding: str) -> "zlib._Decompress | None":
    """Return what decodes a body. None was asked for, but some servers compress all the same."""
    match encoding.strip().lower():
        case "gzip" | "x-gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompressobj()
    return None


def _failed(error: Exception) -> TransportError:
    causes: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in causes:
        causes.append(inner)
        inner = inner.__cause__ or inner.__context__
    for cause in causes:
        if isinstance(cause, TransportError):
            return cause
        if isinstance(cause, LineTooLong):
            return ResponseTooLarge(_TOO_LARGE)
    for cause in reversed(causes):  # the library's own do not tell what OpenSSL found
        if isinstance(cause, ssl.SSLError):
            tls = tls_failure(cause)
            failed = f"The connection failed: {type(cause).__name__}."
            return ConnectionFailed(failed) if tls is None else TlsFailed(tls)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno:
            connecting = isinstance(error, aiohttp.ClientConnectorError)
            what = "No connection could be made" if connecting else "The connection failed"
            return ConnectionFailed(f"{what}: {os.strerror(cause.errno)}.")
    return ConnectionFailed(f"The connection failed: {type(error).__name__}.")

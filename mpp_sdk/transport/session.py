"""The guarded client for threads, on requests.

It dials exactly an address that it has checked. Server name indication, the certificate check and
the Host header keep the name.
"""

import contextlib
import http
import http.client
import io
import socket
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.timeout import Timeout

from mpp_sdk.transport.addresses import (
    AddressPolicy,
    Broken,
    Resolver,
    checked_addresses,
    parse,
    resolve_name,
)
from mpp_sdk.transport.errors import (
    AddressRefused,
    ConnectionFailed,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
)
from mpp_sdk.transport.trust import authorities, tls_failure

_PIECE_BYTES = 16_384
_READ_AHEAD_BYTES = 8_192


@dataclass(frozen=True)
class _Call:
    """What bounds the call that the present thread is making."""

    policy: AddressPolicy
    resolve: Resolver
    deadline: float  # of time.monotonic()
    connect_seconds: float
    max_response_bytes: int
    max_header_bytes: int

    def remaining(self) -> float:
        """Return the seconds left. Raises TimedOut when there are none."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimedOut("The call did not end in time.")
        return seconds


# Read by the connections, which urllib3 makes and reuses: without a call they cannot be used.
_current_call: ContextVar[_Call] = ContextVar("_current_call")


class GuardedSession(requests.Session):
    """A requests session that only reaches admitted addresses, and ends in bounded time and space.

    - It follows no redirect: a 3xx is a response like any other. It keeps no cookies, and reads
      neither proxies nor credentials from the environment.
    - total_seconds covers resolution, connection, request, headers and the whole body; `timeout`
      of a single call sets it for that call. connect_seconds bounds each address that is tried.
    - max_response_bytes bounds the body both as sent and decoded, max_header_bytes the headers.

    Calls raise TransportError: AddressRefused, TimedOut, ResponseTooLarge or ConnectionFailed. The
    body has been read when a call returns. One session may be used by many threads.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        total_seconds: float = 15.0,
        connect_seconds: float = 5.0,
        max_response_bytes: int = 1_048_576,
        max_header_bytes: int = 65_536,
        connections_per_host: int = 10,
        resolve: Resolver = resolve_name,
    ) -> None:
        super().__init__()
        self.policy = policy
        self._total_seconds = total_seconds
        self._connect_seconds = connect_seconds
        self._max_response_bytes = max_response_bytes
        self._max_header_bytes = max_header_bytes
        self._resolve = resolve
        self.trust_env = False
        self.verify = authorities()
        self.headers["Accept-Encoding"] = "identity"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.adapters.clear()
        adapter = _GuardedAdapter(pool_connections=100, pool_maxsize=connections_per_host)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return the request to send. Raises AddressRefused for what is not to be called."""
        try:
            parse(str(request.url), self.policy)
            return super().prepare_request(request)
        except Broken as broken:
            raise AddressRefused(broken.detail) from broken
        except requests.exceptions.InvalidURL as error:
            raise AddressRefused("This is not a URL.") from error

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no response sends this client anywhere."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Return the response, its body read. Raises TransportError."""
        seconds = kwargs.pop("timeout", None) or self._total_seconds
        call = _Call(
            policy=self.policy,
            resolve=self._resolve,
            deadline=time.monotonic() + seconds,
            connect_seconds=self._connect_seconds,
            max_response_bytes=self._max_response_bytes,
            max_header_bytes=self._max_header_bytes,
        )
        kwargs.update(
            stream=True,
            proxies={},
            allow_redirects=False,
            timeout=Timeout(connect=seconds, read=seconds),
        )
        token = _current_call.set(call)
        try:
            return self._send_bounded(request, call, kwargs)
        finally:
            _current_call.reset(token)

    def _send_bounded(
        self, request: requests.PreparedRequest, call: _Call, kwargs: dict[str, Any]
    ) -> requests.Response:
        try:
            parse(request.url or "", self.policy)
            response = super().send(request, **kwargs)
            _read_body(response, call)
        except Broken as broken:
            raise AddressRefused(broken.detail) from broken
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
            ValueError,  # of a chunk whose length is negative
        ) as error:
            call.remaining()  # what breaks when time is up, breaks because time is up
            tls = tls_failure(error)
            if tls is not None:
                raise TlsFailed(tls) from error
            raise ConnectionFailed(f"The connection failed: {_reason(error)}.") from error
        return response


class _GuardedResponse(http.client.HTTPResponse):
    """A response that is read no longer, and no further, than the call allows."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _BoundedReader(sock, _current_call.get().max_header_bytes)
        self.fp.close()
        self.fp = io.BufferedReader(self._reader, _READ_AHEAD_BYTES)

    def _read_status(self) -> tuple[str, int, str]:
        """Return the status of the final answer: the library passes over 100 only."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the stubs
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS or not 100 <= status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)

    def begin(self) -> None:
        super().begin()
        self._reader.allow(_current_call.get().max_response_bytes)


class _BoundedReader(io.RawIOBase):
    """The bytes of a socket, each read bounded by the call's deadline, all of them by a budget."""

    def __init__(self, sock: socket.socket, budget: int) -> None:
        self._socket = sock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open for as long as this
        self.allow(budget)

    def allow(self, budget: int) -> None:
        """Set what may be read from here on, beside what one read may take in ahead."""
        self._left = budget + _READ_AHEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        call = _current_call.get()
        self._socket.settimeout(call.remaining())
        try:
            received = self._socket.recv_into(buffer)
        except TimeoutError as error:
            raise TimedOut("The answer did not arrive in time.") from error
        self._left -= received
        if self._left < 0:
            raise ResponseTooLarge("The answer is larger than what is read.")
        return received

    def close(self) -> None:
        self._file.close()
        super().close()


class _Guarded(HTTPConnection):
    """A connection that dials checked addresses only."""

    response_class = _GuardedResponse

    def _new_conn(self) -> socket.socket:
        call = _current_call.get()
        try:
            addresses = checked_addresses(
                self._dns_host, self.port or 0, call.policy, call.resolve, call.deadline
            )
        except Broken as broken:
            if broken.rule == "resolvable":
                call.remaining()
                raise ConnectionFailed(broken.detail) from broken
            raise AddressRefused(broken.detail) from broken
        dialled = _dial(addresses, self.port or 0, call)
        for option in self.socket_options or ():
            dialled.setsockopt(*option)
        dialled.settimeout(call.remaining())  # bounds the TLS handshake as a whole
        return dialled

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        view = memoryview(data)
        for start in range(0, len(view), _PIECE_BYTES):
            self.sock.settimeout(_current_call.get().remaining())
            try:
                self.sock.sendall(view[start : start + _PIECE_BYTES])
            except TimeoutError as error:
                raise TimedOut("The request was not taken in time.") from error


class _GuardedHttpConnection(_Guarded):
    pass


class _GuardedHttpsConnection(_Guarded, HTTPSConnection):
    pass


class _GuardedHttpPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHttpConnection


class _GuardedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHttpsConnection


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _GuardedHttpPool,
            "https": _GuardedHttpsPool,
        }


def _dial(addresses: Sequence[str], port: int, call: _Call) -> socket.socket:
    """Return a connection to the first of the addresses that answers."""
    last: OSError | None = None
    for address in addresses:
        seconds = min(call.connect_seconds, call.remaining())
        try:
            return socket.create_connection((address, port), timeout=seconds)
        except OSError as error:
            last = error
    call.remaining()
    if isinstance(last, TimeoutError):
        raise TimedOut("No connection was made in time.") from last
    raise ConnectionFailed(f"No connection could be made: {_reason(last)}.") from last


def _read_body(response: requests.Response, call: _Call) -> None:
    """Read the body into the response, and put the connection back, or close it if that fails."""
    with _closing_on_error(response):
        body = bytearray()
        while piece := response.raw.read(_PIECE_BYTES, decode_content=True):
            body += piece
            if len(body) > call.max_response_bytes:
                raise ResponseTooLarge("The answer is larger than what is read.")
        # The documented way to hand over content does not exist: requests reads it by itself,
        # without any bound, unless these are set.
        response._content = bytes(body)
        response._content_consumed = True  # type: ignore[attr-defined]  # not in the stubs
        response.raw.release_conn()


@contextlib.contextmanager
def _closing_on_error(response: requests.Response) -> Iterator[None]:
    try:
        yield
    except BaseException:
        response.raw.close()
        raise


def _reason(error: BaseException | None) -> str:
    """Return the innermost cause, without the addresses and objects that libraries put around."""
    while error is not None and isinstance(
        inner := getattr(error, "reason", None) or next(iter(error.args), None), BaseException
    ):
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__

"""The guarded HTTP client: calls platforms that others have named, and cannot be turned inwards.

A platform's address is data that a stranger typed in. The client resolves the name itself, refuses
when any of its addresses is not a public one, and dials exactly an address that it has checked, so
that a name which resolves differently a moment later (DNS rebinding) gains nothing. Server name
indication, the certificate check and the Host header keep the name.
"""

import contextlib
import http.client
import io
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url
from urllib3.util.timeout import Timeout

from mpp_sdk.errors import InvalidInput, Unavailable

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolver = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a name, as text; raises OSError when it has none."""

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers' customers (CGNAT)
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds keep their metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "64:ff9b::/96",  # NAT64: reaches any IPv4 address
        "64:ff9b:1::/48",
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: wraps any IPv4 address
        "3fff::/20",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
    )
)
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NUMERIC_LABEL = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)

_RESOLVE_SECONDS = 5.0
_PIECE_BYTES = 16_384
_READ_AHEAD_BYTES = 8_192


class TransportError(Unavailable):
    """A call got no usable answer."""

    title = "The other side cannot be reached"


class AddressRefused(TransportError):
    """The address is not one that this client may call."""


class TimedOut(TransportError):
    """The whole answer did not arrive in time."""


class ResponseTooLarge(TransportError):
    """The answer's headers or body are larger than what is read."""


class ConnectionFailed(TransportError):
    """The connection could not be made, or broke, or what came back was not HTTP."""


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses may be called.

    allow_private admits loopback, private, link-local and translated addresses; multicast,
    unspecified and reserved ones are never admitted. allow_http admits calls without TLS.
    """

    allow_private: bool = False
    allow_http: bool = False

    def admits(self, address: IpAddress) -> bool:
        """Return whether an address may be dialled."""
        canonical = _canonical(address)
        if any(canonical in network for network in _NEVER):
            return False
        if any(canonical in network for network in _PRIVATE):
            return self.allow_private
        return canonical.version == 4 or canonical in _GLOBAL_UNICAST


class _Broken(Exception):
    """A URL breaks a rule."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


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


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host name, as the system resolves it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_url(
    url: str,
    policy: AddressPolicy,
    *,
    pointer: str = "/baseUrl",
    resolve: Resolver = resolve_name,
) -> None:
    """Check that a base URL is one that the guarded client would call now.

    Raises InvalidInput that names the broken rule: `uri`, `https`, `userinfo`, `host`, `port`,
    `noQuery`, `resolvable` or `publicAddress`. The name is resolved, and checked again whenever
    it is dialled.
    """
    try:
        parsed = _parse(url, policy)
        if parsed.query is not None or parsed.fragment is not None:
            raise _Broken("noQuery", "The URL must have no query and no fragment.")
        _checked_addresses(
            parsed.host or "", _port(parsed), policy, resolve, time.monotonic() + _RESOLVE_SECONDS
        )
    except _Broken as broken:
        raise InvalidInput.field(pointer, broken.rule, broken.detail) from broken


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
        self.headers["Accept-Encoding"] = "identity"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.adapters.clear()
        adapter = _GuardedAdapter(pool_connections=100, pool_maxsize=connections_per_host)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

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
            _parse(request.url or "", self.policy)
            response = super().send(request, **kwargs)
            _read_body(response, call)
        except _Broken as broken:
            raise AddressRefused(broken.detail) from broken
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            call.remaining()  # what breaks when time is up, breaks because time is up
            raise ConnectionFailed(f"The connection failed: {_reason(error)}.") from error
        return response


class _GuardedResponse(http.client.HTTPResponse):
    """A response that is read no longer, and no further, than the call allows."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _BoundedReader(sock, _current_call.get().max_header_bytes)
        self.fp.close()
        self.fp = io.BufferedReader(self._reader, _READ_AHEAD_BYTES)

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
            addresses = _checked_addresses(
                self._dns_host, self.port or 0, call.policy, call.resolve, call.deadline
            )
        except _Broken as broken:
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


def _canonical(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 one merely spells differently, else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _IPV4_COMPATIBLE and int(address) > 1:  # not :: and ::1
        return ipaddress.IPv4Address(int(address))
    return address


def _parse(url: str, policy: AddressPolicy) -> Url:
    """Return the parts of a URL that this policy lets be called, as far as they can be told."""
    if any(character <= " " or character == "\x7f" for character in url):
        raise _Broken("uri", "The URL must have no spaces or control characters.")
    try:
        parsed = parse_url(url)
    except LocationParseError as error:
        raise _Broken("uri", "This is not a URL.") from error
    if parsed.scheme not in (("https", "http") if policy.allow_http else ("https",)):
        raise _Broken("https", "The URL must begin with https://.")
    if parsed.auth is not None:
        raise _Broken("userinfo", "The URL must hold no user name or password.")
    if not parsed.host:
        raise _Broken("host", "The URL must name a host.")
    if parsed.port is not None and not 1 <= parsed.port <= 65_535:
        raise _Broken("port", "The port must be between 1 and 65535.")
    return parsed


def _port(parsed: Url) -> int:
    return parsed.port or (443 if parsed.scheme == "https" else 80)


def _checked_addresses(
    host: str, port: int, policy: AddressPolicy, resolve: Resolver, deadline: float
) -> Sequence[str]:
    """Return the addresses of a host, all of them admitted, none with a zone."""
    bare = host.strip("[]").removesuffix(".")
    literal = _literal(bare)
    addresses = [literal] if literal else _resolve_in_time(bare, port, resolve, deadline)
    if not addresses:
        raise _Broken("resolvable", f"The host name {bare} has no address.")
    for address in addresses:
        if "%" in address or not policy.admits(ipaddress.ip_address(address)):
            raise _Broken("publicAddress", f"{bare} is not at a public address.")
    return addresses


def _literal(host: str) -> str | None:
    """Return the address that a host spells out, in any form that a resolver takes, or None."""
    if ":" in host:
        return host
    if not _NUMERIC_LABEL.fullmatch(host.rsplit(".", 1)[-1]):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))  # decimal, octal, hex and short forms
    except (OSError, UnicodeError) as error:
        raise _Broken("host", f"{host} is not an IPv4 address.") from error


def _resolve_in_time(host: str, port: int, resolve: Resolver, deadline: float) -> Sequence[str]:
    """Return what the resolver gives before the deadline; the system's own has no time limit."""
    found: list[Sequence[str]] = []
    failed: list[Exception] = []

    def look_up() -> None:
        try:
            found.append(resolve(host, port))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if found:
        return found[0]
    why = "cannot be resolved" if failed else "was not resolved in time"
    raise _Broken("resolvable", f"The host name {host} {why}.")


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

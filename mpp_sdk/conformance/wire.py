"""A connection on which the kit writes HTTP by the byte: slowly, in parts, or never to the end."""

import http.client
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from mpp_sdk.conformance.exchange import Exchange, Request
from mpp_sdk.conformance.features import EVENTS
from mpp_sdk.conformance.target import Target
from mpp_sdk.transport.addresses import checked_addresses, parse, port_of, resolve_name
from mpp_sdk.transport.trust import authorities

_RESET = struct.pack("ii", 1, 0)
_CONNECT_S = 10.0


class Wire:
    """One connection to the server. Its calls raise OSError when the server has closed it."""

    def __init__(self, target: Target) -> None:
        url = parse(target.base_url, target.policy)
        host, port = (url.host or "").strip("[]"), port_of(url)
        deadline = time.monotonic() + _CONNECT_S
        address = checked_addresses(host, port, target.policy, resolve_name, deadline)[0]
        connection = socket.create_connection((address, port), timeout=_CONNECT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=authorities())
            connection = context.wrap_socket(connection, server_hostname=host)
        connection.settimeout(target.timeout.total_seconds())
        self._socket = connection
        self._authority = urlsplit(target.base_url).netloc
        self._prefix = urlsplit(target.base_url).path.rstrip("/")

    def head(self, request: Request, more: Mapping[str, str] | None = None) -> bytes:
        """Return the head of a request as it is sent, with further headers.

        The length of the body is told in it, unless a header says how the body comes.
        """
        headers = {"Host": self._authority, **request.headers, **(more or {})}
        if "Transfer-Encoding" not in headers and request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        lines = [f"{request.method} {self._prefix}{request.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def send(self, data: bytes) -> None:
        """Send some bytes."""
        self._socket.sendall(data)

    def answer(self, request: Request) -> Exchange:
        """Return the answer to a request that was sent; answers of the kind 1xx are passed over."""
        begun = self.begin(request, whole=True)
        begun.close()
        return begun.exchange

    def begin(self, request: Request, *, whole: bool = False) -> "Begun":
        """Return the answer to a request that was sent; of one that is a stream, its head alone.

        Answers of the kind 1xx are passed over.
        """
        started = time.monotonic()
        response = http.client.HTTPResponse(self._socket, method=request.method)
        try:
            with _as_http():
                response.begin()
                headers = {name.lower(): value for name, value in response.getheaders()}
                goes_on = not whole and headers.get("content-type", "").startswith(EVENTS)
                body = b"" if goes_on else response.read()
        except BaseException:
            response.close()
            raise
        seconds = time.monotonic() - started
        exchange = Exchange(None, request, response.status, headers, body, seconds)
        return Begun(exchange, goes_on, response, self._socket)

    def first_line(self, seconds: float) -> str:
        """Return the line with which an answer begins, up to its end, or "" if none comes in time.

        What follows is left to be read.
        """
        self._socket.settimeout(seconds)
        line = b""
        try:
            while not line.endswith(b"\r\n"):
                piece = self._socket.recv(1)
                if not piece:
                    break
                line += piece
        except TimeoutError:
            return ""
        return line.decode("latin-1").strip()

    def rest_of_head(self) -> None:
        """Read to the end of a head whose first line was read."""
        last = b""
        while not last.endswith(b"\r\n\r\n") and last != b"\r\n":
            piece = self._socket.recv(1)
            if not piece:
                return
            last = (last + piece)[-4:]

    def cut(self) -> None:
        """End the connection at once, as when the network fails."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@dataclass
class Begun:
    """An answer that has begun. `goes_on` says that more of it is to come, by `piece`."""

    exchange: Exchange
    goes_on: bool
    _response: http.client.HTTPResponse
    _socket: socket.socket

    def piece(self, seconds: float | None = None) -> bytes:
        """Return what comes next, b"" at the end.

        Raises TimeoutError when nothing comes for so long; then nothing more can be read.
        """
        if seconds is not None:
            self._socket.settimeout(max(seconds, 0.001))
        with _as_http():
            return self._response.read1()

    def close(self) -> None:
        """Read no more of it."""
        self._response.close()


@contextmanager
def _as_http() -> Iterator[None]:
    try:
        yield
    except http.client.HTTPException as error:
        raise ConnectionError("What came is no answer of HTTP.") from error


@contextmanager
def connected(target: Target) -> Iterator[Wire]:
    """Give a connection that is closed when the block ends. Raises OSError when there is none."""
    wire = Wire(target)
    try:
        yield wire
    finally:
        wire.close()

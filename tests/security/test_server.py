"""What comes in that is no good HTTP: refused, in bounded time and space, and never misread."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from mpp_sdk.web import protocol
from mpp_sdk.web.server import BackgroundServer

HEAD = b"POST /seen HTTP/1.1\r\nHost: a\r\n"
INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
BEFORE = b"0\r\n\r\n"


class Seen:
    """An application that reads each request to its end and remembers the paths."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
            return
        self.paths.append(scope["path"])
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})


class Server:
    def __init__(self, url: str, app: Seen) -> None:
        self.address = ("127.0.0.1", int(url.rpartition(":")[2]))
        self.app = app

    def exchange(self, *pieces: bytes, wait: float = 2.0) -> bytes:
        """Return all that the server says to what is sent, until it hangs up or has said enough."""
        with socket.create_connection(self.address, timeout=wait) as connection:
            with contextlib.suppress(OSError):
                for piece in pieces:
                    connection.sendall(piece)
            told = b""
            with contextlib.suppress(OSError):
                while piece := connection.recv(65_536):
                    told += piece
            return told


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    app = Seen()
    with BackgroundServer(app) as url:
        yield Server(url, app)


@pytest.fixture
def server(running: Server) -> Server:
    running.app.paths.clear()
    return running


SHAPES = {
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + BEFORE,
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + BEFORE,
    "two lengths": b"Content-Length: 0\r\nContent-Length: 37\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 37\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length in hex": b"Content-Length: 0x0\r\n\r\n",
    "a length with a space": b"Content-Length: 0 0\r\n\r\n",
    "a length that overflows": b"Content-Length: 18446744073709551616\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "a tab before the colon": b"Transfer-Encoding\t: chunked\r\n\r\n" + BEFORE,
    "chunks that are not last": b"Transfer-Encoding: chunked, identity\r\n\r\n" + BEFORE,
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n" + BEFORE,
    "an unknown encoding": b"Transfer-Encoding: xchunked\r\n\r\n" + BEFORE,
    "a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n" + BEFORE,
    "a null in a header": b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a folded header": b"X-A: a\r\n Content-Length: 37\r\nContent-Length: 0\r\n\r\n",
    "a header without a name": b": a\r\nContent-Length: 0\r\n\r\n",
    "a carriage return alone": b"X-A: a\rContent-Length: 37\r\nContent-Length: 0\r\n\r\n",
    "a chunk's size with a sign": b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "a negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a chunk's size in 0x": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a chunk's size that overflows": b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n",
    "a chunk longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
}


WISH = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


@pytest.mark.parametrize("wish", [b"", WISH], ids=["plain", "with an upgrade"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_request_that_two_may_read_differently_smuggles_nothing(
    server: Server, shape: bytes, wish: bytes
) -> None:
    told = server.exchange(HEAD + wish + shape + INNER, wait=1.0)
    assert "/smuggled" not in server.app.paths
    assert not told or told.startswith(b"HTTP/1.1 400")


def test_two_good_requests_at_once_are_two(server: Server) -> None:
    told = server.exchange(HEAD + b"Content-Length: 2\r\n\r\nab" + INNER, wait=1.0)
    assert server.app.paths == ["/seen", "/smuggled"]
    assert told.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(server: Server, line: bytes) -> None:
    told = server.exchange(line, wait=1.0)
    assert not told or told.startswith((b"HTTP/1.1 400", b"HTTP/1.1 4"))
    assert server.exchange(HEAD + b"\r\n", wait=0.5).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"GET /", b"a" * 16_384),
        (b"GET / HTTP/1.1\r\n", b"X-A: " + b"b" * 16_000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nX-A: ", b"b" * 16_384),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 3000),
    ],
    ids=["path", "headers", "header", "many headers"],
)
def test_a_head_without_end_is_refused(server: Server, first: bytes, piece: bytes) -> None:
    told = server.exchange(first, *[piece] * 200)
    assert server.app.paths == []
    assert not told or told.startswith(b"HTTP/1.1 431")


def test_a_head_within_the_limit_is_read(server: Server) -> None:
    head = HEAD + b"X-A: " + b"b" * (protocol.MAX_HEAD_BYTES - 1000) + b"\r\n\r\n"
    assert server.exchange(head, wait=1.0).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("first", [b"", b"GET", HEAD, HEAD + b"X-A"])
def test_a_head_that_does_not_come_is_waited_for_no_longer(
    server: Server, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    told = server.exchange(first, wait=10.0)
    assert told.startswith(b"HTTP/1.1 408")
    assert server.app.paths == []


def test_a_head_that_drips_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(HEAD)
        broken = False
        for _ in range(100):
            try:
                connection.sendall(b"X-A: b\r\n")
            except OSError:
                broken = True
                break
            time.sleep(0.05)
    assert broken


def test_a_second_head_on_a_connection_is_bounded_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    told = server.exchange(HEAD + b"\r\n", HEAD, wait=10.0)
    assert told.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in told
